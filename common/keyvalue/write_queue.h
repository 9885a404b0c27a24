// SPDX-License-Identifier: Apache-2.0
//
// One write at a time: what waits while a group is being written makes up the next one, in order.
// For implementations of Store. Thread rule: executor-confined. Lifetime: no write() or settled() outlives it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "common/base/unique_function.h"
#include "common/keyvalue/keyvalue.h"
#include "common/runtime/signal.h"

namespace millrace::keyvalue {

class WriteQueue {
public:
    struct Group {
        std::vector<WriteBatch> batches;
        bool synced = false;  // at least one of them
    };
    // Called with one group at a time; its result is that of each of its writes.
    using WriteGroup = UniqueFunction<Task<Result<void>>(std::shared_ptr<const Group>)>;

    WriteQueue(Executor executor, WriteGroup write_group)
        : executor_{std::move(executor)}, write_group_{std::move(write_group)} {}

    // kTooLarge, kUnavailable (too many wait), or what write_group said. The caller waits for all its calls before the end.
    Task<Result<void>> write(WriteBatch batch, Durability durability);
    // Completes when all writes called before have returned.
    Task<void> settled();

    std::uint64_t batches() const { return done_; }
    std::uint64_t groups() const { return groups_; }

private:
    struct Waiting {
        WriteBatch batch;
        bool synced = false;
        OneShot<Result<void>> done;
    };

    Task<void> write_groups();

    const Executor executor_;
    WriteGroup write_group_;
    std::deque<std::shared_ptr<Waiting>> waiting_;
    std::size_t waiting_bytes_ = 0;
    std::uint64_t taken_ = 0;
    std::uint64_t done_ = 0;
    std::uint64_t groups_ = 0;
    bool writing_ = false;
    Signal progressed_;
};

// The bounds that hold for every batch.
Result<void> check_batch(const WriteBatch& batch);
Result<void> check_key(std::string_view key);
Result<void> check_limit(const PageLimit& limit);
Result<void> check_multi_get(const std::vector<std::string>& keys);

}  // namespace millrace::keyvalue
