// SPDX-License-Identifier: Apache-2.0
//
// Carries out the intents of streams: one step after the other, one run a stream at a time, again
// and again with growing pauses while something is in the way. What is not finished when the process
// ends is found in the list of intents at the next start.
// Thread rule: one executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>

#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "controller/workflow/steps.h"

namespace millrace::controller::workflow {

// Runs that take steps at once; others wait their turn. One that pauses is not among them: streams
// that are held up hold up nobody else.
inline constexpr std::size_t kRunsAtOnce = 64;

class Engine {
public:
    Engine(Runtime runtime, store::StreamStore& store, segments::Segments& segments)
        : runtime_{runtime}, store_{store}, steps_{runtime, store, segments} {}

    // Starts a run for every stream with an intent.
    Task<Result<void>> resume();
    // Sees to it that the stream's intent, if it has one, is being carried out. Call it after storing one.
    void kick(StreamName name);
    // Kicks, and completes when the stream has no intent left. kTimedOut says what is in the way: the
    // run goes on. kClosed.
    Task<Result<void>> settled(StreamName name, Deadline deadline);

    // Ends what waits, as soon as its present step allows. Without waiting.
    void stop();
    Task<void> close();

private:
    struct Run {
        bool again = false;  // something may have been stored after the run last looked
        bool over = false;
        std::optional<Error> last_error;
        Signal ended;
    };

    std::shared_ptr<Run> start(StreamName name);
    Task<void> drive(StreamName name, std::shared_ptr<Run> run);
    // Gives the turn away meanwhile: the other one may need it.
    Task<void> wait_for(StreamName other);
    Task<void> take_turn();
    void end_turn();

    Runtime runtime_;
    store::StreamStore& store_;
    Steps steps_;
    std::map<StreamName, std::shared_ptr<Run>> runs_;
    std::size_t driving_ = 0;  // runs whose turn it is
    bool stopped_ = false;
    Signal turn_;
    Signal stopping_;
    Gate gate_;
};

}  // namespace millrace::controller::workflow
