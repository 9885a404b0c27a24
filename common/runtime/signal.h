// SPDX-License-Identifier: Apache-2.0
//
// Waiting on one executor. A Signal has no memory: notify wakes who waits now, so waiters loop over
// their condition. OneShot carries one value from one place to another.
// Thread rule: executor-confined; another thread posts to the executor first.
// Lifetime: nobody may be waiting when a Signal is destroyed (close the Gate of the waiters first);
// the destructor destroys the coroutines that still wait, without resuming them. A coroutine that
// waits on a Signal inside its own frame owns itself: only a notify ends it.
#pragma once

#include <cstddef>
#include <list>
#include <optional>

#include "common/base/unique_function.h"
#include "common/runtime/clock.h"
#include "common/runtime/task.h"

namespace millrace {

class Signal {
public:
    Signal() = default;
    Signal(const Signal&) = delete;
    Signal& operator=(const Signal&) = delete;
    ~Signal();

    // Completes at the next notify.
    Task<void> wait();
    // True when notified, false when `when` came first.
    Task<bool> wait_until(Clock& clock, MonotonicTime when);

    // Waiters resume through their executor, never inside this call; oldest first.
    void notify_one();
    void notify_all();

    std::size_t waiting() const { return waiters_.size(); }

private:
    using Waiters = std::list<UniqueFunction<void(bool notified)>>;
    Waiters waiters_;
};

// One value, set once, awaited by one coroutine before or after it was set.
template <class T>
class OneShot {
public:
    void set(T value) {
        if (value_) return;
        value_.emplace(std::move(value));
        signal_.notify_all();
    }
    bool is_set() const { return value_.has_value(); }
    Task<T> wait() {
        while (!value_) co_await signal_.wait();
        co_return std::move(*value_);
    }
    // Empty when `when` came first.
    Task<std::optional<T>> wait_until(Clock& clock, MonotonicTime when) {
        while (!value_) {
            const bool notified = co_await signal_.wait_until(clock, when);
            if (!notified && !value_) co_return std::nullopt;
        }
        co_return std::move(*value_);
    }

private:
    std::optional<T> value_;
    Signal signal_;
};

}  // namespace millrace
