// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/journal/recovery.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>

#include "common/base/binary.h"
#include "segmentstore/log/journal/batch_reader.h"
#include "segmentstore/log/journal/journal_file.h"

namespace millrace::log {

namespace {

constexpr std::uint64_t kWorthCutting = 1024 * 1024;
constexpr const char* kDamagedEntry = "the body of an entry fails its checksum";

struct FoundFile {
    std::string path;
    FileHeader header;
    std::uint64_t size = 0;
    std::unique_ptr<File> file;
};

// A batch that was read but that nothing has proven durable yet.
struct HeldBatch {
    std::uint64_t seq = 0;
    std::uint64_t end = 0;  // offset after it
    std::optional<std::uint64_t> damaged_at;
    std::vector<std::pair<TailRecord, std::uint32_t>>
        records;  // with the body's offset in the file
};

Error damaged(const std::string& path, std::uint64_t offset, const std::string& what) {
    return Error{ErrorCode::kCorrupt,
                 path + " is damaged at offset " + std::to_string(offset) + ": " + what};
}

bool is_about_bytes(const Error& error) { return error.is(ErrorCode::kCorrupt); }

class Recovery {
public:
    Recovery(Runtime runtime, std::string directory, JournalMutations mutations)
        : runtime_{runtime}, directory_{std::move(directory)}, mutations_{mutations} {}

    Task<Result<Recovered>> run() {
        MR_CO_TRY_VOID(co_await find_files());
        MR_CO_TRY_VOID(co_await find_newest());
        if (!files_.empty()) out_.store = files_.begin()->second.header.store;
        if (newest_ == 0) {
            // Files without content: a start that died before its first batch was durable. Its
            // store's id is kept, because those files may outlive the next start too.
            for (const auto& [seq, found] : files_) out_.useless.push_back(file_name(seq));
            co_return std::move(out_);
        }
        MR_CO_TRY_VOID(co_await drop_retired());
        MR_CO_TRY_VOID(check_list());
        for (const FileListItem& item : listed_) MR_CO_TRY_VOID(co_await replay_listed(item));
        MR_CO_TRY_VOID(co_await replay_newest());
        MR_CO_TRY_VOID(forget_garbage());
        for (std::size_t i = 0; i < out_.files.size(); ++i) {
            // A rotated file's rest is not worth a call; what a start left half empty is.
            if (out_.files[i].disk_bytes >= out_.files[i].item.end + kWorthCutting)
                out_.oversized.push_back(i);
        }
        for (const auto& [seq, found] : files_) {
            const bool counts =
                std::any_of(out_.files.begin(), out_.files.end(),
                            [&](const SealedFile& file) { return file.item.file_seq == seq; });
            if (!counts) out_.useless.push_back(file_name(seq));
        }
        out_.next_batch_seq = last_batch_ + 1;
        co_return std::move(out_);
    }

private:
    Task<Result<void>> find_files() {
        MR_CO_TRY(const auto names, co_await runtime_.disk.list(directory_));
        for (const std::string& name : names) {
            if (name.ends_with(kUnfinishedSuffix) &&
                file_seq_of(name.substr(0, name.size() - kUnfinishedSuffix.size())) != 0) {
                out_.unfinished.push_back(name);
                continue;
            }
            const std::uint64_t seq = file_seq_of(name);
            if (seq == 0) continue;  // not ours
            out_.next_file_seq = std::max(out_.next_file_seq, seq + 1);
            MR_CO_TRY_VOID(co_await open_file(seq, directory_ + "/" + name));
        }
        co_return ok();
    }

    Task<Result<void>> open_file(std::uint64_t seq, std::string path) {
        FoundFile found;
        found.path = path;
        MR_CO_TRY(found.file, co_await runtime_.disk.open(
                                  path, OpenOptions{.mode = OpenMode::kReadOnly, .direct = true}));
        MR_CO_TRY(found.size, co_await found.file->size());
        AlignedBuffer block{kBlockBytes};
        MR_CO_TRY(const std::size_t got, co_await found.file->read_at(0, block.mutable_view()));
        Result<FileHeader> header = decode_file_header(block.view().first(got));
        if (!header) co_return std::move(header).error().while_doing(path + " at offset 0");
        found.header = *header;
        if (found.header.file_seq != seq) {
            co_return damaged(path, 0,
                              "its header says that it is " + file_name(found.header.file_seq) +
                                  "; was it renamed or swapped?");
        }
        if (!files_.empty() && files_.begin()->second.header.store != found.header.store) {
            co_return damaged(path, 0,
                              "it belongs to another store than " + files_.begin()->second.path);
        }
        found.file.reset();  // reopened when its turn comes: not all at once
        files_.emplace(seq, std::move(found));
        co_return ok();
    }

