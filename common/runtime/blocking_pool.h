// SPDX-License-Identifier: Apache-2.0
//
// Where calls that block a thread go: RocksDB, directory walks, getaddrinfo. The result comes back
// to the executor of the coroutine that asked.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "common/base/unique_function.h"
#include "common/runtime/executor.h"
#include "common/runtime/signal.h"
#include "common/runtime/task.h"

namespace millrace {

class BlockingPool {
public:
    virtual ~BlockingPool() = default;

    // Runs `work` on some pool thread, in any order. Any thread. The queue is unbounded: who submits
    // bounds what it has outstanding.
    virtual void submit(UniqueFunction<void()> work) = 0;
};

// co_await run_blocking(pool, [copies] { return blocking_call(); })
// `work` runs on a pool thread and may touch only what it owns, which is gone when this returns; its result must not be void.
template <class F, class R = std::invoke_result_t<F&>>
Task<R> run_blocking(BlockingPool& pool, F work) {
    std::optional<R> result;
    co_await suspend([&pool, &result, &work](UniqueFunction<void()> resume) {
        // `result` lives in the awaiting frame, which stays as it is until resume().
        pool.submit([&result, work = std::move(work), resume = std::move(resume)]() mutable {
            {
                F mine = std::move(work);
                result.emplace(mine());
            }
            resume();
        });
    });
    co_return std::move(*result);
}

}  // namespace millrace
