// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/rocksdb/core.h"

#include <rocksdb/write_batch.h>

#include <array>
#include <chrono>

#include "common/keyvalue/rocksdb/errors.h"
#include "common/keyvalue/rocksdb/log_check.h"

namespace millrace::keyvalue {

namespace {

// While the background is behind, a write asks again so often; its thread is free meanwhile.
constexpr std::chrono::milliseconds kStallPause{2};

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

// RocksDB's own form of a group, built once and perhaps written in several attempts.
rocksdb::WriteBatch merge(const DbHandle& handle, const WriteQueue::Group& group) {
    std::size_t bytes = 0;
    for (const WriteBatch& batch : group.batches) bytes += batch.bytes() + 16 * batch.count();
    rocksdb::WriteBatch merged{bytes + 64};
    if (handle.options.log) put_synced_through(merged, handle.synced_through.load());
    for (const WriteBatch& batch : group.batches) {
        batch.for_each([&merged](WriteBatch::Kind kind, std::string_view key, std::string_view value) {
            const std::array<rocksdb::Slice, 2> key_parts{rocksdb::Slice{&kUserKeys, 1}, slice(key)};
            const rocksdb::SliceParts stored{key_parts.data(), 2};
            rocksdb::Status status;
            switch (kind) {
                case WriteBatch::Kind::kPut: {
                    const rocksdb::Slice value_part = slice(value);
                    status = merged.Put(stored, rocksdb::SliceParts{&value_part, 1});
                    break;
                }
                case WriteBatch::Kind::kRemove: status = merged.Delete(stored); break;
                case WriteBatch::Kind::kRemoveRange:
                    status = merged.DeleteRange(slice(stored_key(key)), slice(stored_end(value)));
                    break;
            }
            MR_CHECK(status.ok());  // memory only
        });
    }
    return merged;
}

Error no_space(std::uint64_t free, const StoreOptions& options) {
    return {ErrorCode::kNoSpace, "the disk of " + options.directory + " has " + std::to_string(free) +
                                     " bytes free; " + std::to_string(options.keep_free_bytes) + " are kept free"};
}

// All up to `sequence` is synced. Calls overlap.
void note_synced(DbHandle& handle, std::uint64_t sequence) {
    std::uint64_t known = handle.synced_through.load();
    while (known < sequence && !handle.synced_through.compare_exchange_weak(known, sequence)) {}
}

rocksdb::Status sync_log(DbHandle& handle) {
    const std::uint64_t sequence = handle.db->GetLatestSequenceNumber();
    rocksdb::Status status = handle.db->SyncWAL();
    if (status.ok()) note_synced(handle, sequence);
    return status;
}

// A store with a log needs no more than the log's sync.
Result<void> flush_handle(DbHandle& handle) {
    rocksdb::Status status;
    if (handle.options.log) {
        status = sync_log(handle);
    } else {
        rocksdb::FlushOptions options;
        options.allow_write_stall = true;  // no writer of ours waits inside RocksDB
        status = handle.db->Flush(options);
    }
    if (!status.ok()) return to_error(status, "flushing " + handle.options.directory).with_unknown_fate();
    return ok();
}

}  // namespace

void FailureListener::OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) {
    const MutexLock lock{mutex_};
    if (error_) return;
    error_ = to_error(*status, "in the background");
    if (executor_) post(*executor_, std::move(notify_));
}

std::optional<Error> FailureListener::error() const {
    const MutexLock lock{mutex_};
    return error_;
}

void FailureListener::attach(Executor executor, UniqueFunction<void()> notify) {
    const MutexLock lock{mutex_};
    if (error_) return post(executor, std::move(notify));
    executor_ = std::move(executor);
    notify_ = std::move(notify);
}

Core::Core(Runtime runtime, std::shared_ptr<DbHandle> handle)
    : runtime_{runtime},
      options_{handle->options},
      handle_{std::move(handle)},
      queue_{runtime_.executor, [this](std::shared_ptr<const WriteQueue::Group> group) {
                 return write_group(std::move(group));
             }} {}

void Core::start() {
    handle_->listener->attach(runtime_.executor, [weak = weak_from_this()] {
        const auto core = weak.lock();
        if (core && core->handle_) core->stop(*core->handle_->listener->error());
    });
}

Result<Gate::Pass> Core::enter() {
    if (closing_) return Error{ErrorCode::kClosed, "the store " + options_.directory + " is closed"};
    if (failed_) {
        return Error{ErrorCode::kUnavailable, "the store " + options_.directory + " stopped: " + failed_->to_string()};
    }
    return gate_.enter();
}

Result<void> Core::check_writable() const {
    if (!options_.read_only) return ok();
    return Error{ErrorCode::kInvalidArgument, "the store " + options_.directory + " was opened to read only"};
}

void Core::stop(Error error) {
    if (failed_) return;
    failed_ = std::move(error);
    failed_changed_.notify_all();
}

Task<Error> Core::failed() {
    const auto self = shared_from_this();
    while (!failed_ && !closing_) co_await failed_changed_.wait();
    if (failed_) co_return *failed_;
    co_return Error{ErrorCode::kClosed, "the store " + options_.directory + " is closed"};
}

Task<Result<void>> Core::write(WriteBatch batch, Durability durability) {
    MR_CO_TRY_VOID(check_writable());
    if (durability == Durability::kSynced && !options_.log) {
        co_return Error{ErrorCode::kInvalidArgument, "the store " + options_.directory + " has no log: flush() it"};
    }
    MR_CO_TRY(const Gate::Pass pass, enter());
    co_return co_await queue_.write(std::move(batch), durability);
}

