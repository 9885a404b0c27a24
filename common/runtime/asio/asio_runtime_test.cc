// SPDX-License-Identifier: Apache-2.0
//
// Threads, timers and the life of a runtime.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "common/runtime/asio/thread_pool.h"
#include "common/runtime/crossing.h"
#include "common/runtime/gate.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;

class Latch {
public:
    void open() {
        const MutexLock lock{mutex_};
        open_ = true;
        opened_.notify_all();
    }
    void wait() {
        const MutexLock lock{mutex_};
        while (!open_) opened_.wait(mutex_);
    }

private:
    Mutex mutex_;
    ConditionVariable opened_;
    bool open_ MR_GUARDED_BY(mutex_) = false;
};

TEST(ThreadPool, RunsEverythingBeforeItCloses) {
    std::atomic<int> runs = 0;
    {
        ThreadPool pool{"test", 3};
        for (int i = 0; i < 1000; ++i) pool.submit([&runs] { ++runs; });
    }
    EXPECT_EQ(runs, 1000);
}

TEST(ThreadPool, BusyThreadDoesNotDelayOthers) {
    ThreadPool pool{"test", 2};
    Latch first_runs;
    Latch second_ran;
    pool.submit([&] {
        first_runs.open();
        second_ran.wait();
    });
    first_runs.wait();
    pool.submit([&] { second_ran.open(); });
    pool.close();
}

TEST(ThreadPool, DropsWhatComesAfterClose) {
    ThreadPool pool{"test", 1};
    pool.close();
    auto owned = std::make_shared<int>(1);
    pool.submit([owned] { ADD_FAILURE() << "ran after close"; });
    EXPECT_EQ(owned.use_count(), 1);
}

TEST(AsioRuntime, RunMainReturnsTheResult) {
    AsioRuntime runtime;
    const Runtime bundle = runtime.bundle();
    EXPECT_EQ(runtime.run_main([&]() -> Task<int> {
        co_await sleep_for(bundle.clock, 1ms);
        co_return 7;
    }), 7);
}

TEST(AsioRuntime, BlockingWorkComesBackToTheShard) {
    AsioRuntime runtime;
    runtime.start_thread("shard");
    const Runtime bundle = runtime.bundle();
    const bool right = block_on(runtime.executor(), [&]() -> Task<bool> {
        const auto shard = std::this_thread::get_id();
        const auto worker = co_await run_blocking(bundle.blocking, [] { return std::this_thread::get_id(); });
        co_return worker != shard && std::this_thread::get_id() == shard;
    });
    EXPECT_TRUE(right);
}

// A directory's lock, say, must not be held by work that has been waited for.
TEST(AsioRuntime, WhatBlockingWorkOwnsIsGoneWhenItReturns) {
    AsioRuntime runtime;
    const Runtime bundle = runtime.bundle();
    const int left = runtime.run_main([&bundle]() -> Task<int> {
        int still_there = 0;
        for (int i = 0; i < 2000; ++i) {
            auto owned = std::make_shared<int>(i);
            const std::weak_ptr<int> seen = owned;
            (void)co_await run_blocking(bundle.blocking, [owned = std::move(owned)] { return *owned; });
            if (!seen.expired()) ++still_there;
        }
        co_return still_there;
    });
    EXPECT_EQ(left, 0);
}

// Opening a FIFO that nobody writes hangs as a file system that went away does.
TEST(AsioRuntime, WhatHangsOnTheRemoteDiskDoesNotHoldUpTheOther) {
    const std::string fifo = ::testing::TempDir() + "millrace-fifo-" + std::to_string(::getpid());
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    AsioRuntimeOptions options;
    options.remote_disk_threads = 2;
    AsioRuntime asio{options};
    const int result = asio.run_main([&]() -> Task<int> {
        const Runtime runtime = asio.bundle();
        Gate hanging;
        for (int i = 0; i < 4; ++i) {
            hanging.spawn(runtime.executor, [&]() -> Task<void> { (void)co_await runtime.remote_disk.open(fifo, OpenOptions{}); });
        }
        const auto names = co_await runtime.disk.list(::testing::TempDir());
        // Lets them go: two at a time wait for a writer.
        while (hanging.inside() > 0) {
            const int writer = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
            co_await run_blocking(runtime.blocking, [] { return 0; });
            if (writer >= 0) ::close(writer);
        }
        co_await hanging.close();
        co_return names.ok() ? 7 : 1;
    });
    EXPECT_EQ(result, 7);
    ::unlink(fifo.c_str());
}

TEST(AsioRuntime, SeedsAreReproducibleAndOtherwiseDiffer) {
    AsioRuntime a{{.seed = 5}};
    AsioRuntime b{{.seed = 5}};
    AsioRuntime c;
    AsioRuntime d;
    EXPECT_EQ(a.bundle().random.next(), b.bundle().random.next());
    EXPECT_NE(c.bundle().random.next(), d.bundle().random.next());
}

