// SPDX-License-Identifier: Apache-2.0
//
// One open RocksDB database: what a Store, its snapshots and its pins share. The facades outside only forward.
// Thread rule: the executor of its runtime; functions on DbHandle: pool threads.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/keyvalue/keyvalue.h"
#include "common/keyvalue/rocksdb/directory.h"
#include "common/keyvalue/rocksdb/options.h"
#include "common/keyvalue/write_queue.h"
#include "common/runtime/gate.h"

namespace millrace::keyvalue {

// Hears of failures in the background, on RocksDB's threads.
class FailureListener final : public rocksdb::EventListener {
public:
    void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override;

    std::optional<Error> error() const;
    // `notify` is posted to `executor` at the first failure, also one that was already there.
    void attach(Executor executor, UniqueFunction<void()> notify);

private:
    mutable Mutex mutex_;
    std::optional<Error> error_ MR_GUARDED_BY(mutex_);
    std::optional<Executor> executor_ MR_GUARDED_BY(mutex_);
    UniqueFunction<void()> notify_ MR_GUARDED_BY(mutex_);
};

// What pool threads work with. Outlives the calls that use it.
struct DbHandle {
    std::shared_ptr<const SharedParts> shared;
    StoreOptions options;
    bool direct_io = false;
    std::unique_ptr<Directory> directory;  // declared before the database: its lock goes last
    std::shared_ptr<FailureListener> listener;
    std::unique_ptr<rocksdb::DB> db;
    std::atomic<std::uint64_t> synced_through{0};  // a sequence number of the log

    // Blocks.
    static Result<std::shared_ptr<DbHandle>> open(std::shared_ptr<const SharedParts> shared, StoreOptions options);
};

class Core : public std::enable_shared_from_this<Core> {
public:
    using SnapshotId = std::uint64_t;

    Core(Runtime runtime, std::shared_ptr<DbHandle> handle);
    void start();

    Task<Result<void>> write(WriteBatch batch, Durability durability);
    Task<Result<void>> flush();
    Task<Result<void>> compact();
    Task<Result<void>> verify();
    Task<Result<Statistics>> statistics();
    std::optional<Error> stopped() const { return failed_; }
    Task<Error> failed();
    Task<void> close();

    // Reads: of now, or of a snapshot of this core.
    Task<Result<std::optional<std::string>>> get(std::string key, std::optional<SnapshotId> at);
    Task<Result<std::vector<std::optional<std::string>>>> multi_get(std::vector<std::string> keys,
                                                                    std::optional<SnapshotId> at);
    Task<Result<Page>> scan(std::string begin, std::string end, PageLimit limit, std::optional<SnapshotId> at);

    Task<Result<SnapshotId>> take_snapshot();
    // Later, in the background. Any time, also after close().
    void drop_snapshot(SnapshotId id);

    struct Pin {
        std::vector<PinnedFiles::File> files;
        std::map<std::string, Bytes> small;  // kept in memory instead of being read
    };
    Task<Result<Pin>> pin();
    Task<Result<Bytes>> read_pinned(std::string name, std::uint64_t file_bytes, std::uint64_t offset, std::size_t length);
    void unpin();

private:
    Result<Gate::Pass> enter();
    Result<void> check_writable() const;
    Result<const rocksdb::Snapshot*> find_snapshot(std::optional<SnapshotId> at) const;
    Task<Result<void>> write_group(std::shared_ptr<const WriteQueue::Group> group);
    Task<Result<void>> flush_inside();
    void stop(Error error);
    void release_soon(UniqueFunction<void(DbHandle&)> release);

    // `work(handle)` on the pool, inside the gate.
    template <class F, class R = std::invoke_result_t<F&, DbHandle&>>
    Task<R> on_pool(F work) {
        MR_CO_TRY(const Gate::Pass pass, enter());
        co_return co_await run_blocking(runtime_.blocking, [handle = handle_, work = std::move(work)]() mutable -> R {
            return work(*handle);
        });
    }

    const Runtime runtime_;
    const StoreOptions options_;
    std::shared_ptr<DbHandle> handle_;  // null once closed
    WriteQueue queue_;
    std::map<SnapshotId, const rocksdb::Snapshot*> snapshots_;
    SnapshotId last_snapshot_ = 0;
    std::uint64_t slowed_writes_ = 0;
    std::optional<Error> failed_;
    Signal failed_changed_;
    bool closing_ = false;
    Gate gate_;
};

// The keys of the database: a letter, then the caller's key (docs/formats/keyvalue.md).
inline constexpr char kUserKeys = 'k';
inline std::string stored_key(std::string_view key) { return std::string{kUserKeys}.append(key); }
// The end of a range; empty is the last key of the caller.
inline std::string stored_end(std::string_view end) {
    return end.empty() ? std::string{static_cast<char>(kUserKeys + 1)} : stored_key(end);
}

}  // namespace millrace::keyvalue
