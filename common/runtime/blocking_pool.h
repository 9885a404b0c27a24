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
// `work` runs on a pool thread and may touch only what it owns; its result must not be void.
template <class F, class R = std::invoke_result_t<F&>>
Task<R> run_blocking(BlockingPool& pool, F work) {
    const Executor home = co_await this_executor();
    OneShot<R> done;
    pool.submit([&done, &home, work = std::move(work)]() mutable {
        // `done` and `home` live in the awaiting frame, which resumes only after set().
        auto result = std::make_shared<R>(work());
        post(home, [&done, result] { done.set(std::move(*result)); });
    });
    co_return co_await done.wait();
}

}  // namespace millrace
