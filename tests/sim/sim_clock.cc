// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_clock.h"

#include "common/base/check.h"

namespace millrace::sim {

WallTime SimClock::wall_now() const {
    // 2025-01-01T00:00:00Z at the start of virtual time.
    return WallTime{std::chrono::milliseconds{1735689600000}} +
           std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
}

Clock::TimerId SimClock::schedule(MonotonicTime when, Executor executor,
                                  UniqueFunction<void()> fire) {
    const TimerId id = ++last_id_;
    timers_.emplace(Key{when, id}, Timer{std::move(executor), std::move(fire)});
    due_.emplace(id, when);
    return id;
}

void SimClock::cancel(TimerId timer) {
    const auto found = due_.find(timer);
    if (found == due_.end()) return;
    const Key key{found->second, timer};
    due_.erase(found);
    timers_.erase(key);
}

std::optional<MonotonicTime> SimClock::next_due() const {
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->first.first;
}

void SimClock::fire_next() {
    MR_CHECK(!timers_.empty());
    const Key key = timers_.begin()->first;
    if (key.first > now_) now_ = key.first;
    trace_.note(now_, "timer", {}, key.second);
    // The timer stays cancellable until its work runs: cancel() promises that `fire` will not be
    // called afterwards, also when it was posted already.
    const Executor executor = timers_.begin()->second.executor;
    auto fire = std::make_shared<UniqueFunction<void()>>(std::move(timers_.begin()->second.fire));
    timers_.erase(timers_.begin());
    post(executor, [this, id = key.second, fire] {
        if (due_.erase(id) > 0) (*fire)();
    });
}

void SimClock::jump_to(MonotonicTime when) {
    MR_CHECK(timers_.empty() || timers_.begin()->first.first >= when);
    if (when > now_) now_ = when;
}

}  // namespace millrace::sim
