// SPDX-License-Identifier: Apache-2.0
//
// That the log for tests is as hostile as it says, and no more: what it acknowledged is there for every later owner.
#include "segmentstore/log/testing/shared_log.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/sim/world.h"

namespace millrace::log {
namespace {

using namespace std::chrono_literals;

class SharedLogTest : public ::testing::Test {
protected:
    using Owner = std::unique_ptr<SharedLogOwner>;

    Owner take_over(SharedLog& log) {
        auto owner = world.run([this, &log] { return log.take_over(world.clock()); });
        EXPECT_TRUE(owner.ok());
        return owner ? std::move(*owner) : nullptr;
    }
    Result<Index> append(const Owner& owner, std::string text) {
        return world.run([&owner, text]() { return owner->append(pieces(text)); });
    }
    static std::vector<Bytes> pieces(std::string_view text) { return {Bytes::copy_of(text)}; }
    std::string read(const Owner& owner, Index index) {
        const auto body = world.run([&owner, index] { return owner->read(index, 0, 100); });
        return body ? std::string{as_text(body->view())} : body.error().to_string();
    }
    void close(const Owner& owner) {
        world.run([&owner] { return owner->close(); });
    }

    sim::World world{1};
    SharedLog log{1, {}};
};

TEST_F(SharedLogTest, ASecondOwnerFencesTheFirstWhoStillReads) {
    const Owner a = take_over(log);
    ASSERT_EQ(append(a, "one").value(), Index{1});
    ASSERT_TRUE(world.run([&a] { return a->confirm_ownership(); }).ok());
    EXPECT_FALSE(a->fenced());
    const Owner b = take_over(log);
    EXPECT_TRUE(a->fenced());
    EXPECT_GT(b->epoch(), a->epoch());
    ASSERT_EQ(append(b, "two").value(), Index{2});
    EXPECT_TRUE(world.run([&a] { return a->confirm_ownership(); }).error().is(ErrorCode::kFenced));
    EXPECT_TRUE(
        world.run([&a] { return a->truncate(Index{2}, Bytes::copy_of("mine")); }).error().is(ErrorCode::kFenced));
    EXPECT_TRUE(append(a, "too late").error().is(ErrorCode::kFenced));
    EXPECT_TRUE(append(a, "still").error().is(ErrorCode::kClosed));
    EXPECT_EQ(read(a, Index{1}), "one");
    EXPECT_EQ(read(b, Index{1}), "one");
    EXPECT_EQ(read(b, Index{2}), "two");
    EXPECT_EQ(b->first(), Index{1});
    close(a);
    close(b);
}

TEST_F(SharedLogTest, TruncatesAndAnchorsInOneStep) {
    const Owner a = take_over(log);
    for (int i = 0; i < 3; ++i) (void)append(a, std::to_string(i));
    ASSERT_TRUE(world.run([&a] { return a->truncate(Index{3}, Bytes::copy_of("here")); }).ok());
    const Owner b = take_over(log);
    EXPECT_EQ(b->first(), Index{3});
    EXPECT_EQ(b->next(), Index{4});
    EXPECT_EQ(b->anchor(), Bytes::copy_of("here"));
    EXPECT_EQ(read(b, Index{3}), "2");
    EXPECT_NE(read(a, Index{2}), "1");
    close(a);
    close(b);
}

// By seed: an owner with appends under way is replaced; what it was told of is there, and of the rest a prefix.
TEST_F(SharedLogTest, KeepsAPrefixOfWhatWasUnderWay) {
    SharedLog::TakeOvers seen;
    std::uint64_t unknown = 0;
    std::uint64_t refused = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SharedLog hostile{seed, {.append_unknown_in = seed % 3 == 0 ? 8u : 0u, .no_space_in = seed % 4 == 0 ? 8u : 0u}};
        const Owner a = take_over(hostile);
        std::vector<std::optional<Result<Index>>> told(8);
        std::vector<std::string> kept;  // in order of the answers
        for (std::size_t i = 0; i < told.size(); ++i) {
            world.spawn([&, i]() -> Task<void> {
                told[i] = co_await a->append(pieces("entry " + std::to_string(i)));
                if (told[i]->ok()) kept.push_back("entry " + std::to_string(i));
            });
        }
        world.run_for(std::chrono::microseconds{seed % 20 * 100});
        const std::vector<std::string> before = kept;
        if (seed % 5 == 0) a->die();
        const Owner b = take_over(hostile);
        const auto answered = [&] {
            return std::all_of(told.begin(), told.end(), [](const auto& one) { return one.has_value(); });
        };
        ASSERT_TRUE(world.run_until(answered, 1s));
        ASSERT_GE(b->next().number() - 1, kept.size());
        for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(read(b, Index{i + 1}), kept[i]);
        for (const auto& one : told) {
            if (one->ok()) continue;
            unknown += one->error().is(ErrorCode::kIo) ? 1 : 0;
            refused += one->error().is(ErrorCode::kNoSpace) ? 1 : 0;
        }
        seen.kept_all += hostile.take_overs().kept_all;
        seen.kept_some += hostile.take_overs().kept_some;
        seen.kept_none += hostile.take_overs().kept_none;
        close(a);
        close(b);
    }
    EXPECT_GT(seen.kept_all, 10u);
    EXPECT_GT(seen.kept_some, 10u);
    EXPECT_GT(seen.kept_none, 10u);
    EXPECT_GT(unknown, 10u);
    EXPECT_GT(refused, 10u);
}

TEST_F(SharedLogTest, ATruncationOfUnknownFateMayHaveHappened) {
    int happened = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SharedLog hostile{seed, {.truncate_unknown_in = 1}};
        const Owner a = take_over(hostile);
        (void)append(a, "one");
        const auto truncated = world.run([&a] { return a->truncate(Index{2}, Bytes::copy_of("anchor")); });
        ASSERT_FALSE(truncated.ok());
        EXPECT_EQ(truncated.error().fate(), millrace::Fate::kUnknown);
        EXPECT_EQ(append(a, "two").value(), Index{2});  // still open
        const Owner b = take_over(hostile);
        EXPECT_EQ(b->anchor().empty(), b->first() == Index{1});
        happened += b->first() == Index{2} ? 1 : 0;
        close(a);
        close(b);
    }
    EXPECT_GT(happened, 5);
    EXPECT_LT(happened, 35);
}

}  // namespace
}  // namespace millrace::log
