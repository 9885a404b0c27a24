// SPDX-License-Identifier: Apache-2.0
//
// How a blocking public call gets to the client's executor and back.
// Thread rule: any thread except the one that runs the executor, which would wait for itself.
#pragma once

#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "client/bridge/mutex.h"
#include "common/base/result.h"
#include "common/runtime/executor.h"

namespace millrace::client {

// The client's executor and the thread that runs it.
struct Home {
    Executor executor;
    std::thread::id thread;

    bool is_here() const { return std::this_thread::get_id() == thread; }
};

// Runs `start` on the home executor and waits until it has ended.
// kFailedPrecondition when called on the home thread itself.
template <class T>
Result<T> block_on(const Home& home, UniqueFunction<Task<Result<T>>()> start) {
    if (home.is_here()) {
        return Error{ErrorCode::kFailedPrecondition,
                     "a blocking call on the client's own thread (from a callback) would wait for itself"};
    }
    struct Meeting {
        Mutex mutex;
        Condition arrived;
        std::optional<Result<T>> result MR_GUARDED_BY(mutex);
    };
    auto meeting = std::make_shared<Meeting>();
    spawn(home.executor, [meeting, start = std::move(start)]() mutable -> Task<void> {
        Result<T> result = co_await start();
        // What `start` captured is gone before the caller goes on.
        start = nullptr;
        const MutexLock lock{meeting->mutex};
        meeting->result.emplace(std::move(result));
        meeting->arrived.notify_all();
    });
    const MutexLock lock{meeting->mutex};
    while (!meeting->result) meeting->arrived.wait(meeting->mutex);
    return std::move(*meeting->result);
}

}  // namespace millrace::client
