// SPDX-License-Identifier: Apache-2.0
#include "common/runtime/memory_budget.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "common/runtime/executor.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;

// Stands still until the test moves it.
class BudgetClock final : public Clock {
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

class MemoryBudgetTest : public ::testing::Test {
protected:
    struct Call {
        MemoryBudget::Wait wait;
        std::optional<Result<MemoryBudget::Grant>> result;
    };

    ~MemoryBudgetTest() override {
        for (const auto& call : calls_) call->wait.cancel();
        settle();
    }

    Call& take(std::size_t bytes, Deadline deadline = Deadline::never()) {
        Call& call = *calls_.emplace_back(std::make_unique<Call>());
        spawn(io_.get_executor(), [this, &call, bytes, deadline]() -> Task<void> {
            call.result = co_await budget_.take(bytes, clock_, deadline, call.wait);
        });
        settle();
        return call;
    }
    void settle() {
        io_.restart();
        io_.poll();
    }
    void give_back(Call& call) {
        call.result.reset();
        settle();
    }

    boost::asio::io_context io_{1};
    BudgetClock clock_;
    MemoryBudget budget_{100};
    std::vector<std::unique_ptr<Call>> calls_;
};

TEST_F(MemoryBudgetTest, GrantsWhatFitsAndTakesItBack) {
    {
        const auto first = budget_.try_take(60);
        EXPECT_TRUE(first);
        EXPECT_EQ(first.bytes(), 60u);
        EXPECT_FALSE(budget_.try_take(41));
        EXPECT_FALSE(budget_.try_take(30, 80));
        EXPECT_TRUE(budget_.try_take(20, 80));
        EXPECT_TRUE(budget_.try_take(40));
    }
    EXPECT_EQ(budget_.taken(), 0u);
    EXPECT_EQ(budget_.most_taken(), 100u);
}

TEST_F(MemoryBudgetTest, WaitsInTheOrderOfAsking) {
    Call& first = take(70);
    Call& large = take(90);
    Call& small = take(10);
    EXPECT_TRUE(first.result);
    EXPECT_FALSE(large.result);
    EXPECT_FALSE(small.result);  // would fit, but the large one was first
    EXPECT_FALSE(budget_.try_take(1));
    EXPECT_EQ(budget_.waiting(), 2u);
    EXPECT_EQ(budget_.waits(), 2u);
    give_back(first);
    ASSERT_TRUE(large.result && large.result->ok());
    EXPECT_EQ(large.result->value().bytes(), 90u);
    EXPECT_TRUE(small.result && small.result->ok());
    EXPECT_EQ(budget_.taken(), 100u);
}

TEST_F(MemoryBudgetTest, ReleasesOnlyOnce) {
    Call& call = take(70);
    MemoryBudget::Grant grant = std::move(*call.result).value();
    give_back(call);
    EXPECT_EQ(budget_.taken(), 70u);
    MemoryBudget::Grant moved = std::move(grant);
    grant.release();
    EXPECT_EQ(budget_.taken(), 70u);
    moved.release();
    moved.release();
    EXPECT_EQ(budget_.taken(), 0u);
}

TEST_F(MemoryBudgetTest, GivesUpAtTheDeadlineAndLetsTheNextOneThrough) {
    Call& first = take(70);
    Call& large = take(90, Deadline::after(clock_, 10s));
    Call& small = take(30, Deadline::after(clock_, 20s));
    clock_.advance(10s);
    settle();
    ASSERT_TRUE(large.result);
    ASSERT_FALSE(large.result->ok());
    EXPECT_TRUE(large.result->error().is(ErrorCode::kTimedOut));
    EXPECT_TRUE(small.result && small.result->ok());
    EXPECT_EQ(clock_.pending(), 0u);
    EXPECT_EQ(budget_.taken(), 100u);
    EXPECT_TRUE(first.result->ok());
}

TEST_F(MemoryBudgetTest, EndsACancelledWaitAndThoseThatComeLater) {
    Call& first = take(100);
    Call& second = take(50, Deadline::after(clock_, 10s));
    second.wait.cancel();
    settle();
    ASSERT_TRUE(second.result && !second.result->ok());
    EXPECT_TRUE(second.result->error().is(ErrorCode::kCancelled));
    EXPECT_EQ(clock_.pending(), 0u);
    EXPECT_EQ(budget_.waiting(), 0u);
    give_back(first);
    EXPECT_EQ(budget_.taken(), 0u);
    second.result.reset();
    spawn(io_.get_executor(), [this, &second]() -> Task<void> {
        second.result = co_await budget_.take(1, clock_, Deadline::never(), second.wait);
    });
    settle();
    EXPECT_TRUE(second.result && !second.result->ok());
}

// The grant may be there before its waiter has been resumed; it is then neither lost nor kept.
TEST_F(MemoryBudgetTest, KeepsCountWhenAGrantAndACancelMeet) {
    Call& first = take(100);
    Call& second = take(50);
    first.result.reset();   // grants to the second, which has not run yet
    second.wait.cancel();
    settle();
    ASSERT_TRUE(second.result && second.result->ok());
    give_back(second);
    EXPECT_EQ(budget_.taken(), 0u);
}

TEST_F(MemoryBudgetTest, RefusesMoreThanThereIs) {
    Call& call = take(101);
    ASSERT_TRUE(call.result && !call.result->ok());
    EXPECT_TRUE(call.result->error().is(ErrorCode::kTooLarge));
    EXPECT_EQ(budget_.taken(), 0u);
}

}  // namespace
}  // namespace millrace
