// SPDX-License-Identifier: Apache-2.0
//
// Posting and spawning: the one place that calls co_spawn.
#include "common/runtime/executor.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/runtime/rare.h"

namespace millrace {

namespace {

[[noreturn]] void coroutine_escaped(const std::exception_ptr& exception) {
    try {
        std::rethrow_exception(exception);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "millrace: an exception escaped from a coroutine: %s\n", e.what());
    } catch (...) {
        std::fprintf(stderr, "millrace: an exception of unknown type escaped from a coroutine\n");
    }
    std::abort();
}

}  // namespace

void post(const Executor& executor, UniqueFunction<void()> work) {
    boost::asio::post(executor, [work = std::move(work)]() mutable { work(); });
}

void spawn(const Executor& executor, UniqueFunction<Task<void>()> start) {
    // co_spawn dispatches, so on the executor's own thread it would run the coroutine's first part
    // inside this call; the post keeps callers free of that re-entrance.
    boost::asio::post(executor, [executor, start = std::move(start)]() mutable {
        boost::asio::co_spawn(
            executor,
            // co_spawn keeps this lambda, and so `start`, until the coroutine has ended.
            [start = std::move(start)]() mutable -> Task<void> {
                co_await boost::asio::this_coro::throw_if_cancelled(false);
                co_await start();
            },
            [](std::exception_ptr exception) {
                if (exception) coroutine_escaped(exception);
            });
    });
}

Task<Executor> this_executor() { co_return co_await boost::asio::this_coro::executor; }

Task<void> yield() {
    co_await boost::asio::post(boost::asio::use_awaitable);
    // Whoever else is ready may take more than one turn.
    if (MR_RARE("runtime.yields_twice")) co_await boost::asio::post(boost::asio::use_awaitable);
}

Task<void> suspend(UniqueFunction<void(UniqueFunction<void()> resume)> start) {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
        [](auto handler, UniqueFunction<void(UniqueFunction<void()>)> begin) {
            begin([handler = std::move(handler)]() mutable {
                auto executor = boost::asio::get_associated_executor(handler);
                boost::asio::post(executor, std::move(handler));
            });
        },
        boost::asio::use_awaitable, std::move(start));
}

}  // namespace millrace
