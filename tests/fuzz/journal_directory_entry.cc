// SPDX-License-Identifier: Apache-2.0
//
// A journal is read by two: who only looks (JournalView), and who starts on it (Journal). Whatever the directory, both
// refuse it or both give the same; and what a start gave, with what was appended then, the next start gives again.
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include "segmentstore/log/journal/journal.h"
#include "segmentstore/log/journal/journal_view.h"
#include "tests/fuzz/allocation_bound.h"
#include "tests/fuzz/described_journal.h"
#include "tests/fuzz/entries.h"
#include "tests/fuzz/input.h"
#include "tests/sim/sim_disk_image.h"
#include "tests/sim/world.h"

namespace millrace::fuzz {
namespace {

using namespace millrace::log;

constexpr std::size_t kMiB = 1024 * 1024;
// Buffers for reading of 1 MiB each; the rest is bookkeeping.
constexpr std::size_t kJournalMemoryBytes = 32 * kMiB;
const std::string kJournalDirectory = "/data/journal";

struct LogContents {
    std::uint64_t epoch = 0;
    std::uint64_t first = 0;
    std::vector<std::optional<ByteBuffer>> entries;  // from `first` on; empty: damaged where it was durable
    ByteBuffer anchor;
    bool operator==(const LogContents&) const = default;
};
using Contents = std::map<ContainerId, LogContents>;

void check_start_refusal(const Error& error) {
    if (!error.is(ErrorCode::kInternal)) check_refusal(error);  // kInternal: file numbers are used up
}

Task<LogContents> contents_of(DurableLog& log) {
    LogContents contents;
    contents.epoch = log.epoch().number();
    contents.first = log.first().number();
    contents.anchor.append(log.anchor().view());
    for (std::uint64_t i = contents.first; i < log.next().number(); ++i) {
        const Result<Bytes> body = co_await log.read(Index{i}, 0, kMiB);
        auto& entry = contents.entries.emplace_back();
        if (body) {
            entry.emplace().append(body->view());
        } else {
            MR_CHECK(body.error().is(ErrorCode::kCorrupt));
        }
    }
    co_return contents;
}

Task<std::optional<Contents>> look(Runtime runtime) {
    const auto files = co_await list_journal_files(runtime, kJournalDirectory, {});
    if (!files) check_start_refusal(files.error());
    auto view = co_await JournalView::open(runtime, kJournalDirectory, std::nullopt);
    if (!view) {
        check_start_refusal(view.error());
        co_return std::nullopt;
    }
    Contents contents;
    for (const ContainerId id : (*view)->logs()) {
        const auto log = (*view)->log(id);
        contents[id] = co_await contents_of(*log);
    }
    co_return contents;
}

// What a start finds in these logs, each of which then gets one more entry. Empty: it refused the directory.
Task<std::optional<Contents>> start_and_append(Runtime runtime, std::vector<ContainerId> ids) {
    JournalOptions options;
    options.directory = kJournalDirectory;
    options.file_bytes = kMiB;
    options.keep_free_bytes = 0;
    auto journal = co_await Journal::open(runtime, options);
    if (!journal) {
        check_start_refusal(journal.error());
        co_return std::nullopt;
    }
    Contents contents;
    for (const ContainerId id : ids) {
        auto log = co_await (*journal)->take_over(id);
        MR_CHECK(log.ok());
        contents[id] = co_await contents_of(**log);
        const Result<Index> appended = co_await (*log)->append({Bytes::copy_of("more")});
        MR_CHECK(appended.ok() && appended->number() == contents[id].first + contents[id].entries.size());
        co_await (*log)->close();
    }
    co_await (*journal)->close();
    co_return contents;
}

std::vector<ContainerId> ids_of(const Contents& contents) {
    std::vector<ContainerId> ids;
    for (const auto& [id, log] : contents) ids.push_back(id);
    return ids;
}

// As the next owner finds it.
Contents taken_over(Contents contents) {
    for (auto& [id, log] : contents) ++log.epoch;
    return contents;
}

void check_equal(const Contents& found, const Contents& expected) {
    if (found == expected) return;
    for (const auto& [what, contents] : {std::pair{"found", found}, std::pair{"expected", expected}}) {
        for (const auto& [id, log] : contents) {
            std::fprintf(stderr, "%s: log %u in epoch %llu: %zu entries from %llu, an anchor of %zu bytes\n", what,
                         id.number(), static_cast<unsigned long long>(log.epoch), log.entries.size(),
                         static_cast<unsigned long long>(log.first), log.anchor.size());
        }
    }
    MR_CHECK(found == expected);
}

}  // namespace

void journal_directory(ByteView input) {
    const AllocationBound bound{kJournalMemoryBytes};
    sim::World world{1};
    sim::DiskOptions quick;
    quick.slow_one_in = 0;
    sim::Node& node = world.add_node("a", quick);
    sim::SimDisk::Image image;
    image.directories = {"/data", kJournalDirectory};
    for (const auto& [name, bytes] : described_journal(input))
        image.files[kJournalDirectory + "/" + name].write(0, bytes.view());
    node.disk().load(image);

    const auto seen = world.run([&] { return look(node.runtime()); });
    const auto started =
        world.run([&] { return start_and_append(node.runtime(), seen ? ids_of(*seen) : std::vector<ContainerId>{}); });
    if (!seen) MR_CHECK(!started);
    // A start looks closer at what it writes anew.
    if (!seen || !started) return;
    check_equal(*started, taken_over(*seen));
    node.crash();
    Contents expected = taken_over(*started);
    for (auto& [id, log] : expected) log.entries.emplace_back().emplace().append(as_bytes("more"));
    const auto again = world.run([&] { return start_and_append(node.runtime(), ids_of(expected)); });
    MR_CHECK(again.has_value());
    check_equal(*again, expected);
}

}  // namespace millrace::fuzz
