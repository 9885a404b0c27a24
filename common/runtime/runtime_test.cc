// SPDX-License-Identifier: Apache-2.0
//
// The coroutine helpers on one thread, with a clock that the test moves by hand.
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "common/runtime/blocking_pool.h"
#include "common/runtime/crossing.h"
#include "common/runtime/gate.h"
#include "common/runtime/permits.h"
#include "common/runtime/signal.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;

class HandClock final : public Clock {
public:
    MonotonicTime now() const override { return now_; }
    WallTime wall_now() const override { return WallTime{}; }
    TimerId schedule(MonotonicTime when, Executor executor, UniqueFunction<void()> fire) override {
        timers_.emplace(++last_id_, Timer{when, std::move(executor), std::move(fire)});
        return last_id_;
    }
    void cancel(TimerId timer) override { timers_.erase(timer); }

    void advance(std::chrono::nanoseconds by) {
        now_ += by;
        for (auto it = timers_.begin(); it != timers_.end();) {
            if (it->second.when > now_) {
                ++it;
                continue;
            }
            post(it->second.executor, std::move(it->second.fire));
            it = timers_.erase(it);
        }
    }
    std::size_t pending() const { return timers_.size(); }

private:
    struct Timer {
        MonotonicTime when;
        Executor executor;
        UniqueFunction<void()> fire;
    };
    MonotonicTime now_{};
    TimerId last_id_ = 0;
    std::map<TimerId, Timer> timers_;
};

struct NoteOnDestruction {
    explicit NoteOnDestruction(bool& note) : note_{&note} {}
    NoteOnDestruction(NoteOnDestruction&& other) noexcept : note_{std::exchange(other.note_, nullptr)} {}
    ~NoteOnDestruction() {
        if (note_ != nullptr) *note_ = true;
    }
    bool* note_;
};

class RuntimeTest : public testing::Test {
protected:
    void settle() {
        io_.restart();
        io_.poll();
    }

    boost::asio::io_context io_{1};
    Executor executor_ = io_.get_executor();
    HandClock clock_;
    std::vector<std::string> events_;
};

using ExecutorTest = RuntimeTest;
using SignalTest = RuntimeTest;
using GateTest = RuntimeTest;
using PermitsTest = RuntimeTest;
using CrossingTest = RuntimeTest;

TEST_F(ExecutorTest, PostAndSpawnNeverRunInsideTheCall) {
    post(executor_, [this] {
        post(executor_, [this] { events_.push_back("posted"); });
        spawn(executor_, [this]() -> Task<void> {
            events_.push_back("spawned");
            co_return;
        });
        events_.push_back("caller");
    });
    settle();
    EXPECT_EQ(events_, (std::vector<std::string>{"caller", "posted", "spawned"}));
}

TEST_F(ExecutorTest, CapturesLiveUntilTheCoroutineEnds) {
    bool gone = false;
    Signal go;
    spawn(executor_, [this, &gone, &go, text = std::string(100, 'x'), note = NoteOnDestruction{gone}]() -> Task<void> {
        co_await go.wait();
        events_.push_back(text);
        EXPECT_FALSE(gone);
    });
    settle();
    EXPECT_FALSE(gone);
    go.notify_all();
    settle();
    EXPECT_EQ(events_, (std::vector<std::string>{std::string(100, 'x')}));
    EXPECT_TRUE(gone);
}

TEST_F(ExecutorTest, YieldLetsOthersRunFirst) {
    spawn(executor_, [this]() -> Task<void> {
        post(executor_, [this] { events_.push_back("other"); });
        co_await yield();
        events_.push_back("after");
        EXPECT_TRUE(co_await this_executor() == executor_);
    });
    settle();
    EXPECT_EQ(events_, (std::vector<std::string>{"other", "after"}));
}

TEST_F(ExecutorTest, EscapingExceptionAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            spawn(executor_, []() -> Task<void> {
                throw std::runtime_error{"boom"};
                co_return;
            });
            settle();
        },
        "escaped from a coroutine: boom");
}

