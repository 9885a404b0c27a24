// SPDX-License-Identifier: Apache-2.0
//
// When to try again and when to give up. A first contact has a bound of its own; who has worked
// before is given another one, counted from the first failure since it last worked.
// Thread rule: executor-confined.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/runtime/clock.h"

namespace millrace::client {

// Whether an error may go away by itself.
bool may_pass(const Error& error);

// "10 s", "1,500 ms": for error details.
std::string spell_duration(std::chrono::nanoseconds duration);

// 1 ms, 10 ms, 100 ms, 1 s, 1 s, ...
class Backoff {
public:
    std::chrono::nanoseconds next();
    void reset() { next_ = kFirst; }

private:
    static constexpr std::chrono::milliseconds kFirst{1};
    static constexpr std::chrono::milliseconds kLongest{1000};
    std::chrono::nanoseconds next_ = kFirst;
};

class Retry {
public:
    // `later_limit` zero: for ever.
    Retry(const Clock& clock, std::chrono::nanoseconds first_limit, std::chrono::nanoseconds later_limit)
        : clock_{clock}, first_limit_{first_limit}, later_limit_{later_limit} {}

    // Call before each attempt: time counts from the first one.
    void trying() {
        if (!since_) since_ = clock_.now();
    }
    // Until when this round of attempts may go on; never() for no bound.
    MonotonicTime give_up_at() const;
    // Whether an attempt of this round has failed already.
    bool failing() const { return failing_; }
    // There was nothing to try for a while, which is not time spent trying: the next round begins anew.
    void rested() {
        since_.reset();
        failing_ = false;
        backoff_.reset();
    }
    // From `begin` until now a request waited, on a connection, for something that may take any time:
    // that is not time spent trying.
    void waited(MonotonicTime begin);
    // It works (again).
    void worked();
    // How long to pause before the next attempt; or, when `error` will not pass or the time is over,
    // the final error, which names `what` and for how long it was tried.
    Result<std::chrono::nanoseconds> failed(Error error, std::string_view what);

private:
    std::chrono::nanoseconds limit() const { return worked_before_ ? later_limit_ : first_limit_; }

    const Clock& clock_;
    const std::chrono::nanoseconds first_limit_;
    const std::chrono::nanoseconds later_limit_;
    bool worked_before_ = false;
    bool failing_ = false;
    std::optional<MonotonicTime> since_;
    Backoff backoff_;
};

}  // namespace millrace::client
