// SPDX-License-Identifier: Apache-2.0
//
// Group commit: from the queue to the disk and back to who waits. Files come and go in rotation.cc.
#include "segmentstore/log/journal/journal.h"

#include <algorithm>

#include "common/base/crc32c.h"
#include "common/runtime/assert_on.h"
#include "common/telemetry/log.h"
#include "segmentstore/log/journal/journal_impl.h"
#include "segmentstore/log/journal/single_log.h"

namespace millrace::log {

namespace {

constexpr std::uint64_t kMinFileBytes = 1024 * 1024;
constexpr std::uint64_t kMaxFileBytes = 1024ull * 1024 * 1024;
// How long the last batch stays without a witness when nothing follows it.
constexpr std::chrono::milliseconds kWitnessDelay{20};
// Kept back in each file for what makes room: promises, truncations, lists of retired files.
constexpr std::uint64_t kReserveMax = 1024 * 1024;
constexpr std::uint64_t kReserveFraction = 8;
// Record headers take at most this part more than a batch's entries: two full entries are a batch of twice an entry.
constexpr std::uint64_t kHeaderPart = 16;

Result<void> check_options(const JournalOptions& options) {
    const std::uint64_t bytes = options.file_bytes;
    if (bytes < kMinFileBytes || bytes > kMaxFileBytes || bytes % kBlockBytes != 0) {
        return Error{ErrorCode::kInvalidArgument,
                     "journal files of " + std::to_string(bytes) +
                         " bytes: it can be 1 MiB to 1 GiB, in multiples of 4096"};
    }
    if (options.directory.empty())
        return Error{ErrorCode::kInvalidArgument, "the journal needs a directory"};
    return ok();
}

}  // namespace

Task<Result<std::unique_ptr<Journal>>> Journal::open(Runtime runtime, JournalOptions options) {
    MR_CO_TRY_VOID(check_options(options));
    auto journal = std::make_unique<JournalImpl>(runtime, std::move(options));
    MR_CO_TRY_VOID(co_await journal->recover_and_start());
    std::unique_ptr<Journal> opened = std::move(journal);
    co_return std::move(opened);
}

// A quarter of a file each for a batch and for what a file starts with: then the two always fit
// together into a new one, and an unproven batch can be written anew.
JournalImpl::JournalImpl(Runtime runtime, JournalOptions options)
    : runtime_{runtime},
      options_{std::move(options)},
      entry_bytes_max_{std::min<std::size_t>(DurableLog::kMaxEntryBytes, options_.file_bytes / 4)},
      batch_bytes_max_{std::min<std::size_t>(options_.batch_bytes_max, options_.file_bytes / 4)},
      reader_{runtime_, options_.directory, !options_.mutations.skip_record_checksum} {}

Task<Result<void>> JournalImpl::recover_and_start() {
    MR_CO_TRY_VOID(co_await runtime_.disk.create_directories(options_.directory));
    MR_CO_TRY(Recovered recovered,
              co_await recover(runtime_, options_.directory, options_.mutations));
    MR_CO_TRY_VOID(check_store(recovered, options_.store, options_.directory));
    if (recovered.next_file_seq > UINT32_MAX)
        co_return Error{ErrorCode::kInternal, "journal file numbers are used up"};
    if (recovered.store) {
        store_ = *recovered.store;
    } else {
        runtime_.random.fill(store_);
    }
    for (auto& [id, log] : recovered.logs) {
        auto slot = std::make_unique<LogSlot>();
        slot->id = ContainerId{id};
        slot->epoch = log.epoch;
        slot->entries = std::move(log.entries);
        slot->anchor = Bytes::copy_of(log.anchor);
        slots_.emplace(slot->id, std::move(slot));
    }
    if (!recovered.torn.empty()) MR_LOG_WARN("journal tail dropped", {"where", recovered.torn});
    MR_CO_TRY_VOID(co_await start_first_file(recovered));
    co_await tidy_up(recovered);

    stats_.direct = active_.file->direct();
    std::uint64_t entries = 0;
    for (const auto& [id, slot] : slots_)
        entries += slot->entries.next().number() - slot->entries.first().number();
    MR_LOG_INFO("journal opened", {"directory", options_.directory}, {"logs", slots_.size()},
                {"entries", entries}, {"files", sealed_.size() + 1},
                {"direct_io", stats_.direct ? "yes" : "no"});
    gate_.spawn(runtime_.executor, [this] { return commit_loop(); });
    co_return ok();
}

Task<Result<std::unique_ptr<DurableLog>>> JournalImpl::take_over(ContainerId log) {
    MR_ASSERT_ON(runtime_.executor);
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    std::unique_ptr<LogSlot>& place = slots_[log];
    if (!place) {
        place = std::make_unique<LogSlot>();
        place->id = log;
    }
    LogSlot& slot = *place;  // slots are never removed
    if (slot.owned) {
        co_return Error{ErrorCode::kFailedPrecondition,
                        "log " + to_string(log) + " was taken over before by this process"};
    }
    slot.owned = true;
    const Result<PendingPtr> promise = submit(slot, RecordType::kPromise, {}, 0);
    Result<Index> durable = promise ? Result<Index>{} : Result<Index>{promise.error()};
    if (promise) durable = co_await (*promise)->done.wait();
    if (!durable) {
        slot.owned = false;
        co_return std::move(durable).error().while_doing("take over log " + to_string(log));
    }
    std::unique_ptr<DurableLog> owner = std::make_unique<SingleLog>(*this, slot);
    co_return std::move(owner);
}

Task<void> JournalImpl::close() {
    MR_ASSERT_ON(runtime_.executor);
    gate_.shut();
    closing_ = true;
    pace_.cancelled = true;
    pace_.changed.notify_all();
    prepared_changed_.notify_all();
    wake_.notify_all();
    co_await gate_.close();
}

Journal::Stats JournalImpl::stats() const {
    Stats stats = stats_;
    stats.files = sealed_.size() + 1 + ready_.size();
    stats.failed = failure_.has_value();
    return stats;
}

Result<PendingPtr> JournalImpl::append(LogSlot& slot, std::vector<Bytes> pieces) {
    if (closing_) return Error{ErrorCode::kClosed, "the journal is closed"};
    std::size_t bytes = 0;
    for (const Bytes& piece : pieces) bytes += piece.size();
    if (bytes == 0 || bytes > entry_bytes_max_) {
        return Error{ErrorCode::kTooLarge, "an entry of " + std::to_string(bytes) +
                                               " bytes: it can have 1 to " +
                                               std::to_string(entry_bytes_max_)};
    }
    return submit(slot, RecordType::kEntry, std::move(pieces), bytes);
}

Result<PendingPtr> JournalImpl::truncate(LogSlot& slot, Index first_needed, Bytes anchor) {
    if (closing_) return Error{ErrorCode::kClosed, "the journal is closed"};
    if (anchor.size() > DurableLog::kMaxAnchorBytes) {
        return Error{ErrorCode::kTooLarge, "an anchor of " + std::to_string(anchor.size()) + " bytes: it can have " +
                                               std::to_string(DurableLog::kMaxAnchorBytes)};
    }
    if (first_needed < slot.entries.first() || first_needed > slot.entries.next()) {
        return Error{ErrorCode::kInvalidArgument, "log " + to_string(slot.id) + " cannot be truncated to entry " +
                                                      to_string(first_needed) + ": it has " +
                                                      to_string(slot.entries.first()) + " up to before " +
                                                      to_string(slot.entries.next())};
    }
    const std::size_t bytes = anchor.size();
    MR_TRY(PendingPtr pending, submit(slot, RecordType::kTruncate, {std::move(anchor)}, bytes));
    pending->first_needed = first_needed;
    return pending;
}

Task<Result<Bytes>> JournalImpl::read(LogSlot& slot, Index index, std::size_t offset,
                                      std::size_t length) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    const auto missing = [&] {
        return Error{ErrorCode::kNotFound, "log " + to_string(slot.id) + " has no entry " + to_string(index) +
                                               "; it has " + to_string(slot.entries.first()) + " up to before " +
                                               to_string(slot.entries.next())};
    };
    if (!slot.entries.contains(index)) co_return missing();
    Result<Bytes> bytes = co_await reader_.read(slot.entries.at(index), offset, length);
    // Truncated meanwhile: the file may have a new life already.
    if (!bytes && !slot.entries.contains(index)) co_return missing();
    co_return bytes;
}