TEST(AsioRuntime, DestructionDestroysWhatStillWaits) {
    auto owned = std::make_shared<int>(1);
    // The pool's thread may still be at them when the runtime goes.
    Latch all_wait;
    Latch release;
    {
        AsioRuntime runtime;
        const Runtime bundle = runtime.bundle();
        runtime.start_thread("shard");
        spawn(runtime.executor(), [&bundle, owned]() -> Task<void> {
            const auto hold = owned;
            auto listener = co_await bundle.network.listen(Endpoint{"127.0.0.1", 0});
            MR_CHECK(listener.ok());
            (void)co_await listener.value()->accept();
        });
        spawn(runtime.executor(), [&bundle, owned]() -> Task<void> {
            const auto hold = owned;
            co_await sleep_for(bundle.clock, 1h);
        });
        spawn(runtime.executor(), [&bundle, &release, &all_wait, owned]() -> Task<void> {
            const auto hold = owned;
            (void)co_await run_blocking(bundle.blocking, [&release, &all_wait] {
                all_wait.open();
                release.wait();
                return true;
            });
        });
        all_wait.wait();
        release.open();
        EXPECT_GT(owned.use_count(), 1);
    }
    EXPECT_EQ(owned.use_count(), 1);
}

TEST(AsioRuntime, TerminationSignalsAreCaughtAndCancelled) {
    AsioRuntime runtime;
    const int caught = runtime.run_main([&]() -> Task<int> {
        TerminationSignals signals{runtime};
        ::raise(SIGTERM);
        const auto first = co_await signals.wait();
        ::raise(SIGINT);
        const auto second = co_await signals.wait();
        post(runtime.executor(), [&signals] { signals.cancel(); });
        const auto cancelled = co_await signals.wait();
        EXPECT_FALSE(cancelled.has_value());
        // Who begins to wait only now would wait for ever.
        const auto late = co_await signals.wait();
        EXPECT_FALSE(late.has_value());
        co_return first.value_or(0) * 100 + second.value_or(0);
    });
    EXPECT_EQ(caught, SIGTERM * 100 + SIGINT);
}

TEST(AsioRuntime, ShardsCrossIntoEachOther) {
    AsioRuntime a;
    AsioRuntime b;
    a.start_thread("a");
    b.start_thread("b");
    const int sum = block_on(a.executor(), [&]() -> Task<int> {
        int total = 0;
        for (int i = 0; i < 100; ++i) {
            total += co_await on(b.executor(), [i]() -> Task<int> { co_return i; });
        }
        co_return total;
    });
    EXPECT_EQ(sum, 4950);
}

class AsioClockTest : public testing::Test {
protected:
    AsioClockTest() { runtime_.start_thread("shard"); }

    AsioRuntime runtime_;
    Clock& clock_ = runtime_.bundle().clock;
};

TEST_F(AsioClockTest, NeverFiresEarlyAndKeepsTheOrder) {
    std::vector<int> order;
    const bool early = block_on(runtime_.executor(), [&]() -> Task<bool> {
        const MonotonicTime start = clock_.now();
        bool too_early = false;
        Signal fired;
        for (const int ms : {5, 1, 3, 2, 4}) {
            clock_.schedule(start + ms * 1ms, runtime_.executor(), [&, ms, start] {
                too_early |= clock_.now() < start + ms * 1ms;
                order.push_back(ms);
                fired.notify_all();
            });
        }
        while (order.size() < 5) co_await fired.wait();
        co_return too_early;
    });
    EXPECT_FALSE(early);
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4, 5}));
}

TEST_F(AsioClockTest, CancelOnItsExecutorPreventsEvenADueTimer) {
    const bool fired = block_on(runtime_.executor(), [&]() -> Task<bool> {
        bool unwanted = false;
        const MonotonicTime due = clock_.now() + 1ms;
        // The first timer to fire cancels the other, which is due and queued by then.
        std::vector<Clock::TimerId> timers;
        Signal one_fired;
        int count = 0;
        for (int i = 0; i < 2; ++i) {
            timers.push_back(clock_.schedule(due, runtime_.executor(), [&, i] {
                ++count;
                clock_.cancel(timers[static_cast<std::size_t>(1 - i)]);
                one_fired.notify_all();
            }));
        }
        while (count == 0) co_await one_fired.wait();
        co_await sleep_for(clock_, 2ms);
        unwanted = count != 1;
        clock_.cancel(timers[0]);
        clock_.cancel(0);
        co_return unwanted;
    });
    EXPECT_FALSE(fired);
}

TEST_F(AsioClockTest, ManyCancelledTimersLeaveOthersAlone) {
    const int fired = block_on(runtime_.executor(), [&]() -> Task<int> {
        int count = 0;
        Signal done;
        for (int i = 0; i < 20000; ++i) {
            const auto id = clock_.schedule(clock_.now() + 1h, runtime_.executor(), [] { ADD_FAILURE(); });
            if (i % 1000 == 0) {
                clock_.schedule(clock_.now() + 1ms, runtime_.executor(), [&] {
                    ++count;
                    done.notify_all();
                });
            }
            clock_.cancel(id);
        }
        while (count < 20) co_await done.wait();
        co_return count;
    });
    EXPECT_EQ(fired, 20);
}

TEST_F(AsioClockTest, SchedulesFromAnyThreadOntoAnyExecutor) {
    AsioRuntime other;
    other.start_thread("other");
    std::atomic<int> fired = 0;
    Latch all;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                const Executor to = t % 2 == 0 ? other.executor() : runtime_.executor();
                clock_.schedule(clock_.now() + (50 - i) * 50us, to, [&] {
                    if (++fired == 200) all.open();
                });
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    all.wait();
    EXPECT_EQ(fired, 200);
}

TEST_F(AsioClockTest, WallTimeIsUtcNow) {
    const auto now = std::chrono::system_clock::now();
    EXPECT_LT(std::chrono::abs(clock_.wall_now() - now), 10s);
}

}  // namespace
}  // namespace millrace
