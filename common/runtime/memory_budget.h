// SPDX-License-Identifier: Apache-2.0
//
// How many bytes of one kind a process may hold, for all shards together. Who wants some waits in the
// order of asking: a small wish never overtakes a large one, so nobody waits for ever while others end.
// Thread rule: any thread; take() resumes on the executor it was called on.
// Lifetime: grants may outlive the budget, waiters may not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "common/base/result.h"
#include "common/runtime/clock.h"
#include "common/runtime/deadline.h"
#include "common/runtime/task.h"

namespace millrace {

class MemoryBudget {
    class Core;
    struct Waiter;

public:
    // Bytes that its holder may use until it ends. Any thread.
    class Grant {
    public:
        Grant() = default;
        Grant(Grant&& other) noexcept : core_{std::move(other.core_)}, bytes_{std::exchange(other.bytes_, 0)} {}
        Grant& operator=(Grant&& other) noexcept {
            if (this != &other) {
                release();
                core_ = std::move(other.core_);
                bytes_ = std::exchange(other.bytes_, 0);
            }
            return *this;
        }
        ~Grant() { release(); }

        explicit operator bool() const { return core_ != nullptr; }
        std::size_t bytes() const { return bytes_; }
        void release();

    private:
        friend class MemoryBudget;
        friend class Core;
        Grant(std::shared_ptr<Core> core, std::size_t bytes) : core_{std::move(core)}, bytes_{bytes} {}
        std::shared_ptr<Core> core_;
        std::size_t bytes_ = 0;
    };

    // A way to end one take() early.
    class Wait {
    public:
        // The take() that waits ends with kCancelled, also one that is called later.
        void cancel();

    private:
        friend class MemoryBudget;
        std::shared_ptr<Waiter> waiter_;
        bool cancelled_ = false;
    };

    explicit MemoryBudget(std::size_t bytes_max);
    MemoryBudget(const MemoryBudget&) = delete;
    MemoryBudget& operator=(const MemoryBudget&) = delete;
    ~MemoryBudget();

    // Now or never: an empty grant when somebody waits, or when more than `at_most` would be held.
    Grant try_take(std::size_t bytes, std::size_t at_most = SIZE_MAX);

    // `wait` is of the caller's executor and outlives the call; one call at a time uses it.
    // Errors: kTooLarge (more than the whole budget), kTimedOut, kCancelled.
    Task<Result<Grant>> take(std::size_t bytes, Clock& clock, Deadline deadline, Wait& wait);

    std::size_t bytes_max() const;
    std::size_t taken() const;
    std::size_t most_taken() const;   // ever
    std::size_t waiting() const;      // calls of take() that wait now
    std::uint64_t waits() const;      // that had to wait, ever

private:
    std::shared_ptr<Core> core_;
};

}  // namespace millrace