Result<PendingPtr> JournalImpl::submit(LogSlot& slot, RecordType type, std::vector<Bytes> pieces,
                                       std::size_t bytes) {
    if (failure_) return Error{ErrorCode::kClosed, "the journal has failed: " + failure_->detail()};
    if (queue_bytes_ + bytes > options_.queue_bytes_max) {
        return Error{ErrorCode::kTooLarge, "the journal's queue would hold more than " +
                                               std::to_string(options_.queue_bytes_max) + " bytes"};
    }
    auto pending = std::make_shared<Pending>();
    pending->slot = &slot;
    pending->type = type;
    pending->pieces = std::move(pieces);
    pending->bytes = bytes;
    for (const Bytes& piece : pending->pieces) pending->crc = crc32c(piece, pending->crc);
    queue_.push_back(pending);
    queue_bytes_ += bytes;
    wake_.notify_all();
    return pending;
}

Task<void> JournalImpl::commit_loop() {
    while (!failure_) {
        if (!queue_.empty()) {
            co_await commit_some();
        } else if (closing_) {
            // With its witness synced, a clean end leaves nothing that the next start must doubt.
            if (witness_due_) {
                co_await write_witness(true);
            } else if (active_.last_batch > synced_through_) {
                const Result<void> synced = co_await active_.file->sync();
                if (!synced) fail(synced.error());
            }
            break;
        } else if (witness_due_) {
            const bool woken =
                co_await wake_.wait_until(runtime_.clock, runtime_.clock.now() + kWitnessDelay);
            if (!woken && queue_.empty() && !closing_) co_await write_witness(false);
        } else {
            co_await wake_.wait();
        }
    }
}

