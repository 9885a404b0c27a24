// SPDX-License-Identifier: Apache-2.0
//
// Sees to the retention of every stream that has a policy, once in a period, many streams at once. A stream that fails is
// counted and waits for the next period; the others do not notice. What is in the way is said once in a while.
// Thread rule: one executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "controller/retention/keeper.h"

namespace millrace::controller::retention {

class Retention {
public:
    Retention(Runtime runtime, store::StreamStore& store, segments::Segments& segments, workflow::Engine& engine)
        : runtime_{runtime}, store_{store}, keeper_{runtime, store, segments, engine} {}

    // The first round begins at once, the others a period after the one before, or when that has ended.
    void start(std::chrono::nanoseconds period);
    // Over all streams once.
    Task<void> round();

    // Ends a round as soon as its present streams allow. Without waiting.
    void stop();
    Task<void> close();

private:
    // What became of a round.
    struct Tally {
        std::size_t streams = 0;
        std::size_t failed = 0;
        std::optional<std::string> first_failed;
        std::optional<Error> error;
    };

    Task<Result<void>> keep_all(std::shared_ptr<Tally> tally);
    Task<void> keep_some(std::vector<StreamName> streams, std::shared_ptr<Tally> tally);
    void tell(const Tally& tally, const Result<void>& listed);

    Runtime runtime_;
    store::StreamStore& store_;
    Keeper keeper_;
    RetentionMetrics metrics_;
    MonotonicTime quiet_until_{};  // no warning before
    bool stopped_ = false;
    Signal stopping_;
    Gate gate_;
};

}  // namespace millrace::controller::retention