    // The newest file with a whole first batch. Newer ones must be empty: made, but not yet used.
    Task<Result<void>> find_newest() {
        std::uint64_t oldest_hint = 0;  // the newest file that an empty one says existed
        for (auto at = files_.rbegin(); at != files_.rend(); ++at) {
            FoundFile& found = at->second;
            MR_CO_TRY(auto file, co_await reopen(found));
            FileWindow window{*file, found.size};
            // Only files that a newer one lists are ever shortened, and that one would be the
            // newest.
            if (found.size < found.header.file_bytes) co_return cut_short(found);
            Result<WholeBatch> first = co_await read(window, found, {});
            if (first && first->damaged_entry() != nullptr) first = Error{ErrorCode::kCorrupt, kDamagedEntry};
            if (!first && !is_about_bytes(first.error())) co_return std::move(first).error();
            if (first) {
                MR_CO_TRY_VOID(read_lists(found, *first));
                newest_ = at->first;
                break;
            }
            MR_CO_TRY(const std::optional<std::uint64_t> later,
                      co_await find_later_batch(window, found, 2 * kBlockBytes, 0, 0));
            if (later) {
                co_return damaged(found.path, kBlockBytes,
                                  first.error().detail() +
                                      "; it was durable, for a later batch is at offset " +
                                      std::to_string(*later));
            }
            oldest_hint = std::max(oldest_hint, found.header.previous_seq);
        }
        if (oldest_hint > newest_) {
            const std::string reason = "but a newer file was made after it held data";
            const auto found = files_.find(oldest_hint);
            if (found != files_.end()) co_return damaged(found->second.path, kBlockBytes, "no whole batch starts here, " + reason);
            co_return Error{ErrorCode::kCorrupt, directory_ + "/" + file_name(oldest_hint) + " is missing, " + reason};
        }
        co_return ok();
    }

    static Error cut_short(const FoundFile& found) {
        return damaged(found.path, found.size,
                       "the file ends here, its header says that it has " +
                           std::to_string(found.header.file_bytes) + " bytes");
    }

    Task<Result<std::unique_ptr<File>>> reopen(const FoundFile& found) {
        return runtime_.disk.open(found.path,
                                  OpenOptions{.mode = OpenMode::kReadOnly, .direct = true});
    }

    Result<void> read_lists(const FoundFile& found, const WholeBatch& first) {
        bool has_list = false, has_state = false;
        for (const DecodedRecord& record : first.records) {
            if (record.header.type == RecordType::kFileList) {
                MR_TRY(listed_, decode_file_list(record.body));
                has_list = true;
            }
            has_state = has_state || record.header.type == RecordType::kLogState;
        }
        if (!has_list || !has_state || (first.header.flags & BatchHeader::kFirstOfFile) == 0) {
            return damaged(found.path, kBlockBytes, "the first batch is not a first batch");
        }
        return ok();
    }

    // Takes files out of the list that are gone and that the newest file says were retired. It says so in a
    // batch that was synced before the first of them went, so any whole batch will do.
    Task<Result<void>> drop_retired() {
        const auto gone = [&](const FileListItem& item) { return !files_.contains(item.file_seq); };
        if (std::none_of(listed_.begin(), listed_.end(), gone)) co_return ok();
        const FoundFile& found = files_.at(newest_);
        MR_CO_TRY(auto file, co_await reopen(found));
        FileWindow window{*file, found.size};
        std::set<std::uint64_t> retired;
        std::uint32_t previous_crc = 0;
        std::optional<std::uint64_t> expected;
        std::uint64_t offset = kBlockBytes;
        std::string why;
        for (;;) {
            Result<WholeBatch> batch = co_await read(window, found, {offset, expected, previous_crc});
            if (!batch) {
                if (!is_about_bytes(batch.error())) co_return std::move(batch).error();
                why = batch.error().detail();
                break;
            }
            for (const DecodedRecord& record : batch->records) {
                if (record.header.type != RecordType::kRetired) continue;
                MR_CO_TRY(const auto files, decode_retired(record.body));
                retired.insert(files.begin(), files.end());
            }
            expected = batch->header.batch_seq + 1;
            previous_crc = batch->header.header_crc;
            offset += batch->header.padded_bytes;
        }
        std::erase_if(listed_,
                      [&](const FileListItem& item) { return gone(item) && retired.contains(item.file_seq); });
        if (std::none_of(listed_.begin(), listed_.end(), gone)) co_return ok();
        // The batch that says so may be the one that is damaged.
        co_return co_await judge_bad_batch(window, found, offset, expected.value_or(0), std::move(why));
    }

