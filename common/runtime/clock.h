// SPDX-License-Identifier: Apache-2.0
//
// The only sources of time. Monotonic time drives every timeout; wall time is only ever recorded.
#pragma once

#include <chrono>
#include <cstdint>

#include "common/base/unique_function.h"
#include "common/runtime/executor.h"
#include "common/runtime/task.h"

namespace millrace {

struct MonotonicTimeline {
    using rep = std::int64_t;
    using period = std::nano;
    using duration = std::chrono::nanoseconds;
};
// A point on the process's monotonic clock; meaningless outside the process.
using MonotonicTime = std::chrono::time_point<MonotonicTimeline, std::chrono::nanoseconds>;
// UTC with millisecond resolution.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

class Clock {
public:
    using TimerId = std::uint64_t;

    virtual ~Clock() = default;

    virtual MonotonicTime now() const = 0;
    virtual WallTime wall_now() const = 0;

    // Posts `fire` to `executor` once, at or after `when`. Any thread.
    virtual TimerId schedule(MonotonicTime when, Executor executor, UniqueFunction<void()> fire) = 0;
    // `fire` will not be called after this returns if called on the timer's executor. Unknown or
    // fired ids are ignored.
    virtual void cancel(TimerId timer) = 0;
};

// Completes at or after `when`.
Task<void> sleep_until(Clock& clock, MonotonicTime when);
Task<void> sleep_for(Clock& clock, std::chrono::nanoseconds duration);

}  // namespace millrace
