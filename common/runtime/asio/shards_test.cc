// SPDX-License-Identifier: Apache-2.0
//
// Several shards in one process: who runs where, and crossing between them.
#include "common/runtime/asio/shards.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "common/runtime/assert_on.h"
#include "common/runtime/crossing.h"
#include "common/runtime/gate.h"

namespace millrace {
namespace {

TEST(Shards, AreAllProcessorsButOneByDefault) {
    EXPECT_GE(default_shards(), 1u);
    if (std::thread::hardware_concurrency() > 1) EXPECT_EQ(default_shards(), std::thread::hardware_concurrency() - 1);
}

TEST(Shards, EachRunsOnAThreadOfItsOwn) {
    Shards shards{3};
    const int result = shards.run_main([&]() -> Task<int> {
        std::set<std::thread::id> threads{std::this_thread::get_id()};
        for (std::size_t shard = 1; shard < shards.count(); ++shard) {
            threads.insert(co_await on(shards.bundle(shard).executor,
                                       []() -> Task<std::thread::id> { co_return std::this_thread::get_id(); }));
        }
        co_return static_cast<int>(threads.size());
    });
    EXPECT_EQ(result, 3);
}

// A counter that belongs to a shard and is touched there only: the thread sanitizer would see otherwise.
TEST(Shards, KeepWhatTheyOwnToThemselves) {
    constexpr int kCallers = 8;
    constexpr int kCalls = 200;
    Shards shards{3};
    int counted = 0;
    const int result = shards.run_main([&]() -> Task<int> {
        const Executor owner = shards.bundle(1).executor;
        Gate gate;
        for (int caller = 0; caller < kCallers; ++caller) {
            gate.spawn(shards.bundle(0).executor, [&, owner]() -> Task<void> {
                for (int call = 0; call < kCalls; ++call) {
                    co_await on(owner, [&counted, owner]() -> Task<int> {
                        MR_ASSERT_ON(owner);
                        co_return ++counted;
                    });
                }
            });
        }
        // Another shard crosses to the same owner.
        co_await on(shards.bundle(2).executor, [&counted, owner]() -> Task<bool> {
            for (int call = 0; call < kCalls; ++call) {
                co_await on(owner, [&counted]() -> Task<int> { co_return ++counted; });
            }
            co_return true;
        });
        co_await gate.close();
        co_return co_await on(owner, [&counted]() -> Task<int> { co_return counted; });
    });
    EXPECT_EQ(result, (kCallers + 1) * kCalls);
}

TEST(Shards, DrawDifferentNumbersFromOneSeed) {
    AsioRuntimeOptions options;
    options.seed = 7;
    Shards shards{2, options};
    const int equal = shards.run_main([&]() -> Task<int> {
        const std::uint64_t here = shards.bundle(0).random.next();
        const std::uint64_t there =
            co_await on(shards.bundle(1).executor,
                        [&shards]() -> Task<std::uint64_t> { co_return shards.bundle(1).random.next(); });
        co_return here == there ? 1 : 0;
    });
    EXPECT_EQ(equal, 0);
}

TEST(AssertOn, KnowsTheExecutorThatRuns) {
    Shards shards{2};
    const int result = shards.run_main([&]() -> Task<int> {
        const bool here = runs_on(shards.bundle(0).executor);
        const bool elsewhere = runs_on(shards.bundle(1).executor);
        co_return (here ? 2 : 0) + (elsewhere ? 1 : 0);
    });
    EXPECT_EQ(result, 2);
    EXPECT_FALSE(runs_on(shards.bundle(0).executor));  // no executor runs here
}

TEST(AssertOnDeathTest, StopsWhoTouchesWhatIsNotHis) {
    Shards shards{1};
    const Executor executor = shards.bundle(0).executor;
    EXPECT_DEATH(MR_ASSERT_ON(executor), "MR_ASSERT_ON");
}

}  // namespace
}  // namespace millrace
