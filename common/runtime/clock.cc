// SPDX-License-Identifier: Apache-2.0
//
// Sleeping: the timer owns the coroutine, so that a clock that goes takes its sleepers with it.
#include "common/runtime/clock.h"

#include <utility>

namespace millrace {

Task<void> sleep_until(Clock& clock, MonotonicTime when) {
    const Executor home = co_await this_executor();
    co_await suspend([&clock, &home, when](UniqueFunction<void()> resume) {
        clock.schedule(when, home, std::move(resume));
    });
}

Task<void> sleep_for(Clock& clock, std::chrono::nanoseconds duration) {
    const MonotonicTime now = clock.now();
    const bool overflows = duration > MonotonicTime::max() - now;
    co_await sleep_until(clock, overflows ? MonotonicTime::max() : now + duration);
}

}  // namespace millrace
