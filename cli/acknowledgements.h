// SPDX-License-Identifier: Apache-2.0
//
// Which events of an input are stored. Those of several segments are acknowledged in another order than they were
// written; who has to go on after a failure wants to know up to which one all of them are.
// Thread rule: any thread; one of them waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "client/bridge/mutex.h"

namespace millrace::cli {

class Acknowledgements {
public:
    // `passed_over`: events at the input's beginning that are not written, and count as stored.
    explicit Acknowledgements(std::uint64_t passed_over) : last_{passed_over} {}

    // The event with this number has ended: it was acknowledged, or nobody knows. Once for each event that is written.
    void ended(std::uint64_t number, bool acknowledged);

    struct Totals {
        std::uint64_t ended = 0;
        std::uint64_t acknowledged = 0;
        std::uint64_t all_up_to = 0;  // the events 1 .. this are stored, or were passed over
        std::uint64_t apart = 0;      // events behind that one that are kept in mind, a byte each
    };
    Totals totals() const;

    // Returns when so many have ended, or after `duration`.
    void wait_until_ended(std::uint64_t count, std::chrono::nanoseconds duration);

private:
    static constexpr std::uint64_t kNobodyWaits = ~std::uint64_t{0};

    mutable client::Mutex mutex_;
    client::Condition enough_;
    std::uint64_t awaited_ MR_GUARDED_BY(mutex_) = kNobodyWaits;
    std::uint64_t ended_ MR_GUARDED_BY(mutex_) = 0;
    std::uint64_t acknowledged_ MR_GUARDED_BY(mutex_) = 0;
    std::uint64_t last_ MR_GUARDED_BY(mutex_);
    // Of the events behind last_: which are acknowledged. Grows while one segment does not answer and others do; who writes
    // waits when it is too much.
    std::deque<bool> behind_ MR_GUARDED_BY(mutex_);
};

}  // namespace millrace::cli