    // What the logs' truncations have made garbage goes: entries, and files that hold nothing else.
    Result<void> forget_garbage() {
        for (auto& [id, log] : out_.logs) {
            if (log.first < log.entries.first()) {
                return Error{ErrorCode::kCorrupt, directory_ + ": entries " + to_string(log.first) + " to " +
                                                      std::to_string(log.entries.first().number() - 1) +
                                                      " of log " + std::to_string(id) +
                                                      " are needed, but no file holds them"};
            }
            log.entries.drop_before(log.first);
        }
        const auto first_needed = [&](std::uint32_t log) { return out_.logs.at(log).first.number(); };
        std::erase_if(out_.files, [&](const SealedFile& file) {
            if (!file.use.dead(first_needed)) return false;
            out_.total_bytes -= file.disk_bytes;
            return true;
        });
        return ok();
    }

    // Every file that the newest one lists is there and is the one that was meant.
    Result<void> check_list() {
        const std::string by = file_name(newest_) + " lists it";
        for (const FileListItem& item : listed_) {
            const std::string path = directory_ + "/" + file_name(item.file_seq);
            const auto found = files_.find(item.file_seq);
            if (found == files_.end())
                return Error{ErrorCode::kCorrupt, path + " is missing, but " + by};
            if (item.file_seq >= newest_)
                return damaged(files_.at(newest_).path, kBlockBytes, "it lists itself");
            if (found->second.header.salt != item.salt) {
                return damaged(path, 0, "this is another file than the one meant where " + by);
            }
            if (found->second.size < item.end) {
                return damaged(path, found->second.size,
                               "the file ends here, but has batches up to offset " +
                                   std::to_string(item.end) + " where " + by);
            }
        }
        return ok();
    }

    Task<Result<WholeBatch>> read(FileWindow& window, const FoundFile& found, BatchPlace place) const {
        return read_batch(window, found.header, place,
                          mutations_.skip_record_checksum ? BodyChecks::kNone : BodyChecks::kTellOfEntries);
    }

    // Offset of some batch header of this file at or after `from` whose number is above `above` and
    // that was written when all up to `proves` was durable.
    Task<Result<std::optional<std::uint64_t>>> find_later_batch(FileWindow& window,
                                                                const FoundFile& found,
                                                                std::uint64_t from,
                                                                std::uint64_t above,
                                                                std::uint64_t proves) {
        for (std::uint64_t offset = from; offset + kBlockBytes <= window.size();
             offset += kBlockBytes) {
            MR_CO_TRY(const ByteView block, co_await window.view(offset, kBlockBytes));
            const Result<BatchHeader> header = decode_batch_header(block, found.header.salt);
            if (!header && !is_about_bytes(header.error())) co_return header.error();
            if (!header || header->file_seq != found.header.file_seq) continue;
            if (header->batch_seq > above && header->synced_through >= proves)
                co_return std::optional{offset};
        }
        co_return std::optional<std::uint64_t>{};
    }

    // Checks the records that say what was before this batch, and takes over what only a file that is gone knew.
    Result<void> check_state(const FoundFile& found, std::uint64_t offset, const WholeBatch& batch) {
        const bool gap = batch.header.batch_seq > last_batch_ + 1;
        for (const DecodedRecord& record : batch.records) {
            const bool describes = record.header.type == RecordType::kLogState || record.header.type == RecordType::kFileList;
            if (describes && offset != kBlockBytes) {
                return damaged(found.path, offset, "only the first batch of a file says what was before it");
            }
            if (record.header.type == RecordType::kLogState) {
                MR_TRY(const auto states, decode_log_states(record.body));
                if (!take_states(states, gap))
                    return damaged(found.path, offset,
                                   "the state of the logs does not follow from the older files");
                // Also when this batch does not count in the end: the numbers before it were used.
                last_batch_ = std::max(last_batch_, batch.header.batch_seq - 1);
            }
            if (record.header.type == RecordType::kFileList) {
                MR_TRY(const auto items, decode_file_list(record.body));
                if (!fits_list(items))
                    return damaged(found.path, offset, "the list of files differs from a newer one");
            }
        }
        return ok();
    }

