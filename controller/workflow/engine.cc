// SPDX-License-Identifier: Apache-2.0
#include "controller/workflow/engine.h"

#include <algorithm>

#include "common/telemetry/log.h"

namespace millrace::controller::workflow {

namespace {

constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::milliseconds kLongestPause{2000};
// A run that was in the way this often is worth a line in the log.
constexpr int kPausesBeforeWarning = 5;

}  // namespace

Task<Result<void>> Engine::resume() {
    MR_CO_TRY(const std::vector<StreamName> streams, co_await store_.unfinished());
    for (const StreamName& name : streams) {
        MR_LOG_INFO("workflow resumed", {"stream", name.to_string()});
        kick(name);
    }
    co_return ok();
}

void Engine::kick(StreamName name) { start(std::move(name)); }

std::shared_ptr<Engine::Run> Engine::start(StreamName name) {
    std::shared_ptr<Run>& run = runs_[name];
    if (run) {
        run->again = true;
        return run;
    }
    run = std::make_shared<Run>();
    const std::shared_ptr<Run> started = run;
    if (gate_.closed()) {
        runs_.erase(name);
        started->over = true;
        return started;
    }
    gate_.spawn(runtime_.executor, [this, name, started]() -> Task<void> {
        co_await take_turn();
        co_await drive(name, started);
        end_turn();
        runs_.erase(name);
        started->over = true;
        started->ended.notify_all();
    });
    return started;
}

Task<void> Engine::take_turn() {
    while (driving_ >= kRunsAtOnce && !stopped_) co_await turn_.wait();
    ++driving_;
}

void Engine::end_turn() {
    --driving_;
    turn_.notify_one();
}

// It is the run's turn at the begin and at the end.
Task<void> Engine::drive(StreamName name, std::shared_ptr<Run> run) {
    std::chrono::milliseconds pause = kFirstPause;
    int pauses = 0;
    while (!stopped_) {
        run->again = false;
        const Result<Progress> progress = co_await steps_.next(name);
        if (progress) {
            pause = kFirstPause;
            pauses = 0;
            run->last_error.reset();
            if (progress->done && !run->again) co_return;
            if (progress->after) co_await wait_for(*progress->after);
            continue;
        }
        run->last_error = progress.error();
        if (++pauses % kPausesBeforeWarning == 0) {
            MR_LOG_WARN("workflow is held up", {"stream", name.to_string()}, {"by", progress.error().to_string()});
        }
        if (stopped_) co_return;
        const auto jitter = std::chrono::milliseconds{runtime_.random.between(0, static_cast<std::uint64_t>(pause.count()))};
        end_turn();
        co_await stopping_.wait_until(runtime_.clock, runtime_.clock.now() + pause + jitter / 2);
        co_await take_turn();
        pause = std::min(pause * 2, kLongestPause);
    }
}

Task<void> Engine::wait_for(StreamName other) {
    const std::shared_ptr<Run> run = start(std::move(other));
    end_turn();
    while (!run->over && !stopped_) co_await run->ended.wait();
    co_await take_turn();
}

Task<Result<void>> Engine::settled(StreamName name, Deadline deadline) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    const std::shared_ptr<Run> run = start(name);
    while (!run->over) {
        const bool notified = co_await run->ended.wait_until(runtime_.clock, deadline.when());
        if (stopped_) break;
        if (!notified && !run->over) {
            std::string detail = "the change of stream '" + name.to_string() + "' is still under way";
            if (run->last_error) detail += "; held up by " + run->last_error->to_string();
            co_return Error{ErrorCode::kTimedOut, std::move(detail), Fate::kUnknown};
        }
    }
    if (stopped_) {
        co_return Error{ErrorCode::kClosed, "the controller is shutting down; the change of stream '" +
                                                name.to_string() + "' goes on when it is back", Fate::kUnknown};
    }
    co_return ok();
}

void Engine::stop() {
    stopped_ = true;
    gate_.shut();
    stopping_.notify_all();
    turn_.notify_all();
    for (auto& [name, run] : runs_) run->ended.notify_all();
}

Task<void> Engine::close() {
    stop();
    co_await gate_.close();
}

}  // namespace millrace::controller::workflow
