// SPDX-License-Identifier: Apache-2.0
//
// millrace admin verify|journal|containers|segments|extents|objects: a look inside a data directory, stopped or not.
#include "cli/command.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/admin_table.h"
#include "cli/machine.h"
#include "common/keyvalue/rocksdb/rocksdb_engine.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/telemetry/log.h"
#include "segmentstore/inspect/object_check.h"
#include "segmentstore/inspect/store_view.h"
#include "segmentstore/inspect/verify.h"
#include "segmentstore/server/store_format.h"

namespace millrace::cli {
namespace {

using inspect::StorePlace;
using inspect::StoreView;

struct AdminArguments {
    StorePlace place;
    bool batches = false;
    std::string match;
    std::string segment;
};

// A store that runs changes its files while they are read: what looks wrong then is looked at again.
constexpr int kLooks = 5;
constexpr std::chrono::milliseconds kBetweenLooks{300};

// Holds the data directory's lock, so that no store starts meanwhile; `held` is empty while one runs.
struct Exclusion {
    std::unique_ptr<DirectoryLock> held;
    std::string holder;
};

Task<Result<Exclusion>> exclude(Runtime runtime, StorePlace place) {
    // Before anything is made in what may be no data directory.
    MR_CO_TRY_VOID(co_await segmentstore::read_store_format(runtime, place.data_directory));
    Exclusion exclusion;
    auto lock = co_await runtime.disk.lock_directory(place.data_directory);
    if (lock) exclusion.held = std::move(*lock);
    else exclusion.holder = lock.error().detail();
    co_return std::move(exclusion);
}

Task<Result<std::unique_ptr<StoreView>>> open_view(Runtime runtime, StorePlace place, bool running) {
    for (int look = 1;; ++look) {
        auto view = co_await StoreView::open(runtime, place);
        if (view || !running || look == kLooks) co_return std::move(view);
        co_await sleep_for(runtime.clock, kBetweenLooks);
    }
}

// Tables of what a view shows.
using FillTable = Task<Result<void>> (*)(Runtime runtime, StoreView& view, const AdminArguments& arguments, AdminTable& table);

Task<int> show(Runtime runtime, const CommandLine& line, const AdminArguments& arguments, FillTable fill) {
    auto exclusion = co_await exclude(runtime, arguments.place);
    if (!exclusion) co_return fail(line, exclusion.error());
    auto view = co_await open_view(runtime, arguments.place, !exclusion->held);
    if (!view) co_return fail(line, view.error());
    AdminTable table;
    Result<void> filled = co_await fill(runtime, **view, arguments, table);
    int code = filled && table.print(line) ? kDone : kFailed;
    if (!filled) fail(line, filled.error());
    for (std::uint32_t number = 0; number < (*view)->container_count(); ++number) {
        if (const auto& trouble = (*view)->trouble(ContainerId{number})) code = fail(line, *trouble);
    }
    co_await (*view)->close();
    co_return code;
}

Task<Result<void>> containers_table(Runtime, StoreView& view, const AdminArguments&, AdminTable& table) {
    table.head({"container", "segments", "epoch", "log_first", "log_next", "operations", "tiered_operations", "objects", "snapshot"});
    for (std::uint32_t number = 0; number < view.container_count(); ++number) {
        const ContainerId id{number};
        const container::Container* container = view.container(id);
        if (container == nullptr) continue;
        const log::DurableLog& log = *view.log(id);
        const auto snapshot = container->anchored_snapshot();
        table.row({number, container->counts().segments, log.epoch().number(), log.first().number(), log.next().number(),
                   container->committed().number(), container->cursor().lsn.number(), container->objects().objects().size(),
                   snapshot ? storage::ObjectName{id, snapshot->epoch, snapshot->sequence}.to_string() : std::string{}});
    }
    co_return ok();
}

Task<Result<void>> segments_table(Runtime, StoreView& view, const AdminArguments& arguments, AdminTable& table) {
    table.head({"segment", "container", "start", "length", "tiered_to", "state", "attributes"});
    for (std::uint32_t number = 0; number < view.container_count(); ++number) {
        const container::Container* container = view.container(ContainerId{number});
        if (container == nullptr) continue;
        for (const auto& segment : container->segments()) {
            if (segment->name.find(arguments.match) == std::string::npos) continue;
            table.row({segment->name, number, segment->committed.start_offset, segment->committed.length, segment->tiered.end(),
                       segment->committed.sealed ? std::string{"sealed"} : std::string{"open"}, segment->attributes.size()});
        }
    }
    co_return ok();
}

Task<Result<void>> extents_table(Runtime, StoreView& view, const AdminArguments& arguments, AdminTable& table) {
    table.head({"offset", "length", "in", "position"});
    for (std::uint32_t number = 0; number < view.container_count(); ++number) {
        const ContainerId id{number};
        const container::Container* container = view.container(id);
        if (container == nullptr) continue;
        for (const auto& segment : container->segments()) {
            if (segment->name != arguments.segment) continue;
            for (const container::TieredExtent& extent : segment->tiered.extents()) {
                table.row({extent.offset, extent.length,
                           "object " + storage::ObjectName{id, extent.object.epoch, extent.object.sequence}.to_string(),
                           extent.position});
            }
            // What is in both is read from long-term storage.
            const std::int64_t logged = std::max(segment->extents.begin(), segment->tiered.end());
            for (std::int64_t at = logged; at < segment->extents.end();) {
                const container::Extent* extent = segment->extents.find(at);
                table.row({extent->offset, extent->length, "log entry " + to_string(extent->entry), extent->position()});
                at = extent->end();
            }
            co_return ok();
        }
    }
    co_return Error{ErrorCode::kNotFound, "segment '" + arguments.segment + "' does not exist; 'millrace admin segments' lists them"};
}

std::string state_of(const container::ObjectTable::Object* object, bool anchored) {
    // Also when the next snapshot is planned, with which this one will be dead.
    if (anchored) return "in use";
    if (object == nullptr) return "left over";
    if (object->dead_since != container::Lsn{}) return "dead";
    return object->written && !object->snapshot ? "in use" : "planned";
}

Task<Result<void>> objects_table(Runtime, StoreView& view, const AdminArguments&, AdminTable& table) {
    table.head({"object", "kind", "bytes", "extents", "live_extents", "state"});
    for (std::uint32_t number = 0; number < view.container_count(); ++number) {
        const ContainerId id{number};
        const container::Container* container = view.container(id);
        if (container == nullptr) continue;
        MR_CO_TRY(const auto names, co_await view.storage().list(id));
        for (const storage::ObjectName& name : names) {
            const container::ObjectId object{name.epoch, name.sequence};
            const auto* known = container->objects().find(object);
            const auto looked = co_await inspect::look_at_object(view.storage(), name);
            // Of a store that runs.
            if (!looked && looked.error().is(ErrorCode::kNotFound)) continue;
            if (!looked) {
                table.row({name.to_string(), std::string{}, 0, 0, 0, "damaged: " + looked.error().detail()});
                continue;
            }
            const bool snapshot = looked->kind == tiering::ObjectKind::kSnapshot;
            table.row({name.to_string(), std::string{snapshot ? "snapshot" : "data"}, looked->bytes, looked->footer.extents.size(),
                       known == nullptr ? 0 : known->live_extents, state_of(known, container->anchored_snapshot() == object)});
        }
    }
    co_return ok();
}

// Which logs a batch has entries of, and what else is in it.
std::string describe_records(const log::WholeBatch& batch) {
    std::string text;
    const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    for (std::size_t i = 0; i < batch.records.size();) {
        const log::RecordHeader& record = batch.records[i].header;
        const std::string of_log = " of log " + std::to_string(record.log);
        std::size_t next = i + 1;
        switch (record.type) {
        case log::RecordType::kEntry:
            while (next < batch.records.size() && batch.records[next].header.type == record.type &&
                   batch.records[next].header.log == record.log) {
                ++next;
            }
            add(next == i + 1 ? "entry " + std::to_string(record.index) + of_log
                              : "entries " + std::to_string(record.index) + " to " +
                                    std::to_string(batch.records[next - 1].header.index) + of_log);
            break;
        case log::RecordType::kPromise: add("epoch " + std::to_string(record.epoch) + of_log); break;
        case log::RecordType::kTruncate: add("truncation" + of_log + " to entry " + std::to_string(record.index)); break;
        case log::RecordType::kLogState: add("state of the logs"); break;
        case log::RecordType::kFileList: add("list of files"); break;
        case log::RecordType::kRetired: add("retired files"); break;
        }
        i = next;
    }
    return text;
}

Task<int> show_journal(Runtime runtime, const CommandLine& line, const AdminArguments& arguments) {
    auto exclusion = co_await exclude(runtime, arguments.place);
    if (!exclusion) co_return fail(line, exclusion.error());
    AdminTable batches;
    batches.head({"file", "offset", "batch", "bytes", "proves", "written", "records"});
    log::BatchVisitor visit;
    if (arguments.batches) {
        visit = [&batches](const log::JournalFileInfo& file, std::uint64_t offset, const log::WholeBatch& batch) {
            batches.row({file.name, offset, batch.header.batch_seq, batch.header.padded_bytes, batch.header.synced_through,
                         time_text(batch.header.wall_time_ms), describe_records(batch)});
        };
    }
    std::optional<Result<std::vector<log::JournalFileInfo>>> files;
    for (int look = 1; look <= kLooks; ++look) {
        batches.clear_rows();
        files = co_await log::list_journal_files(runtime, arguments.place.journal(), visit);
        if (*files || exclusion->held) break;
        co_await sleep_for(runtime.clock, kBetweenLooks);
    }
    if (!*files) co_return fail(line, files->error());
    if (arguments.batches) co_return batches.print(line) ? kDone : kFailed;
    AdminTable table;
    table.head({"file", "bytes", "used", "batches", "records", "first_batch", "last_batch", "written", "remark"});
    for (const log::JournalFileInfo& file : **files) {
        const bool spare = file.header && file.batches == 0;
        table.row({file.name, file.bytes, file.end, file.batches, file.records, file.first_batch, file.last_batch,
                   file.batches == 0 ? std::string{} : time_text(file.last_wall_time_ms), spare ? std::string{"spare"} : file.remark});
    }
    co_return table.print(line) ? kDone : kFailed;
}

// What looked wrong every time.
void keep_common(std::vector<std::string>& damage, const std::vector<std::string>& again) {
    std::erase_if(damage, [&](const std::string& one) { return std::find(again.begin(), again.end(), one) == again.end(); });
}

// What the streams are; a segment store that runs alone has none.
Task<void> verify_metadata(Runtime runtime, const std::string& directory, inspect::VerifyReport& report) {
    const auto engine = keyvalue::make_rocksdb_engine({});
    auto store = co_await engine->open(runtime, {.directory = directory, .log = true, .read_only = true});
    if (!store) {
        if (store.error().is(ErrorCode::kNotFound)) co_return;
        report.damage.push_back("metadata store: " + store.error().detail());
        co_return;
    }
    if (const auto verified = co_await (*store)->verify(); !verified) {
        report.damage.push_back("metadata store: " + verified.error().detail());
    }
    co_await (*store)->close();
}

Task<int> verify(Runtime runtime, const CommandLine& line, const AdminArguments& arguments) {
    auto exclusion = co_await exclude(runtime, arguments.place);
    // Any other error is damage that the report tells of.
    if (!exclusion && exclusion.error().is(ErrorCode::kNotFound)) co_return fail(line, exclusion.error());
    const bool running = exclusion && !exclusion->held;
    inspect::VerifyReport report = co_await inspect::verify(runtime, arguments.place);
    for (int look = 2; running && !report.clean() && look <= kLooks; ++look) {
        co_await sleep_for(runtime.clock, kBetweenLooks);
        inspect::VerifyReport again = co_await inspect::verify(runtime, arguments.place);
        // Who could not look has seen nothing to the contrary.
        if (report.looked_at_all && !again.looked_at_all) continue;
        if (report.looked_at_all) keep_common(again.damage, report.damage);
        report = std::move(again);
    }
    if (running) {
        report.remarks.push_back("a store runs on it (" + exclusion->holder +
                                 "): what came and went meanwhile was not looked at, nor its metadata store");
    } else {
        co_await verify_metadata(runtime, arguments.place.data_directory + "/metadata", report);
    }
    const std::string sum = with_commas(report.containers) + " containers, " + with_commas(report.segments) + " segments, " +
                            with_commas(report.log_entries) + " log entries, " + with_commas(report.objects) + " objects of " +
                            with_commas(report.object_bytes) + " bytes: ";
    bool printed = true;
    if (line.json()) {
        printed = print_line(line, nlohmann::ordered_json{{"containers", report.containers},
                                                          {"segments", report.segments},
                                                          {"log_entries", report.log_entries},
                                                          {"objects", report.objects},
                                                          {"object_bytes", report.object_bytes},
                                                          {"damage", report.damage},
                                                          {"remarks", report.remarks}}
                                       .dump());
    } else {
        for (const std::string& damage : report.damage) printed = printed && print_line(line, "damage: " + damage);
        for (const std::string& remark : report.remarks) printed = printed && print_line(line, "remark: " + remark);
        printed = printed && print_line(line, sum + (report.clean() ? "no damage" : "damaged"));
    }
    if (!printed) co_return kFailed;
    if (report.clean()) co_return kDone;
    co_return fail(line, {ErrorCode::kCorrupt, "'" + arguments.place.data_directory + "' is damaged in " +
                                                   std::to_string(report.damage.size()) + " places"});
}

int run_admin(UniqueFunction<Task<int>(Runtime)> action) {
    log_line::set_level(log_line::Level::kWarn);
    raise_descriptor_limit();
    AsioRuntime runtime;
    return runtime.run_main([&]() -> Task<int> { return action(runtime.bundle()); });
}

}  // namespace

void add_admin_commands(CLI::App& root, CommandLine& line) {
    CLI::App* admin = root.add_subcommand("admin", "Look inside a data directory, and verify it");
    admin->require_subcommand(1);
    const auto arguments = std::make_shared<AdminArguments>();
    const auto add = [&](const char* name, const char* about, const char* footer, auto action) {
        CLI::App* command = admin->add_subcommand(name, about);
        command->add_option("DATA-DIR", arguments->place.data_directory, "The data directory of a server")->required();
        command->add_option("--storage-dir", arguments->place.storage_directory,
                            "Long-term storage, when the server was given one; otherwise it is in the data directory");
        add_output_option(*command, line);
        command->footer(footer);
        command->callback([&line, arguments, action] {
            line.action = [&line, arguments, action] {
                return run_admin([&line, arguments, action](Runtime runtime) { return action(runtime, line, *arguments); });
            };
        });
        return command;
    };
    const auto table = [](FillTable fill) {
        return [fill](Runtime runtime, const CommandLine& command_line, const AdminArguments& given) {
            return show(runtime, command_line, given, fill);
        };
    };
    add("verify", "Check every checksum, and that everything referred to is there",
        "Reads the whole journal and all of long-term storage; changes nothing. Ends with 1 when something is damaged, and names it.\n"
        "While no server runs on the directory none can start until this has ended.\n"
        "Examples:\n  millrace admin verify /var/lib/millrace\n  millrace admin verify ./data --output json",
        verify);
    add("journal", "List the files of the journal, or its batches",
        "'used' is where the last whole batch ends; a spare file waits for its turn.\n"
        "Examples:\n  millrace admin journal ./data\n  millrace admin journal ./data --batches",
        show_journal)
        ->add_flag("--batches", arguments->batches, "Each batch: what is in it, and up to which batch it proves all to be durable");
    add("containers", "List containers with their logs",
        "Entries from log_first to before log_next are in the journal.\n"
        "Examples:\n  millrace admin containers ./data\n  millrace admin containers ./data --output json",
        table(containers_table));
    add("segments", "List segments",
        "Bytes from 'start' to 'length' can be read; those up to 'tiered_to' are in long-term storage, the others in the journal.\n"
        "Examples:\n  millrace admin segments ./data\n  millrace admin segments ./data --match logs/dpkg",
        table(segments_table))
        ->add_option("--match", arguments->match, "Only those with this in their name");
    add("extents", "List where the bytes of a segment lie",
        "Examples:\n  millrace admin extents ./data 'logs/dpkg/0.#epoch.0'", table(extents_table))
        ->add_option("SEGMENT", arguments->segment, "Its name, as 'millrace admin segments' shows it")
        ->required();
    add("objects", "List the objects of long-term storage",
        "A dead object goes with the next snapshot; one left over was being written when a server died.\n"
        "Examples:\n  millrace admin objects ./data\n  millrace admin objects ./data --storage-dir /mnt/archive",
        table(objects_table));
}

}  // namespace millrace::cli