TEST_F(SignalTest, NotifyWakesOldestFirstAndHasNoMemory) {
    Signal signal;
    signal.notify_all();
    for (const std::string name : {"a", "b", "c"}) {
        spawn(executor_, [this, &signal, name]() -> Task<void> {
            co_await signal.wait();
            events_.push_back(name);
        });
    }
    settle();
    EXPECT_EQ(signal.waiting(), 3u);
    EXPECT_TRUE(events_.empty());
    signal.notify_one();
    EXPECT_TRUE(events_.empty()) << "resumed inside notify";
    settle();
    EXPECT_EQ(events_, (std::vector<std::string>{"a"}));
    signal.notify_all();
    settle();
    EXPECT_EQ(events_, (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(SignalTest, WaitAgainAfterNotifyAllWaitsForTheNext) {
    Signal signal;
    int wakes = 0;
    spawn(executor_, [&signal, &wakes]() -> Task<void> {
        for (int i = 0; i < 2; ++i) {
            co_await signal.wait();
            ++wakes;
        }
    });
    settle();
    signal.notify_all();
    settle();
    EXPECT_EQ(wakes, 1);
    signal.notify_all();
    settle();
    EXPECT_EQ(wakes, 2);
}

TEST_F(SignalTest, WaitUntilTellsNotifyFromTimeout) {
    Signal signal;
    std::vector<bool> results;
    for (int i = 0; i < 2; ++i) {
        spawn(executor_, [&, this]() -> Task<void> {
            results.push_back(co_await signal.wait_until(clock_, clock_.now() + 1s));
        });
    }
    settle();
    signal.notify_one();
    settle();
    EXPECT_EQ(clock_.pending(), 1u) << "the timer of a notified waiter stays";
    clock_.advance(2s);
    settle();
    EXPECT_EQ(results, (std::vector<bool>{true, false}));
    EXPECT_EQ(signal.waiting(), 0u);
}

TEST_F(SignalTest, TimerThatFiresAfterNotifyIsHarmless) {
    Signal signal;
    std::vector<bool> results;
    spawn(executor_, [&, this]() -> Task<void> {
        results.push_back(co_await signal.wait_until(clock_, clock_.now() + 1s));
        results.push_back(co_await signal.wait_until(clock_, clock_.now() + 1s));
    });
    settle();
    clock_.advance(1s);   // the timer's function is queued now
    signal.notify_all();  // but the notification comes first
    settle();
    EXPECT_EQ(results, (std::vector<bool>{true}));
    EXPECT_EQ(signal.waiting(), 1u);
    clock_.advance(1s);
    settle();
    EXPECT_EQ(results, (std::vector<bool>{true, false}));
}

TEST_F(SignalTest, NotifyAfterTheTimerFiredWakesNobodyTwice) {
    Signal signal;
    int wakes = 0;
    spawn(executor_, [&, this]() -> Task<void> {
        co_await signal.wait_until(clock_, clock_.now() + 1s);
        ++wakes;
    });
    settle();
    clock_.advance(1s);
    post(executor_, [&signal] { signal.notify_all(); });
    settle();
    EXPECT_EQ(wakes, 1);
}

TEST_F(SignalTest, DeadlineThatNeverComesNeedsNoTimer) {
    Signal signal;
    bool notified = false;
    spawn(executor_, [&, this]() -> Task<void> {
        notified = co_await signal.wait_until(clock_, MonotonicTime::max());
    });
    settle();
    EXPECT_EQ(clock_.pending(), 0u);
    signal.notify_all();
    settle();
    EXPECT_TRUE(notified);
}

TEST_F(SignalTest, DestructorDestroysWaitersWithoutResuming) {
    bool destroyed = false;
    bool resumed = false;
    auto signal = std::make_unique<Signal>();
    for (const bool timed : {false, true}) {
        spawn(executor_, [&, this, timed, s = signal.get(), note = NoteOnDestruction{destroyed}]() -> Task<void> {
            if (timed) co_await s->wait_until(clock_, clock_.now() + 1s);
            else co_await s->wait();
            resumed = true;
        });
    }
    settle();
    signal.reset();
    settle();
    EXPECT_TRUE(destroyed);
    clock_.advance(1s);
    settle();
    EXPECT_FALSE(resumed);
}

TEST_F(SignalTest, OneShotGivesItsValueBeforeOrAfter) {
    OneShot<std::unique_ptr<int>> early;
    OneShot<int> late;
    OneShot<int> missed;
    int sum = 0;
    bool timed_out = false;
    early.set(std::make_unique<int>(1));
    spawn(executor_, [&, this]() -> Task<void> {
        sum += *co_await early.wait();
        sum += co_await late.wait();
        timed_out = !(co_await missed.wait_until(clock_, clock_.now() + 1s)).has_value();
    });
    settle();
    late.set(10);
    late.set(100);
    settle();
    EXPECT_EQ(sum, 11);
    clock_.advance(1s);
    settle();
    EXPECT_TRUE(timed_out);
}

TEST_F(SignalTest, SleepEndsAtItsTimeAndNotBefore) {
    spawn(executor_, [this]() -> Task<void> {
        co_await sleep_for(clock_, 10ms);
        events_.push_back("10");
        co_await sleep_until(clock_, clock_.now());
        events_.push_back("at once");
    });
    settle();
    clock_.advance(9ms);
    settle();
    EXPECT_TRUE(events_.empty());
    clock_.advance(1ms);
    settle();
    clock_.advance(0ms);
    settle();
    EXPECT_EQ(events_, (std::vector<std::string>{"10", "at once"}));
}

TEST_F(GateTest, CloseWaitsForTheLastAndRefusesNewcomers) {
    Gate gate;
    Signal go;
    bool closed = false;
    gate.spawn(executor_, [&]() -> Task<void> {
        co_await go.wait();
        events_.push_back("work done");
    });
    auto pass = gate.enter();
    ASSERT_TRUE(pass.ok());
    EXPECT_EQ(gate.inside(), 2u);
    spawn(executor_, [&]() -> Task<void> {
        co_await gate.close();
        closed = true;
    });
    settle();
    EXPECT_FALSE(closed);
    EXPECT_TRUE(gate.closed());
    EXPECT_TRUE(gate.enter().error().is(ErrorCode::kClosed));
    gate.spawn(executor_, [&]() -> Task<void> {
        events_.push_back("must not run");
        co_return;
    });
    go.notify_all();
    settle();
    EXPECT_FALSE(closed);
    {
        const Gate::Pass last = std::move(pass).value();
        settle();
        EXPECT_FALSE(closed);
    }
    settle();
    EXPECT_TRUE(closed);
    EXPECT_EQ(events_, (std::vector<std::string>{"work done"}));
}

TEST_F(GateTest, CloseOfAnEmptyGateAndASecondCloseComplete) {
    Gate gate;
    int closed = 0;
    spawn(executor_, [&]() -> Task<void> {
        co_await gate.close();
        co_await gate.close();
        ++closed;
    });
    settle();
    EXPECT_EQ(closed, 1);
}

TEST_F(GateTest, CapturesOfASpawnedCoroutineGoBeforeItsPass) {
    Gate gate;
    struct LooksAtGate {
        LooksAtGate(Gate& gate, std::size_t& seen) : gate_{&gate}, seen_{&seen} {}
        LooksAtGate(LooksAtGate&& other) noexcept : gate_{std::exchange(other.gate_, nullptr)}, seen_{other.seen_} {}
        ~LooksAtGate() {
            if (gate_ != nullptr) *seen_ = gate_->inside();
        }
        Gate* gate_;
        std::size_t* seen_;
    };
    std::size_t seen = 99;
    gate.spawn(executor_, [capture = LooksAtGate{gate, seen}]() -> Task<void> { co_return; });
    settle();
    EXPECT_EQ(seen, 1u);
    EXPECT_EQ(gate.inside(), 0u);
}

TEST_F(PermitsTest, WhoComesWhenAllAreGivenWaitsForTheNext) {
    Permits permits{2};
    Signal go;
    for (const char* name : {"a", "b", "c", "d"}) {
        spawn(executor_, [this, &permits, &go, name]() -> Task<void> {
            const Permits::Permit permit = co_await permits.take();
            events_.push_back(name);
            co_await go.wait();
        });
    }
    settle();
    EXPECT_EQ(events_, (std::vector<std::string>{"a", "b"}));
    go.notify_one();
    settle();
    EXPECT_EQ(events_, (std::vector<std::string>{"a", "b", "c"}));
    go.notify_all();
    settle();
    EXPECT_EQ(events_, (std::vector<std::string>{"a", "b", "c", "d"}));
    go.notify_all();
    settle();
}

TEST_F(PermitsTest, WhoComesAgainDoesNotGetAheadOfWhoWaits) {
    Permits permits{1};
    Signal go;
    spawn(executor_, [&]() -> Task<void> {
        {
            const Permits::Permit permit = co_await permits.take();
            co_await go.wait();
        }
        // Before who waits can have run.
        const Permits::Permit again = co_await permits.take();
        events_.push_back("came again");
    });
    spawn(executor_, [&]() -> Task<void> {
        const Permits::Permit permit = co_await permits.take();
        events_.push_back("waited");
    });
    settle();
    EXPECT_TRUE(events_.empty());
    go.notify_all();
    settle();
    EXPECT_EQ(events_, (std::vector<std::string>{"waited", "came again"}));
}

TEST_F(CrossingTest, RunsThereAndComesBack) {
    boost::asio::io_context other_io{1};
    const Executor other = other_io.get_executor();
    int result = 0;
    spawn(executor_, [&]() -> Task<void> {
        result = co_await on(other, [this, other, add = std::make_unique<int>(41)]() -> Task<int> {
            EXPECT_TRUE(co_await this_executor() == other);
            events_.push_back("there");
            co_return *add + 1;
        });
        EXPECT_TRUE(co_await this_executor() == executor_);
    });
    settle();
    EXPECT_TRUE(events_.empty());
    other_io.poll();
    EXPECT_EQ(result, 0);
    settle();
    EXPECT_EQ(result, 42);
}

TEST_F(ExecutorTest, DestroyedContinuationDestroysTheCoroutine) {
    bool destroyed = false;
    UniqueFunction<void()> kept;
    spawn(executor_, [&kept, note = NoteOnDestruction{destroyed}]() -> Task<void> {
        co_await suspend([&kept](UniqueFunction<void()> resume) { kept = std::move(resume); });
        ADD_FAILURE() << "resumed";
    });
    settle();
    EXPECT_FALSE(destroyed);
    kept = nullptr;
    settle();
    EXPECT_TRUE(destroyed);
}

TEST_F(CrossingTest, BlockingWorkReturnsItsResult) {
    class LaterPool final : public BlockingPool {
    public:
        void submit(UniqueFunction<void()> work) override { work_.push_back(std::move(work)); }
        std::vector<UniqueFunction<void()>> work_;
    };
    LaterPool pool;
    std::unique_ptr<int> result;
    spawn(executor_, [&]() -> Task<void> {
        result = co_await run_blocking(pool, [] { return std::make_unique<int>(5); });
    });
    settle();
    ASSERT_EQ(pool.work_.size(), 1u);
    EXPECT_EQ(result, nullptr);
    pool.work_.front()();
    settle();
    ASSERT_NE(result, nullptr);
    EXPECT_EQ(*result, 5);
}

}  // namespace
}  // namespace millrace
