// SPDX-License-Identifier: Apache-2.0
//
// Virtual time: stands still while anything is ready to run, then jumps to the next timer. Timers
// of the same instant fire in the order they were set. Thread rule: the world's thread.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "common/runtime/clock.h"
#include "tests/sim/trace.h"

namespace millrace::sim {

class SimClock final : public Clock {
public:
    explicit SimClock(Trace& trace) : trace_{trace} {}

    MonotonicTime now() const override { return now_; }
    WallTime wall_now() const override;
    TimerId schedule(MonotonicTime when, Executor executor, UniqueFunction<void()> fire) override;
    void cancel(TimerId timer) override;

    // For the world: when the next timer is due, and the jump to it.
    std::optional<MonotonicTime> next_due() const;
    void fire_next();
    // REQUIRES: no timer is due before `when`.
    void jump_to(MonotonicTime when);
    // Drops every timer; what they would have resumed is unwound on its executor.
    void clear() {
        timers_.clear();
        due_.clear();
    }

private:
    struct Timer {
        Executor executor;
        UniqueFunction<void()> fire;
    };
    using Key = std::pair<MonotonicTime, TimerId>;

    Trace& trace_;
    // Not zero, so that code which subtracts from now() is not spared.
    MonotonicTime now_{std::chrono::hours{1}};
    TimerId last_id_ = 0;
    std::map<Key, Timer> timers_;
    std::map<TimerId, MonotonicTime> due_;
};

}  // namespace millrace::sim
