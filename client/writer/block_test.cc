// SPDX-License-Identifier: Apache-2.0
//
// Blocks are frames to the byte; staging deals, bounds and accounts.
#include <gtest/gtest.h>

#include <thread>

#include "client/writer/block.h"
#include "client/writer/staging.h"
#include "common/wire/messages.h"

namespace millrace::client {
namespace {

constexpr auto kWait = Staging::WhenFull::kWait;
constexpr auto kTakeAnyway = Staging::WhenFull::kTakeAnyway;

WriterId some_writer() {
    WriterId id;
    for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::byte>(i + 1);
    return id;
}

TEST(Block, IsTheFrameThatTheCodecWouldWrite) {
    Block block;
    block.add(0.1, "hello", {});
    block.add(0.2, "world!", {});
    block.number(some_writer(), 2, 8);
    const ByteBuffer events = from_hex("00000000 00000005 68656c6c6f 00000000 00000006 776f726c6421");
    ByteBuffer expected;
    wire::encode(wire::AppendBlockEnd{some_writer(), 27, Bytes::copy_of(events.view()), 2, 2, 8}, expected);
    EXPECT_EQ(to_hex(block.frame()), to_hex(expected.view()));
    EXPECT_EQ(block.event_bytes(), 27u);
}

TEST(Block, GivesBackItsEventsWithPositionsAndCallbacks) {
    Block block;
    std::string called;
    block.add(0.1, "a", {});
    block.add(0.2, "", [&](const Result<void>&) { called += "b"; });
    block.add(0.3, "ccc", [&](const Result<void>&) { called += "c"; });
    block.number(some_writer(), 3, 1);
    auto events = block.dissolve();
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(to_hex(events[2].framed), "0000000000000003636363");
    EXPECT_EQ(events[1].position, 0.2);
    EXPECT_FALSE(events[0].acknowledged);
    events[1].acknowledged(ok());
    EXPECT_EQ(called, "b");
    block.notify(ok());
    EXPECT_EQ(called, "b");
}

class StagingTest : public ::testing::Test {
protected:
    static SegmentId id(std::int32_t number, std::int32_t epoch = 0) {
        return SegmentId::of(number, StreamEpoch{epoch});
    }
    std::vector<std::string> staged(SegmentId segment) {
        std::vector<std::string> payloads;
        for (const BlockPtr& block : staging.surrender(segment)) {
            for (const auto& event : block->dissolve()) payloads.emplace_back(as_text(event.framed.subspan(8)));
        }
        return payloads;
    }

