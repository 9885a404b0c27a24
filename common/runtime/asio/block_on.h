// SPDX-License-Identifier: Apache-2.0
//
// From a thread without an executor into one and back: for tests and for blocking faces of libraries.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "common/runtime/asio/mutex.h"
#include "common/runtime/executor.h"
#include "common/runtime/task.h"

namespace millrace {

// Runs the coroutine on `executor` and blocks the calling thread, which must not be the executor's,
// until it has ended. Its result must not be void. The executor keeps running until then.
template <class F, class R = typename std::invoke_result_t<F&>::value_type>
R block_on(const Executor& executor, F start) {
    struct {
        Mutex mutex;
        ConditionVariable set;
        std::optional<R> result MR_GUARDED_BY(mutex);
    } done;
    spawn(executor, [&done, start = std::optional<F>{std::move(start)}]() mutable -> Task<void> {
        R result = co_await (*start)();
        start.reset();
        const MutexLock lock{done.mutex};
        done.result.emplace(std::move(result));
        // Inside the lock: once it is free, `done` may be gone.
        done.set.notify_one();
    });
    const MutexLock lock{done.mutex};
    while (!done.result) done.set.wait(done.mutex);
    return std::move(*done.result);
}

}  // namespace millrace
