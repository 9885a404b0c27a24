// SPDX-License-Identifier: Apache-2.0
//
// Proof that a container's owner was not replaced, for what it answers from memory: by the time such an answer leaves,
// a successor may have changed the fact. Everything that is asked for while one check is under way shares the next one.
// Thread rule: the container's executor. Lifetime: close() must have completed before destruction; the log outlives it.
#pragma once

#include <chrono>
#include <functional>

#include "common/base/result.h"
#include "common/base/strong_id.h"
#include "common/runtime/clock.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "segmentstore/log/durable_log.h"

namespace millrace::container {

// A check of ownership, by its number. OwnershipCheck{}: none, always passed.
using OwnershipCheck = StrongId<std::uint64_t, struct OwnershipCheckTag>;

class Ownership {
public:
    // After a check without a result, so long until the next.
    static constexpr std::chrono::milliseconds kRetry{100};

    struct Events {
        std::function<void()> confirmed;  // more checks have passed
        std::function<void(Error)> lost;  // at most once; no check passes any more
    };

    Ownership(Clock& clock, log::DurableLog& log, Events events);
    ~Ownership();

    void start(const Executor& executor);
    Task<void> close();

    // The check that proves what is known now: one that has not begun yet.
    OwnershipCheck ask();
    bool passed(OwnershipCheck check) const { return check <= passed_; }

private:
    Task<void> check_loop();

    Clock& clock_;
    log::DurableLog& log_;
    const Events events_;
    OwnershipCheck asked_;
    OwnershipCheck begun_;
    OwnershipCheck passed_;
    bool closed_ = false;
    Signal work_;
    Gate gate_;
};

}  // namespace millrace::container