Task<Result<void>> Core::write_group(std::shared_ptr<const WriteQueue::Group> group) {
    struct Attempt {
        Result<void> result;
        bool wait = false;
    };
    const auto merged = std::make_shared<std::optional<rocksdb::WriteBatch>>();
    bool slowed = false;
    for (;;) {
        if (failed_) {
            co_return Error{ErrorCode::kUnavailable, "the store " + options_.directory + " stopped: " + failed_->to_string()};
        }
        Attempt attempt = co_await run_blocking(runtime_.blocking, [handle = handle_, group, merged]() -> Attempt {
            const Result<std::uint64_t> free = handle->directory->free_bytes();
            if (free && *free < handle->options.keep_free_bytes) return {no_space(*free, handle->options)};
            if (!*merged) merged->emplace(merge(*handle, *group));
            rocksdb::WriteOptions options;
            options.disableWAL = !handle->options.log;
            options.sync = group->synced;
            // A thread of the pool is not for waiting.
            options.no_slowdown = true;
            // An empty batch would not reach the log.
            const rocksdb::Status status = (*merged)->Count() > 0 ? handle->db->Write(options, &**merged)
                                           : group->synced        ? sync_log(*handle)
                                                                  : rocksdb::Status::OK();
            if (status.ok() && group->synced) note_synced(*handle, handle->db->GetLatestSequenceNumber());
            if (status.ok()) return {ok()};
            if (must_wait(status)) return {ok(), true};
            return {to_error(status, "writing to " + handle->options.directory).with_unknown_fate()};
        });
        if (attempt.wait) {
            if (!slowed) ++slowed_writes_;
            slowed = true;
            co_await sleep_for(runtime_.clock, kStallPause);
            continue;
        }
        if (!attempt.result && attempt.result.error().fate() == Fate::kUnknown) stop(attempt.result.error());
        co_return std::move(attempt.result);
    }
}

Task<Result<void>> Core::flush() {
    MR_CO_TRY(const Gate::Pass pass, enter());
    co_return co_await flush_inside();
}

Task<Result<void>> Core::flush_inside() {
    co_await queue_.settled();
    if (options_.read_only) co_return ok();
    if (failed_) {
        co_return Error{ErrorCode::kUnavailable, "the store " + options_.directory + " stopped: " + failed_->to_string()};
    }
    Result<void> flushed = co_await run_blocking(runtime_.blocking, [handle = handle_] { return flush_handle(*handle); });
    if (!flushed) stop(flushed.error());
    co_return flushed;
}

Task<Result<void>> Core::compact() {
    MR_CO_TRY_VOID(check_writable());
    Result<void> compacted = co_await on_pool([](DbHandle& handle) -> Result<void> {
        rocksdb::CompactRangeOptions options;
        options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
        options.allow_write_stall = true;
        const rocksdb::Status status = handle.db->CompactRange(options, nullptr, nullptr);
        if (!status.ok()) return to_error(status, "compacting " + handle.options.directory);
        return ok();
    });
    // What failed in the background stops the store by itself.
    co_return compacted;
}

Task<Result<void>> Core::verify() {
    return on_pool([](DbHandle& handle) -> Result<void> {
        const rocksdb::Status status = handle.db->VerifyChecksum();
        if (!status.ok()) return to_error(status, "verifying " + handle.options.directory);
        return ok();
    });
}

Task<Result<Statistics>> Core::statistics() {
    Result<Statistics> statistics = co_await on_pool([](DbHandle& handle) -> Result<Statistics> {
        const auto number = [&handle](const std::string& property) {
            std::uint64_t value = 0;
            handle.db->GetIntProperty(property, &value);
            return value;
        };
        Statistics numbers;
        numbers.unflushed_bytes = number(rocksdb::DB::Properties::kCurSizeAllMemTables);
        numbers.keys_about = number(rocksdb::DB::Properties::kEstimateNumKeys);
        numbers.index_bytes = number(rocksdb::DB::Properties::kEstimateTableReadersMem);
        numbers.compaction_bytes = number(rocksdb::DB::Properties::kEstimatePendingCompactionBytes);
        std::vector<rocksdb::LiveFileMetaData> files;
        handle.db->GetLiveFilesMetaData(&files);
        numbers.files = files.size();
        for (const rocksdb::LiveFileMetaData& file : files) numbers.file_bytes += file.size;
        numbers.direct_io = handle.direct_io;
        return numbers;
    });
    if (statistics) {
        statistics->batches = queue_.batches();
        statistics->groups = queue_.groups();
        statistics->slowed_writes = slowed_writes_;
    }
    co_return statistics;
}

void Core::release_soon(UniqueFunction<void(DbHandle&)> release) {
    // Refused once the gate is shut: then close() releases everything.
    gate_.spawn(runtime_.executor, [self = shared_from_this(), release = std::move(release)]() mutable -> Task<void> {
        if (!self->handle_) co_return;
        co_await run_blocking(self->runtime_.blocking, [handle = self->handle_, release = std::move(release)]() mutable {
            release(*handle);
            return true;
        });
    });
}

Task<void> Core::close() {
    const auto self = shared_from_this();
    const bool first = !std::exchange(closing_, true);
    failed_changed_.notify_all();
    co_await gate_.close();
    if (!first || !handle_) co_return;
    if (!failed_) {
        // Who needs to know calls flush() before.
        (void)co_await flush_inside();
    }
    co_await run_blocking(runtime_.blocking, [handle = std::move(handle_), snapshots = std::move(snapshots_)]() mutable {
        for (const auto& [id, snapshot] : snapshots) handle->db->ReleaseSnapshot(snapshot);
        handle->db->Close().PermitUncheckedError();
        handle.reset();
        return true;
    });
    handle_.reset();
    snapshots_.clear();
}

}  // namespace millrace::keyvalue
