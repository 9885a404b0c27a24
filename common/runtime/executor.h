// SPDX-License-Identifier: Apache-2.0
//
// An Executor runs what is posted to it, one thing at a time. A shard is one thread that runs one
// executor; code sees the executor and nothing of threads.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "common/base/unique_function.h"
#include "common/runtime/task.h"

namespace millrace {

using Executor = boost::asio::any_io_executor;

// Runs `work` on the executor later, never inside this call. Any thread.
void post(const Executor& executor, UniqueFunction<void()> work);

// Starts a root coroutine on the executor, later, never inside this call; `start` lives until the
// coroutine has ended, so a capturing lambda is safe. An exception that escapes is a bug: it is printed and the process
// aborts. Any thread. Prefer Gate::spawn, which lets the owner wait for the end.
void spawn(const Executor& executor, UniqueFunction<Task<void>()> start);

// The executor that this coroutine runs on.
Task<Executor> this_executor();

// Lets everything else that is ready on this executor run first.
Task<void> yield();

// Suspends this coroutine and passes its continuation to `start`, which runs at once. Calling the
// continuation, once and from any thread, resumes the coroutine through its executor; destroying it
// uncalled destroys the coroutine. Until then the coroutine's frame may be written through references.
Task<void> suspend(UniqueFunction<void(UniqueFunction<void()> resume)> start);

}  // namespace millrace