Task<void> JournalImpl::commit_some() {
    if (!head_fits()) {
        const Result<void> rotated = co_await rotate();
        if (!rotated && !rotated.error().is(ErrorCode::kNoSpace)) {
            fail(rotated.error());
            co_return;
        }
        if (!head_fits()) {
            // What makes room is still written, from the reserve; entries wait for it.
            refuse_queued(rotated ? Error{ErrorCode::kNoSpace, "journal files of " +
                                                                   std::to_string(options_.file_bytes) +
                                                                   " bytes are too small for the number of files there are"}
                                  : rotated.error(),
                          queue_.front()->type == RecordType::kEntry);
            co_return;
        }
    }
    const std::vector<PendingPtr> batch = take_batch();
    std::size_t body_bytes = 0;
    for (const PendingPtr& pending : batch) body_bytes += pending->bytes;

    builder_.start(batch.size(), body_bytes);
    std::map<LogSlot*, std::pair<std::uint64_t, std::uint64_t>> positions;  // next index and epoch
    std::vector<EntryLocation> locations;
    locations.reserve(batch.size());
    for (const PendingPtr& pending : batch) {
        LogSlot& slot = *pending->slot;
        auto& [next_index, epoch] =
            positions.try_emplace(&slot, slot.entries.next().number(), slot.epoch).first->second;
        RecordHeader header;
        header.type = pending->type;
        header.log = slot.id.number();
        if (pending->type == RecordType::kRetired) {
            header.log = 0;
        } else if (pending->type == RecordType::kPromise) {
            header.epoch = ++epoch;
        } else {
            header.epoch = epoch;
            header.index = pending->type == RecordType::kEntry ? next_index++ : pending->first_needed.number();
        }
        const std::uint32_t body_at = builder_.add(header, pending->pieces, pending->crc);
        locations.push_back(EntryLocation{static_cast<std::uint32_t>(active_.header.file_seq),
                                          static_cast<std::uint32_t>(active_.end + body_at),
                                          header.body_bytes, header.body_crc});
    }
    BatchHeader header = next_batch_header();
    const ByteView bytes = builder_.finish(header, active_.header.salt);
    active_.previous_crc = header.header_crc;
    const MonotonicTime began = runtime_.clock.now();

    const bool ahead = options_.mutations.acknowledge_before_sync;
    const bool here = !ahead && worth_waiting_here(batch.size(), bytes.size());
    const Result<void> durable = co_await write_batch(bytes, ahead ? Sync::kNone : here ? Sync::kHere : Sync::kOnDiskThread);
    if (!durable) {
        for (const PendingPtr& pending : batch) {
            pending->done.set(
                Error{ErrorCode::kIo, "journal: " + durable.error().detail(), Fate::kUnknown});
        }
        fail(durable.error());
        co_return;
    }
    if (ahead) {
        publish(batch, locations);
        const Result<void> synced = co_await active_.file->sync();
        if (!synced) fail(synced.error());
        synced_through_ = next_batch_ - 1;
        co_return;
    }
    synced_through_ = active_.last_batch;
    witness_due_ = true;
    const std::chrono::nanoseconds took = runtime_.clock.now() - began;
    if (here) typical_here_ += took > typical_here_ ? kHereStep : -std::min<std::chrono::nanoseconds>(kHereStep, typical_here_);
    metrics_.commit_seconds.observe(std::chrono::duration<double>{took}.count());
    publish(batch, locations);
    prepare_in_background();
}

