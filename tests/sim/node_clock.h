// SPDX-License-Identifier: Apache-2.0
//
// Time as one process sees it: its monotonic clock may run a little fast or slow, for its whole life, and never
// jumps; its wall clock is off by whatever the machine's is (WallOffset), and may jump.
// A rate of 1 is exactly the world's time. Thread rule: the world's thread.
#pragma once

#include <memory>

#include "tests/sim/sim_clock.h"

namespace millrace::sim {

using WallOffset = std::shared_ptr<std::chrono::milliseconds>;

class NodeClock final : public Clock {
public:
    NodeClock(SimClock& world, double rate, WallOffset wall) : world_{world}, rate_{rate}, wall_{std::move(wall)} {}

    MonotonicTime now() const override {
        return rate_ == 1.0 ? world_.now() : begin_ + scaled(world_.now() - begin_, rate_);
    }
    WallTime wall_now() const override { return world_.wall_now() + *wall_; }
    TimerId schedule(MonotonicTime when, Executor executor, UniqueFunction<void()> fire) override {
        return world_.schedule(in_world(when), std::move(executor), std::move(fire));
    }
    void cancel(TimerId timer) override { world_.cancel(timer); }

private:
    static std::chrono::nanoseconds scaled(std::chrono::nanoseconds by, double rate) {
        return std::chrono::nanoseconds{static_cast<std::int64_t>(static_cast<double>(by.count()) * rate)};
    }
    MonotonicTime in_world(MonotonicTime when) const {
        // Beyond a century nobody can tell.
        if (rate_ == 1.0 || when - begin_ > std::chrono::hours{1'000'000}) return when;
        // Rounding must not make a timer early.
        return begin_ + scaled(when - begin_, 1.0 / rate_) + std::chrono::nanoseconds{1000};
    }

    SimClock& world_;
    const double rate_;
    const MonotonicTime begin_ = world_.now();
    const WallOffset wall_;
};

}  // namespace millrace::sim
