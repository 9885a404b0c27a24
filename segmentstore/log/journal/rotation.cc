// SPDX-License-Identifier: Apache-2.0
//
// Where the journal's files come from: the first one at a start, the next ones while it runs.
#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "common/telemetry/log.h"
#include "segmentstore/log/journal/journal_impl.h"

namespace millrace::log {

namespace {

// Zero-filling this much is hardly felt at a start; files of full size follow in the background.
constexpr std::uint64_t kFirstFileBytes = 8 * 1024 * 1024;
// The next file is begun when the present one is this full: early enough to be ready in time, late
// enough that an idle store keeps one small file.
constexpr std::uint64_t kPrepareAtFraction = 8;
// How often a full disk is looked at.
constexpr std::chrono::seconds kFullDiskLook{1};

// What a failed write or sync leaves behind is anybody's guess, also when the reason is a full disk.
Error not_to_be_repeated(const Error& error) {
    return {error.is(ErrorCode::kNoSpace) ? ErrorCode::kIo : error.code(), error.detail(), Fate::kUnknown};
}

}  // namespace

FileHeader JournalImpl::new_header(std::uint64_t file_bytes, std::uint64_t previous_seq) {
    FileHeader header;
    header.store = store_;
    header.file_seq = next_file_seq_++;
    header.salt = runtime_.random.next();
    header.previous_seq = previous_seq;
    header.file_bytes = file_bytes;
    return header;
}

BatchHeader JournalImpl::next_batch_header() const {
    BatchHeader header;
    header.file_seq = active_.header.file_seq;
    header.batch_seq = next_batch_;
    header.synced_through = synced_through_;
    header.previous_crc = active_.previous_crc;
    header.wall_time_ms =
        static_cast<std::uint64_t>(runtime_.clock.wall_now().time_since_epoch().count());
    return header;
}

std::vector<LogStateItem> JournalImpl::log_states() const {
    std::vector<LogStateItem> states;
    for (const auto& [id, slot] : slots_) {
        if (slot->epoch == 0) continue;  // nobody ever owned it durably
        states.push_back({id.number(), slot->epoch, slot->entries.first().number(), slot->entries.next().number(),
                          std::string{as_text(slot->anchor)}});
    }
    return states;
}

std::vector<SealedFile> JournalImpl::files_with_active() const {
    std::vector<SealedFile> files = sealed_;
    files.push_back({{active_.header.file_seq, active_.header.salt, active_.end, active_.last_batch},
                     active_.header.file_bytes,
                     active_.use});
    return files;
}

Task<Result<void>> JournalImpl::start_first_file(Recovered& recovered) {
    for (const std::string& name : recovered.unfinished) {
        MR_CO_TRY_VOID(co_await runtime_.disk.remove(options_.directory + "/" + name));
    }
    next_file_seq_ = recovered.next_file_seq;
    next_batch_ = recovered.next_batch_seq;
    synced_through_ = next_batch_ - 1;
    total_bytes_ = recovered.total_bytes;

    std::uint64_t tail_bytes = 0;
    for (const TailRecord& record : recovered.tail) tail_bytes += record.body.size();
    const std::uint64_t state_bytes = slots_.size() * (LogStateItem::kBytes + LogStateItem::kMaxAnchorBytes) +
                                      recovered.files.size() * FileListItem::kBytes;
    const std::uint64_t first_batch =
        batch_bytes(2 + recovered.tail.size(), state_bytes + tail_bytes);
    // Header, first batch, room to take the logs over, the mark at the end.
    const std::uint64_t least = first_batch + 64 * kBlockBytes;
    const std::uint64_t previous = recovered.files.empty() ? 0 : recovered.files.back().item.file_seq;

    OpenFile next;
    FillPace pace;
    for (std::uint64_t file_bytes = std::max(least, std::min(options_.file_bytes, kFirstFileBytes));
         ;) {
        next.header = new_header(file_bytes, previous);
        auto made = co_await make_journal_file(runtime_, options_.directory, next.header, pace,
                                               !options_.mutations.skip_directory_sync);
        if (made) {
            next.file = std::move(*made);
            break;
        }
        // On a full disk a small file will do: the store comes up and can be read.
        if (!made.error().is(ErrorCode::kNoSpace) || file_bytes == least)
            co_return std::move(made).error();
        file_bytes = least;
    }
    // Whoever admits appends relies on it from the start.
    MR_CO_TRY_VOID(co_await look_at_disk());
    co_return co_await begin_file(std::move(next), recovered.files, std::move(recovered.tail));
}

// Makes `next` active: its first batch holds the state of the logs, the list of older files, and
// what of them has to be written anew. One batch, because the list and the tail must come to count
// together.
Task<Result<void>> JournalImpl::begin_file(OpenFile next, std::vector<SealedFile> older,
                                           std::vector<TailRecord> tail) {
    ByteBuffer states;
    encode_log_states(log_states(), states);
    std::vector<FileListItem> items;
    for (const SealedFile& file : older) items.push_back(file.item);
    ByteBuffer list;
    encode_file_list(items, list);
    std::size_t body_bytes = states.size() + list.size();
    for (const TailRecord& record : tail) body_bytes += record.body.size();

    next.end = kBlockBytes;
    if (next.end + batch_bytes(2 + tail.size(), body_bytes) + kBlockBytes >
        next.header.file_bytes) {
        co_return Error{ErrorCode::kNoSpace, "a journal file of " +
                                                 std::to_string(next.header.file_bytes) +
                                                 " bytes cannot hold the list of " +
                                                 std::to_string(older.size()) + " files"};
    }
    builder_.start(2 + tail.size(), body_bytes);
    RecordHeader state_header;
    state_header.type = RecordType::kLogState;
    builder_.add(state_header, states.view());
    RecordHeader list_header;
    list_header.type = RecordType::kFileList;
    builder_.add(list_header, list.view());
    std::vector<EntryLocation> locations;
    for (TailRecord& record : tail) {
        const std::uint32_t body_at = builder_.add(record.header, record.body.view());
        locations.push_back(EntryLocation{static_cast<std::uint32_t>(next.header.file_seq),
                                          static_cast<std::uint32_t>(next.end + body_at),
                                          record.header.body_bytes, record.header.body_crc});
    }
    BatchHeader header = next_batch_header();
    header.file_seq = next.header.file_seq;
    header.flags = BatchHeader::kFirstOfFile;
    header.previous_crc = 0;
    const ByteView bytes = builder_.finish(header, next.header.salt);
    // Final even when the disk says that it is full: the batch may be there, and then the file is the newest.
    const Result<void> written = co_await next.file->write_and_sync(next.end, bytes);
    if (!written) co_return not_to_be_repeated(written.error());

    next.end += bytes.size();
    next.previous_crc = header.header_crc;
    next.last_batch = next_batch_++;
    synced_through_ = next.last_batch;
    witness_due_ = true;
    stats_.bytes_written += bytes.size();
    ++stats_.batches;
    total_bytes_ += next.header.file_bytes;
    sealed_ = std::move(older);
    active_ = std::move(next);
    metrics_.files.set(static_cast<double>(sealed_.size() + 1));

    // Recovery has checked that each follows.
    for (std::size_t i = 0; i < tail.size(); ++i) {
        const RecordHeader& record = tail[i].header;
        std::unique_ptr<LogSlot>& slot = slots_[ContainerId{record.log}];
        if (!slot) {
            slot = std::make_unique<LogSlot>();
            slot->id = ContainerId{record.log};
        }
        if (record.type == RecordType::kPromise) {
            slot->epoch = record.epoch;
        } else if (record.type == RecordType::kTruncate) {
            slot->entries.drop_before(Index{record.index});
            slot->anchor = Bytes::copy_of(tail[i].body.view());
        } else {
            slot->entries.push_back(locations[i]);
            active_.use.add(record.log, record.index);
        }
    }
    co_return ok();
}

// Space that nothing needs any more. Failures wait for the next start.
Task<void> JournalImpl::tidy_up(Recovered& recovered) {
    for (const std::string& name : recovered.useless) {
        (void)co_await runtime_.disk.remove(options_.directory + "/" + name);
    }
    for (const std::size_t place : recovered.oversized) {
        const FileListItem item = recovered.files[place].item;
        const std::string path = options_.directory + "/" + file_name(item.file_seq);
        auto file = co_await runtime_.disk.open(
            path, OpenOptions{.mode = OpenMode::kReadWrite, .direct = true});
        if (!file) continue;
        const Result<std::uint64_t> before = co_await (*file)->size();
        if (!before) continue;
        const auto sealed = std::find_if(sealed_.begin(), sealed_.end(),
                                         [&](const SealedFile& sealed) { return sealed.item.file_seq == item.file_seq; });
        MR_CHECK(sealed != sealed_.end());
        if (!co_await (*file)->truncate(item.end)) {
            sealed->cut_failed = true;
            continue;
        }
        total_bytes_ -= *before - item.end;
        sealed->disk_bytes = item.end;
    }
}

Task<Result<void>> JournalImpl::rotate() {
    while (ready_.empty() && preparing_) {
        pace_.hurry = true;
        pace_.changed.notify_all();
        co_await prepared_changed_.wait();
    }
    if (ready_.empty()) {
        pace_.hurry = true;
        preparing_ = true;
        const Result<void> made = co_await prepare_file();
        preparing_ = false;
        prepared_changed_.notify_all();
        if (!made) co_return made;
    }
    OpenFile next = std::move(ready_.front());
    ready_.pop_front();
    prepare_failed_ = false;

    const std::shared_ptr<File> old_file = active_.file;
    // The new file will say how far the old one goes. A witness counts too, and was never synced.
    if (active_.last_batch > synced_through_) {
        const Result<void> synced = co_await old_file->sync();
        if (!synced) co_return not_to_be_repeated(synced.error());
        synced_through_ = active_.last_batch;
    }
    const std::uint64_t old_end = active_.end;
    const std::uint64_t old_salt = active_.header.salt;
    BatchHeader mark = next_batch_header();
    std::vector<SealedFile> older = files_with_active();
    // begin_file() counts the new file in.
    total_bytes_ -= next.header.file_bytes;
    MR_CO_TRY_VOID(co_await begin_file(std::move(next), std::move(older), {}));

    // Now that the new file holds something durable, its absence can be told from never having
    // been. Waited for, because the old file may soon have another life.
    builder_.start(0, 0);
    mark.synced_through = mark.batch_seq - 1;
    mark.flags = BatchHeader::kContinued;
    const ByteView bytes = builder_.finish(mark, old_salt);
    (void)co_await old_file->write_and_sync(old_end, bytes);
    ask_for_truncation();
    co_return ok();
}

std::uint64_t JournalImpl::room() const {
    if (options_.total_bytes_max == 0) return std::numeric_limits<std::uint64_t>::max();
    return room_with_files(options_.total_bytes_max - std::min(total_bytes_, options_.total_bytes_max));
}

std::uint64_t JournalImpl::disk_room() const {
    return room_with_files(disk_free_ - std::min(disk_free_, options_.keep_free_bytes));
}

// What is left of the files that there are, and of as many more as `bytes` are enough for.
std::uint64_t JournalImpl::room_with_files(std::uint64_t bytes) const {
    std::uint64_t room = bytes / options_.file_bytes * options_.file_bytes;
    for (const OpenFile& file : ready_) room += file.header.file_bytes;
    return room + active_.header.file_bytes - std::min(active_.end, active_.header.file_bytes);
}

// A log with little in it would otherwise keep whole files for as long as it likes.
void JournalImpl::ask_for_truncation() {
    if (!options_.crowded) return;
    const auto first_needed = [this](std::uint32_t log) { return slots_.at(ContainerId{log})->entries.first().number(); };
    constexpr std::uint64_t kCrowdedBytes = 2ull * 1024 * 1024 * 1024;
    const std::uint64_t limit = options_.crowded_bytes != 0     ? options_.crowded_bytes
                                : options_.total_bytes_max != 0 ? options_.total_bytes_max / 2
                                                                : kCrowdedBytes;
    std::uint64_t bytes = 0;
    for (const SealedFile& file : sealed_) bytes += file.disk_bytes;
    std::set<std::uint32_t> logs;
    for (const SealedFile& file : sealed_) {
        if (bytes < limit) break;
        file.use.holders(first_needed, logs);
        bytes -= file.disk_bytes;
    }
    for (const std::uint32_t log : logs) options_.crowded(ContainerId{log});
}

// Leaves the file in ready_. kNoSpace when there is no room for it. REQUIRES: preparing_, so that numbers and turns
// agree.
Task<Result<void>> JournalImpl::prepare_file() {
    const std::uint64_t file_bytes = options_.file_bytes;
    if (options_.total_bytes_max != 0 && total_bytes_ + file_bytes > options_.total_bytes_max) {
        co_return Error{ErrorCode::kNoSpace,
                        "the journal has " + std::to_string(total_bytes_) + " of at most " +
                            std::to_string(options_.total_bytes_max) + " bytes"};
    }
    MR_CO_TRY_VOID(co_await look_at_disk());
    if (!disk_takes_a_file()) {
        co_return Error{ErrorCode::kNoSpace,
                        "the disk of " + options_.directory + " has " + std::to_string(disk_free_) +
                            " free bytes, the next journal file needs " +
                            std::to_string(file_bytes + options_.keep_free_bytes)};
    }
    OpenFile next;
    next.header = new_header(file_bytes, active_.header.file_seq);
    MR_CO_TRY(next.file,
              co_await make_journal_file(runtime_, options_.directory, next.header, pace_,
                                         !options_.mutations.skip_directory_sync));
    total_bytes_ += file_bytes;
    disk_free_ -= std::min(disk_free_, file_bytes);
    ready_.push_back(std::move(next));
    co_return ok();
}

Task<Result<void>> JournalImpl::look_at_disk() {
    MR_CO_TRY(disk_free_, co_await runtime_.disk.free_bytes(options_.directory));
    co_return ok();
}

// Nobody tells when there is space again.
Task<void> JournalImpl::watch_full_disk() {
    while (prepare_failed_ && !closing_ && !failure_) {
        co_await prepared_changed_.wait_until(runtime_.clock, runtime_.clock.now() + kFullDiskLook);
        if (!co_await look_at_disk() || !disk_takes_a_file()) continue;
        prepare_failed_ = false;
        tell_of_room();
    }
    watching_disk_ = false;
}

void JournalImpl::prepare_in_background() {
    if (!ready_.empty() || preparing_ || prepare_failed_ || closing_ || failure_) return;
    if (active_.end < active_.header.file_bytes / kPrepareAtFraction) return;
    preparing_ = true;
    pace_.hurry = false;
    gate_.spawn(runtime_.executor, [this]() -> Task<void> {
        const Result<void> made = co_await prepare_file();
        prepare_failed_ = !made;
        if (!made && !pace_.cancelled)
            MR_LOG_WARN("next journal file not made", {"reason", made.error().to_string()});
        preparing_ = false;
        prepared_changed_.notify_all();
        // Room within total_bytes_max is made by truncation, which tells.
        if (!prepare_failed_ || disk_takes_a_file() || std::exchange(watching_disk_, true)) co_return;
        gate_.spawn(runtime_.executor, [this] { return watch_full_disk(); });
    });
}

}  // namespace millrace::log
