// SPDX-License-Identifier: Apache-2.0
//
// Crossing executors: run a coroutine on another executor and come back with its result.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "common/runtime/executor.h"
#include "common/runtime/task.h"

namespace millrace {

// auto result = co_await on(other, [values]() -> Task<Result<T>> {...})
// `start` and everything it captures run, and are destroyed, on `other`; the result, which must not be void, is moved
// here. Both executors keep running until then.
template <class F, class R = typename std::invoke_result_t<F&>::value_type>
Task<R> on(Executor other, F start) {
    std::optional<R> result;
    co_await suspend([&](UniqueFunction<void()> resume) {
        // `result` lives in the awaiting frame, which stays as it is until resume().
        spawn(other, [&result, start = std::optional<F>{std::move(start)},
                      resume = std::move(resume)]() mutable -> Task<void> {
            result.emplace(co_await (*start)());
            start.reset();
            resume();
        });
    });
    co_return std::move(*result);
}

}  // namespace millrace
