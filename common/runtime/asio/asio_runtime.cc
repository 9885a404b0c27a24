// SPDX-License-Identifier: Apache-2.0
#include "common/runtime/asio/asio_runtime.h"

#include <pthread.h>
#include <sys/random.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/runtime/asio/asio_clock.h"
#include "common/runtime/asio/asio_network.h"
#include "common/runtime/asio/kernel_disk.h"
#include "common/runtime/asio/thread_pool.h"

namespace millrace {

namespace {

// More names than this are not looked up at once; a broken name server keeps each thread for long.
constexpr std::size_t kResolverThreads = 4;

std::uint64_t seed_from_kernel() {
    std::uint64_t seed = 0;
    MR_CHECK(::getrandom(&seed, sizeof seed, 0) == sizeof seed);
    return seed;
}

}  // namespace

struct AsioRuntime::Parts {
    explicit Parts(const AsioRuntimeOptions& options)
        : io{std::in_place, 1},
          work{io->get_executor()},
          clock{AsioClock::make(*io)},
          blocking_pool{"mr-blocking", options.blocking_threads},
          disk_pool{"mr-disk", options.disk_threads},
          remote_disk_pool{"mr-remote-disk", options.remote_disk_threads},
          resolver_pool{"mr-resolver", kResolverThreads},
          disk{make_kernel_disk(disk_pool)},
          remote_disk{make_kernel_disk(remote_disk_pool)},
          network{make_asio_network(*io, *clock, resolver_pool)},
          random{options.seed ? *options.seed : seed_from_kernel()} {}

    ~Parts() {
        io->stop();
        if (thread.joinable()) thread.join();
        // Blocking calls write into memory of coroutines that wait for them, so they end first.
        blocking_pool.close();
        disk_pool.close();
        remote_disk_pool.close();
        resolver_pool.close();
        clock->detach();
        work.reset();
        // Destroys the coroutines; their destructors may use all the rest.
        io.reset();
    }

    void run() {
        try {
            io->run();
        } catch (const std::exception& e) {
            std::fprintf(stderr, "millrace: an exception escaped to the event loop: %s\n", e.what());
            std::abort();
        }
    }

    std::optional<boost::asio::io_context> io;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
    std::unique_ptr<AsioClock> clock;
    ThreadPool blocking_pool;
    ThreadPool disk_pool;
    ThreadPool remote_disk_pool;
    ThreadPool resolver_pool;
    std::unique_ptr<Disk> disk;
    std::unique_ptr<Disk> remote_disk;
    std::unique_ptr<Network> network;
    SeededRandom random;
    std::thread thread;
};

AsioRuntime::AsioRuntime(AsioRuntimeOptions options) : parts_{std::make_unique<Parts>(options)} {}

AsioRuntime::~AsioRuntime() = default;

Runtime AsioRuntime::bundle() {
    return Runtime{executor(),      *parts_->clock,  *parts_->disk,
                   *parts_->network, parts_->random, parts_->blocking_pool, *parts_->remote_disk};
}

Executor AsioRuntime::executor() { return parts_->io->get_executor(); }

void AsioRuntime::run() { parts_->run(); }

int AsioRuntime::run_main(UniqueFunction<Task<int>()> main) {
    int result = 0;
    spawn(executor(), [this, &result, main = std::move(main)]() mutable -> Task<void> {
        result = co_await main();
        main = nullptr;
        stop();
    });
    run();
    return result;
}

void AsioRuntime::start_thread(std::string name) {
    MR_CHECK(!parts_->thread.joinable() && name.size() <= 15);
    parts_->thread = std::thread{[parts = parts_.get(), name = std::move(name)] {
        ::pthread_setname_np(::pthread_self(), name.c_str());
        parts->run();
    }};
}

void AsioRuntime::stop() { parts_->io->stop(); }

void AsioRuntime::join() {
    if (parts_->thread.joinable()) parts_->thread.join();
}

struct TerminationSignals::Set {
    explicit Set(boost::asio::io_context& io) : signals{io, SIGTERM, SIGINT} {}
    boost::asio::signal_set signals;
    bool cancelled = false;
};

TerminationSignals::TerminationSignals(AsioRuntime& runtime) : set_{std::make_unique<Set>(*runtime.parts_->io)} {}

TerminationSignals::~TerminationSignals() = default;

Task<std::optional<int>> TerminationSignals::wait() {
    if (set_->cancelled) co_return std::nullopt;
    auto [error, number] = co_await set_->signals.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (error) co_return std::nullopt;
    co_return number;
}

void TerminationSignals::cancel() {
    // A wait() that has been spawned but has not begun yet is cancelled too.
    set_->cancelled = true;
    set_->signals.cancel();
}

}  // namespace millrace