std::vector<PendingPtr> JournalImpl::take_batch() {
    std::vector<PendingPtr> batch;
    std::uint64_t bodies = 0;
    bool entries = false;
    while (!queue_.empty()) {
        const std::size_t bytes = queue_.front()->bytes;
        const std::uint64_t records = batch.size() + 1;
        entries = entries || queue_.front()->type == RecordType::kEntry;
        const bool small_enough =
            bodies + bytes <= batch_bytes_max_ && records * RecordHeader::kBytes <= batch_bytes_max_ / kHeaderPart;
        const bool has_room = fits(batch_bytes(records, bodies + bytes), entries ? entry_reserve() : kBlockBytes);
        if (!batch.empty() && (!small_enough || !has_room)) break;
        bodies += bytes;
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
    }
    queue_bytes_ -= bodies;
    return batch;
}

// One block at least is kept back, for the mark that the file is continued.
bool JournalImpl::fits(std::uint64_t batch, std::uint64_t kept_back) const {
    return active_.end + batch + kept_back <= active_.header.file_bytes;
}

std::uint64_t JournalImpl::entry_reserve() const {
    return align_up(std::min(kReserveMax, active_.header.file_bytes / kReserveFraction));
}

bool JournalImpl::head_fits() const {
    const Pending& head = *queue_.front();
    return fits(batch_bytes(1, head.bytes), head.type == RecordType::kEntry ? entry_reserve() : kBlockBytes);
}

// A writer that waits for each of its appends, on a fast disk: nothing else comes meanwhile, and the way to the disk's
// thread and back takes as long as the disk. As soon as two entries meet in a batch, waiting here would keep others out.
// On a slow disk it is tried now and then, to find out when that has changed.
bool JournalImpl::worth_waiting_here(std::size_t entries, std::size_t bytes) {
    const bool alone = entries == 1 && queue_.empty() && bytes <= kHereBytesMax;
    lone_batches_ = alone ? lone_batches_ + 1 : 0;
    if (lone_batches_ <= kLoneBatches) return false;
    return typical_here_ < kHereCommitMax || lone_batches_ % kHereTrialEvery == 0;
}