    bool take_states(const std::vector<LogStateItem>& states, bool gap) {
        for (const LogStateItem& state : states) {
            RecoveredLog& log = out_.logs[state.log];
            const bool same = log.epoch == state.epoch && log.first.number() == state.first &&
                              log.entries.next().number() == state.next && log.anchor == state.anchor;
            if (same) continue;
            const bool later = state.epoch >= log.epoch && state.first >= log.first.number() &&
                               state.next >= log.entries.next().number();
            if (!gap || !later) return false;
            if (state.next > log.entries.next().number()) log.entries.restart_at(Index{state.next});
            log.epoch = state.epoch;
            log.first = Index{state.first};
            log.anchor = state.anchor;
        }
        return states.size() == out_.logs.size();  // a log never vanishes
    }

    // A file's list against what was read: it names every older file that is still needed, and where it names one
    // that a newer list names too, they agree.
    bool fits_list(const std::vector<FileListItem>& items) const {
        const auto has = [&](const FileListItem& item) {
            return std::find(items.begin(), items.end(), item) != items.end();
        };
        if (!std::all_of(out_.files.begin(), out_.files.end(), [&](const SealedFile& f) { return has(f.item); }))
            return false;
        return std::all_of(items.begin(), items.end(), [&](const FileListItem& item) {
            return std::all_of(listed_.begin(), listed_.end(), [&](const FileListItem& listed) {
                return listed.file_seq != item.file_seq || listed == item;
            });
        });
    }

    // What a record has to follow from; nothing of a log that had no owner.
    struct LogEnds {
        std::uint64_t epoch = 0;
        std::uint64_t first = 1;
        std::uint64_t next = 1;
    };

    static Result<void> check_follows(const FoundFile& found, LogEnds log, const RecordHeader& record, std::uint64_t body_offset) {
        const std::string name = "log " + std::to_string(record.log);
        if (record.type == RecordType::kPromise) {
            if (record.epoch <= log.epoch) return damaged(found.path, body_offset, "the epoch of " + name + " goes back");
            return ok();
        }
        if (log.epoch == 0 || (record.type == RecordType::kEntry && record.epoch != log.epoch)) {
            return damaged(found.path, body_offset, "a record of " + name + " in epoch " + std::to_string(record.epoch) +
                                                        ", which no owner had");
        }
        if (record.type == RecordType::kEntry && record.index != log.next) {
            return damaged(found.path, body_offset, name + " goes on with entry " + std::to_string(record.index) +
                                                        " instead of " + std::to_string(log.next));
        }
        if (record.type == RecordType::kTruncate && (record.index < log.first || record.index > log.next)) {
            return damaged(found.path, body_offset, "a truncation of " + name + " to entry " + std::to_string(record.index) +
                                                        ", which it does not have");
        }
        return ok();
    }

    LogEnds ends_of(std::uint32_t log) const {
        const auto found = out_.logs.find(log);
        if (found == out_.logs.end()) return {};
        return {found->second.epoch, found->second.first.number(), found->second.entries.next().number()};
    }

    static bool is_of_log(const RecordHeader& record) {
        return record.type == RecordType::kEntry || record.type == RecordType::kPromise || record.type == RecordType::kTruncate;
    }

    Result<void> apply(const FoundFile& found, FileUse& use, const RecordHeader& record, ByteView body,
                       std::uint64_t body_offset) {
        if (!is_of_log(record)) return ok();
        MR_TRY_VOID(check_follows(found, ends_of(record.log), record, body_offset));
        RecoveredLog& log = out_.logs[record.log];
        if (record.type == RecordType::kEntry) {
            log.entries.push_back(EntryLocation{
                static_cast<std::uint32_t>(found.header.file_seq),
                static_cast<std::uint32_t>(body_offset), record.body_bytes, record.body_crc});
            use.add(record.log, record.index);
        } else if (record.type == RecordType::kTruncate) {
            log.first = Index{record.index};
            log.anchor = as_text(body);
        } else {
            log.epoch = record.epoch;
        }
        return ok();
    }

