// SPDX-License-Identifier: Apache-2.0
//
// Runs the coroutine of a test to its end on an event loop of its own.
#pragma once

#include <utility>

#include "common/runtime/asio/asio_runtime.h"

namespace millrace::transport::testing {

// `body` is called with the runtime's bundle and lives until its coroutine has ended.
template <class Body>
void run(Body body) {
    AsioRuntime runtime{AsioRuntimeOptions{.seed = 1}};
    runtime.run_main([&runtime, &body]() -> Task<int> {
        co_await body(runtime.bundle());
        co_return 0;
    });
}

// Until `done` holds, lets everything else run.
template <class Condition>
Task<void> until(Condition done) {
    while (!done()) co_await yield();
}

}  // namespace millrace::transport::testing
