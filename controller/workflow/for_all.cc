// SPDX-License-Identifier: Apache-2.0
#include "controller/workflow/for_all.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "common/runtime/executor.h"
#include "common/runtime/signal.h"

namespace millrace::controller::workflow {

namespace {

struct ForAllState {
    std::vector<std::string> items;
    std::function<Task<Result<void>>(std::string)> act;
    std::size_t next = 0;
    std::size_t running = 0;
    std::optional<Error> error;
    Signal ended;
};

}  // namespace

Task<Result<void>> for_all(std::vector<std::string> items, std::function<Task<Result<void>>(std::string)> act) {
    auto state = std::make_shared<ForAllState>();
    state->items = std::move(items);
    state->act = std::move(act);
    state->running = std::min(kSegmentsAtOnce, state->items.size());
    const Executor executor = co_await this_executor();
    // Joined below, so they end before whoever owns this coroutine does.
    for (std::size_t i = 0; i < state->running; ++i) {
        spawn(executor, [state]() -> Task<void> {
            while (state->next < state->items.size() && !state->error) {
                const std::size_t mine = state->next++;
                Result<void> result = co_await state->act(state->items[mine]);
                if (!result && !state->error) state->error = std::move(result).error();
            }
            if (--state->running == 0) state->ended.notify_all();
        });
    }
    while (state->running > 0) co_await state->ended.wait();
    if (state->error) co_return *state->error;
    co_return ok();
}

}  // namespace millrace::controller::workflow