    // What is written anew counts from then on: it has to follow just as what was durable had to.
    Result<void> check_tail(const FoundFile& found, const std::deque<HeldBatch>& held) const {
        std::map<std::uint32_t, LogEnds> logs;
        for (const HeldBatch& batch : held) {
            for (const auto& [record, body_offset] : batch.records) {
                const RecordHeader& header = record.header;
                LogEnds& log = logs.try_emplace(header.log, ends_of(header.log)).first->second;
                MR_TRY_VOID(check_follows(found, log, header, body_offset));
                if (header.type == RecordType::kEntry) ++log.next;
                if (header.type == RecordType::kTruncate) log.first = header.index;
                if (header.type == RecordType::kPromise) log.epoch = header.epoch;
            }
        }
        return ok();
    }

    Task<Result<void>> replay_listed(FileListItem item) {
        const FoundFile& found = files_.at(item.file_seq);
        MR_CO_TRY(auto file, co_await reopen(found));
        FileWindow window{*file, found.size};
        SealedFile sealed{item, found.size, {}};
        std::uint32_t previous_crc = 0;
        for (std::uint64_t offset = kBlockBytes; offset < item.end;) {
            // Files that are gone took their batch numbers with them.
            const auto expected = offset == kBlockBytes ? std::nullopt : std::optional{last_batch_ + 1};
            Result<WholeBatch> batch = co_await read(window, found, {offset, expected, previous_crc});
            if (batch && batch->header.batch_seq <= last_batch_)
                batch = Error{ErrorCode::kCorrupt, "a batch out of sequence"};
            if (!batch) {
                if (!is_about_bytes(batch.error())) co_return std::move(batch).error();
                co_return damaged(
                    found.path, offset,
                    batch.error().detail() + "; a newer file proves that it was durable");
            }
            MR_CO_TRY_VOID(check_state(found, offset, *batch));
            for (const DecodedRecord& record : batch->records) {
                MR_CO_TRY_VOID(apply(found, sealed.use, record.header, record.body, offset + record.body_at));
            }
            last_batch_ = batch->header.batch_seq;
            previous_crc = batch->header.header_crc;
            offset += batch->header.padded_bytes;
            if (offset > item.end)
                co_return damaged(found.path, item.end,
                                  "the last batch goes on beyond its file's end");
        }
        if (last_batch_ != item.last_batch)
            co_return damaged(found.path, item.end, "the file ends with another batch than listed");
        out_.files.push_back(std::move(sealed));
        out_.total_bytes += found.size;
        co_return ok();
    }