    Staging staging{1000, 1, {{id(0), {0.0, 0.5}}, {id(1), {0.5, 1.0}}}};
};

TEST_F(StagingTest, RoutesToTheSmallestUpperBoundThatIsNotBelow) {
    EXPECT_EQ(staging.write(0.0, "", {}, kWait)->segment, id(0));
    EXPECT_EQ(staging.write(0.25, "", {}, kWait)->segment, id(0));
    EXPECT_EQ(staging.write(0.5, "", {}, kWait)->segment, id(0));
    EXPECT_EQ(staging.write(0.5000001, "", {}, kWait)->segment, id(1));
    EXPECT_EQ(staging.write(0.9999, "", {}, kWait)->segment, id(1));
}

TEST_F(StagingTest, WakesTheExecutorOnceUntilItHasLooked) {
    EXPECT_TRUE(staging.write(0.1, "a", {}, kWait)->wake);
    EXPECT_FALSE(staging.write(0.1, "b", {}, kWait)->wake);
    EXPECT_FALSE(staging.write(0.9, "c", {}, kWait)->wake);
    EXPECT_EQ(staging.take_woken(), (std::vector<SegmentId>{id(0), id(1)}));
    // Still not fetched, but the segment's sender has been told once.
    EXPECT_TRUE(staging.write(0.1, "d", {}, kWait)->wake);
}

TEST_F(StagingTest, SendsAnythingWhileFewBlocksAreOnTheirWayAndFullOnesLater) {
    ASSERT_TRUE(staging.write(0.1, "a", {}, kTakeAnyway).ok());
    EXPECT_EQ(staging.take(id(0), {100, 1000}), nullptr);
    EXPECT_NE(staging.take(id(0), {0, 0}), nullptr);
    EXPECT_EQ(staging.take(id(0), {0, 0}), nullptr);
    const std::string half(Block::kFullBytes / 2, 'x');
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(staging.write(0.1, half, {}, kTakeAnyway).ok());
    EXPECT_EQ(staging.take(id(0), {100, 1u << 30}), nullptr);
    EXPECT_NE(staging.take(id(0), {100, 1000}), nullptr);
    EXPECT_NE(staging.take(id(0), {100, 1000}), nullptr);
    EXPECT_EQ(staging.take(id(0), {100, 1000}), nullptr);
}

TEST_F(StagingTest, BlocksTheWriterAtTheMemoryBoundUntilSomethingIsSettled) {
    const std::string payload(1000, 'x');
    ASSERT_TRUE(staging.write(0.1, payload, {}, kWait).ok());
    bool written = false;
    std::thread application{[&] { written = staging.write(0.1, "more", {}, kWait).ok(); }};
    EXPECT_EQ(staging.totals().outstanding_bytes, 1016u);
    BlockPtr block = staging.take(id(0), {0, 0});
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(block->events(), 1u);
    std::deque<BlockPtr> stored;
    stored.push_back(std::move(block));
    staging.settle(std::move(stored), true);
    application.join();
    EXPECT_TRUE(written);
    EXPECT_EQ(staging.totals().outstanding_bytes, 20u);
    EXPECT_EQ(staging.totals().acknowledged_events, 1u);
}

TEST_F(StagingTest, CountsWhatItKeepsOfSmallEvents) {
    std::uint64_t events = 0;
    while (staging.write(0.1, "", [](const Result<void>&) {}, Staging::WhenFull::kLeave)->taken) ++events;
    // 1,000 bytes: 8 of framing, 8 for the place of its key and 40 for its callback, each.
    EXPECT_EQ(events, 18u);
    EXPECT_EQ(staging.totals().outstanding_bytes, 18u * 56);
    std::deque<BlockPtr> failed = staging.surrender(id(0));
    for (const BlockPtr& block : failed) block->notify(Error{ErrorCode::kClosed, "closed"});
    staging.settle(std::move(failed), false);
    EXPECT_EQ(staging.totals().outstanding_bytes, 0u);
}

TEST_F(StagingTest, LetsABlockedWriterGoWhenTheWriterFails) {
    ASSERT_TRUE(staging.write(0.1, std::string(1000, 'x'), {}, kWait).ok());
    std::optional<Error> told;
    std::thread application{[&] {
        const auto written = staging.write(0.1, "more", {}, kWait);
        if (!written) told = written.error();
    }};
    staging.refuse(Error{ErrorCode::kSealed, "sealed"});
    application.join();
    ASSERT_TRUE(told.has_value());
    EXPECT_TRUE(told->is(ErrorCode::kSealed));
}

TEST_F(StagingTest, KeepsNoMoreWritesApartFromAFailure) {
    const Error closed{ErrorCode::kClosed, "closed"};
    const auto settle_next = [this](bool acknowledged) {
        std::deque<BlockPtr> blocks;
        blocks.push_back(staging.take(id(0), {0, 0}));
        staging.settle(std::move(blocks), acknowledged);
    };
    ASSERT_TRUE(staging.write(0.1, "a", {}, kWait).ok());
    const auto first = staging.begin_flush();
    ASSERT_TRUE(staging.write(0.1, "b", {}, kWait).ok());
    staging.refuse(closed);
    EXPECT_TRUE(staging.write(0.1, "c", {}, kWait).error().is(ErrorCode::kClosed));
    settle_next(true);
    EXPECT_TRUE(staging.wait_flushed(first).ok());
    // A failure is told whatever its code is, and the first one stays.
    staging.fail(closed);
    staging.fail(Error{ErrorCode::kUnavailable, "later"});
    settle_next(false);
    const auto flushed = staging.wait_flushed(staging.begin_flush());
    ASSERT_FALSE(flushed.ok());
    EXPECT_TRUE(flushed.error().is(ErrorCode::kClosed));
}

TEST_F(StagingTest, FlushesWhatWasStagedBeforeAndNothingElse) {
    EXPECT_TRUE(staging.flushed(staging.begin_flush()));
    ASSERT_TRUE(staging.write(0.1, "a", {}, kWait).ok());
    const auto flush = staging.begin_flush();
    EXPECT_EQ(staging.begin_flush(), flush);
    ASSERT_TRUE(staging.write(0.1, "b", {}, kWait).ok());
    EXPECT_FALSE(staging.flushed(flush));
    // Events of different flushes are in different blocks.
    std::deque<BlockPtr> stored;
    stored.push_back(staging.take(id(0), {0, 0}));
    staging.settle(std::move(stored), true);
    EXPECT_TRUE(staging.flushed(flush));
    EXPECT_FALSE(staging.flushed(staging.begin_flush()));
}

TEST_F(StagingTest, DealsASealedSegmentsEventsToItsSuccessorsInOrder) {
    ASSERT_TRUE(staging.write(0.1, "a1", {}, kWait).ok());
    ASSERT_TRUE(staging.write(0.4, "b1", {}, kWait).ok());
    BlockPtr sent = staging.take(id(0), {0, 0});
    sent->number(some_writer(), 2, 1);
    std::deque<BlockPtr> unacknowledged;
    unacknowledged.push_back(std::move(sent));
    ASSERT_TRUE(staging.write(0.1, "a2", {}, kWait).ok());
    ASSERT_TRUE(staging.write(0.9, "c1", {}, kWait).ok());
    // The second successor also takes over from segment 1, which is not sealed yet for us.
    const auto touched = staging.replace(id(0), std::move(unacknowledged), {{id(2, 1), {0.0, 0.3}}, {id(3, 1), {0.3, 1.0}}});
    EXPECT_EQ(touched, (std::vector<SegmentId>{id(2, 1), id(3, 1)}));
    ASSERT_TRUE(staging.write(0.1, "a3", {}, kWait).ok());
    EXPECT_EQ(staging.write(0.9, "c2", {}, kWait)->segment, id(1));
    EXPECT_EQ(staging.write(0.4, "b2", {}, kWait)->segment, id(3, 1));
    EXPECT_EQ(staged(id(2, 1)), (std::vector<std::string>{"a1", "a2", "a3"}));
    EXPECT_EQ(staged(id(3, 1)), (std::vector<std::string>{"b1", "b2"}));
    EXPECT_EQ(staged(id(1)), (std::vector<std::string>{"c1", "c2"}));
    EXPECT_EQ(staging.totals().outstanding_bytes, 7u * 18);
}

}  // namespace
}  // namespace millrace::client