Task<Result<void>> JournalImpl::write_batch(ByteView batch, Sync sync) {
    Result<void> written = sync == Sync::kNone   ? co_await active_.file->write_at(active_.end, batch)
                           : sync == Sync::kHere ? co_await active_.file->write_and_sync_here(active_.end, batch)
                                                 : co_await active_.file->write_and_sync(active_.end, batch);
    if (written) {
        active_.end += batch.size();
        active_.last_batch = next_batch_++;
        ++stats_.batches;
        stats_.bytes_written += batch.size();
        metrics_.batches.add();
        metrics_.written_bytes.add(batch.size());
    }
    co_return written;
}

void JournalImpl::publish(const std::vector<PendingPtr>& batch,
                          const std::vector<EntryLocation>& locations) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
        Pending& pending = *batch[i];
        LogSlot& slot = *pending.slot;
        switch (pending.type) {
            case RecordType::kEntry:
                publish_entry(pending, locations[i]);
                break;
            case RecordType::kPromise:
                ++slot.epoch;
                pending.done.set(slot.entries.next());
                break;
            case RecordType::kTruncate:
                slot.entries.drop_before(pending.first_needed);
                slot.anchor = std::move(pending.pieces.front());
                pending.done.set(pending.first_needed);
                break;
            case RecordType::kRetired:
                retiring_ = false;
                dispose_of_retired(pending.pieces.front());
                break;
            case RecordType::kLogState:
            case RecordType::kFileList:
                MR_CHECK(false);  // only a file's first batch has them
        }
    }
    metrics_.queue_bytes.set(static_cast<double>(queue_bytes_));
    retire_dead_files();
}

void JournalImpl::publish_entry(Pending& pending, EntryLocation location) {
    LogSlot& slot = *pending.slot;
    const Index index = slot.entries.next();
    slot.entries.push_back(location);
    active_.use.add(slot.id.number(), index.number());
    ++stats_.entries;
    stats_.entry_bytes += pending.bytes;
    metrics_.entries.add();
    metrics_.entry_bytes.add(pending.bytes);
    stats_.full = false;
    pending.done.set(index);
}

Task<void> JournalImpl::write_witness(bool sync) {
    witness_due_ = false;
    if (!fits(kBlockBytes)) co_return;  // the next file's first batch will do
    builder_.start(0, 0);
    BatchHeader header = next_batch_header();
    const ByteView bytes = builder_.finish(header, active_.header.salt);
    active_.previous_crc = header.header_crc;
    const Result<void> written = co_await write_batch(bytes, sync ? Sync::kOnDiskThread : Sync::kNone);
    if (!written) fail(written.error());
}

void JournalImpl::refuse_queued(const Error& error, bool entries_only) {
    if (!stats_.full) MR_LOG_WARN("journal full", {"reason", error.detail()});
    stats_.full = true;
    // All entries: what was queued behind the one that does not fit must not overtake it.
    std::deque<PendingPtr> kept;
    for (PendingPtr& pending : std::exchange(queue_, {})) {
        if (entries_only && pending->type != RecordType::kEntry) {
            kept.push_back(std::move(pending));
            continue;
        }
        queue_bytes_ -= pending->bytes;
        metrics_.refused.add();
        if (pending->type == RecordType::kRetired) retiring_ = false;
        pending->done.set(Error{ErrorCode::kNoSpace, error.detail()});
    }
    queue_ = std::move(kept);
}

void JournalImpl::fail(const Error& error) {
    if (failure_) return;
    failure_ = error;
    // A disk that went away at closing time is no news.
    if (!error.is(ErrorCode::kClosed)) {
        MR_LOG_ERROR("journal failed", {"directory", options_.directory},
                     {"error", error.to_string()});
    }
    for (const PendingPtr& pending : queue_) {
        pending->done.set(Error{ErrorCode::kClosed, "the journal has failed: " + error.detail()});
    }
    queue_.clear();
    queue_bytes_ = 0;
    pace_.cancelled = true;
    pace_.changed.notify_all();
}

}  // namespace millrace::log