    Task<Result<void>> replay_newest() {
        const FoundFile& found = files_.at(newest_);
        MR_CO_TRY(auto file, co_await reopen(found));
        FileWindow window{*file, found.size};
        std::deque<HeldBatch> held;
        FileUse use;
        std::optional<std::uint64_t> seq;
        std::uint64_t proven_end = 0;
        std::uint64_t offset = kBlockBytes;
        std::uint32_t previous_crc = 0;
        for (;;) {
            const auto expected = seq ? std::optional{*seq + 1} : std::nullopt;
            Result<WholeBatch> batch = co_await read(window, found, {offset, expected, previous_crc});
            if (batch && batch->header.batch_seq <= last_batch_)
                batch = Error{ErrorCode::kCorrupt, "a batch out of sequence"};
            if (batch && batch->damaged_entry() != nullptr) {
                // The records lie in the other window.
                FileWindow ahead{*file, found.size};
                const std::uint64_t this_one = batch->header.batch_seq;
                MR_CO_TRY(const std::optional<std::uint64_t> proof,
                          co_await find_later_batch(ahead, found, offset + batch->header.padded_bytes, this_one, this_one));
                if (!proof) batch = Error{ErrorCode::kCorrupt, kDamagedEntry};
            }
            if (!batch) {
                if (!is_about_bytes(batch.error())) co_return std::move(batch).error();
                MR_CO_TRY_VOID(co_await judge_bad_batch(window, found, offset, seq.value_or(last_batch_) + 1,
                                                        batch.error().detail()));
                break;
            }
            if ((batch->header.flags & BatchHeader::kContinued) != 0) co_return not_continued(found, offset);
            // The first batch describes what came before it, and nothing of this file is applied
            // yet.
            MR_CO_TRY_VOID(check_state(found, offset, *batch));
            seq = batch->header.batch_seq;
            HeldBatch hold;
            hold.seq = *seq;
            hold.end = offset + batch->header.padded_bytes;
            if (batch->damaged_entry() != nullptr) hold.damaged_at = offset;
            for (const DecodedRecord& record : batch->records) {
                if (!is_of_log(record.header)) continue;
                TailRecord kept{record.header, {}};
                kept.body.append(record.body);
                hold.records.emplace_back(std::move(kept),
                                          static_cast<std::uint32_t>(offset + record.body_at));
            }
            held.push_back(std::move(hold));
            const std::uint64_t proven =
                mutations_.trust_unproven_tail ? *seq : batch->header.synced_through;
            while (!held.empty() && held.front().seq <= proven) {
                for (const auto& [record, body_offset] : held.front().records) {
                    MR_CO_TRY_VOID(apply(found, use, record.header, record.body.view(), body_offset));
                }
                last_batch_ = held.front().seq;
                proven_end = held.front().end;
                held.pop_front();
            }
            previous_crc = batch->header.header_crc;
            offset += batch->header.padded_bytes;
        }
        MR_CO_TRY_VOID(check_tail(found, held));
        for (HeldBatch& batch : held) {
            // What proves that it was durable was found, but the batches on the way there are damaged too.
            if (batch.damaged_at) co_return damaged(found.path, *batch.damaged_at, kDamagedEntry);
            for (auto& [record, body_offset] : batch.records)
                out_.tail.push_back(std::move(record));
        }
        if (proven_end > 0) {
            out_.files.push_back(SealedFile{{newest_, found.header.salt, proven_end, last_batch_}, found.size, use});
            out_.total_bytes += found.size;
        }
        co_return ok();
    }

    // The mark at `offset` of the newest file with a whole first batch says that there was a newer one.
    Error not_continued(const FoundFile& found, std::uint64_t offset) const {
        const std::string mark = "the mark at offset " + std::to_string(offset) + " of " + found.path + " says that the file after it held data";
        const auto next = files_.upper_bound(found.header.file_seq);
        if (next != files_.end()) return damaged(next->second.path, kBlockBytes, "no batch starts here, but " + mark);
        return {ErrorCode::kCorrupt, "the file after " + found.path + " is missing: " + mark};
    }

    // 'seq' at `offset` is bad: was it ever durable?
    Task<Result<void>> judge_bad_batch(FileWindow& window, const FoundFile& found,
                                       std::uint64_t offset, std::uint64_t seq, std::string what) {
        MR_CO_TRY(const std::optional<std::uint64_t> proof,
                  co_await find_later_batch(window, found, offset + kBlockBytes, seq, seq));
        if (proof) {
            co_return damaged(found.path, offset,
                              what + "; the batch at offset " + std::to_string(*proof) +
                                  " proves that it was durable");
        }
        MR_CO_TRY(const ByteView block, co_await window.view(offset, kBlockBytes));
        // A recycled file's rest is full of its former life; what names this file's number is of this one.
        LittleEndianReader reader{block};
        reader.bytes(8);
        if (reader.u64() == found.header.file_seq) out_.torn = found.path + " at offset " + std::to_string(offset) + ": " + what;
        co_return ok();
    }

    Runtime runtime_;
    std::string directory_;
    JournalMutations mutations_;
    Recovered out_;
    std::map<std::uint64_t, FoundFile> files_;
    std::uint64_t newest_ = 0;
    std::vector<FileListItem> listed_;
    std::uint64_t last_batch_ = 0;
};

}  // namespace

Task<Result<Recovered>> recover(Runtime runtime, std::string directory,
                                JournalMutations mutations) {
    Recovery recovery{runtime, std::move(directory), mutations};
    co_return co_await recovery.run();
}

Result<void> check_store(const Recovered& recovered, const std::optional<StoreUuid>& expected, const std::string& directory) {
    if (!expected || recovered.store == expected) return ok();
    if (!recovered.store) {
        return Error{ErrorCode::kNotFound, "'" + directory + "' holds no journal, but there was one; is it mounted?"};
    }
    return Error{ErrorCode::kFailedPrecondition, "'" + directory + "' holds the journal of another store"};
}

}  // namespace millrace::log
