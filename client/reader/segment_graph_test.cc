// SPDX-License-Identifier: Apache-2.0
//
// Which segments begin and what positions name, over splits and merges; runs of events; positions as
// text.
#include <gtest/gtest.h>

#include "client/reader/run_cutter.h"
#include "client/reader/segment_graph.h"
#include "millrace/event_reader.h"

namespace millrace::client {
namespace {

using Ids = std::vector<SegmentId>;

SegmentId id(std::int32_t number, std::int32_t epoch) { return SegmentId::of(number, StreamEpoch{epoch}); }

TEST(SegmentGraph, BeginsBothHalvesOfASplit) {
    SegmentGraph graph{{id(0, 0)}};
    const auto change = graph.ended(id(0, 0), {{id(1, 1), {id(0, 0)}}, {id(2, 1), {id(0, 0)}}});
    EXPECT_EQ(change.begin, (Ids{id(1, 1), id(2, 1)}));
    EXPECT_EQ(change.forget, (Ids{id(0, 0)}));
    EXPECT_EQ(graph.active(), 2u);
}

TEST(SegmentGraph, BeginsAMergeWhenAllItsPredecessorsHaveEnded) {
    SegmentGraph graph{{id(0, 0), id(1, 0)}};
    const std::vector<SegmentGraph::Next> merged{{id(2, 1), {id(0, 0), id(1, 0)}}};
    const auto first = graph.ended(id(0, 0), merged);
    EXPECT_TRUE(first.begin.empty());
    EXPECT_TRUE(first.forget.empty());
    EXPECT_FALSE(graph.finished());
    const auto second = graph.ended(id(1, 0), merged);
    EXPECT_EQ(second.begin, (Ids{id(2, 1)}));
    EXPECT_EQ(second.forget, (Ids{id(0, 0), id(1, 0)}));
}

TEST(SegmentGraph, KeepsNamingWhatLeadsToASegmentThatHasNotBegun) {
    // 0 -> {2, 3}; 3 also follows on 1, which is still being read.
    SegmentGraph graph{{id(0, 0), id(1, 0)}};
    auto change = graph.ended(id(0, 0), {{id(2, 1), {id(0, 0)}}, {id(3, 1), {id(0, 0), id(1, 0)}}});
    EXPECT_EQ(change.begin, (Ids{id(2, 1)}));
    EXPECT_TRUE(change.forget.empty());
    // 2 ends too and is replaced, but a reader that goes on from here would hear of 2 again from 0.
    change = graph.ended(id(2, 1), {{id(4, 2), {id(2, 1)}}});
    EXPECT_EQ(change.begin, (Ids{id(4, 2)}));
    EXPECT_TRUE(change.forget.empty());
    change = graph.ended(id(1, 0), {{id(3, 1), {id(0, 0), id(1, 0)}}});
    EXPECT_EQ(change.begin, (Ids{id(3, 1)}));
    EXPECT_EQ(change.forget, (Ids{id(0, 0), id(1, 0), id(2, 1)}));
}

TEST(SegmentGraph, GoesOnFromAPositionThatNamesEndedSegments) {
    // As saved in the middle of the test above, with 2's successor begun.
    SegmentGraph graph{{id(0, 0), id(1, 0), id(2, 1), id(4, 2)}};
    auto change = graph.ended(id(2, 1), {{id(4, 2), {id(2, 1)}}});
    EXPECT_TRUE(change.begin.empty());
    EXPECT_TRUE(change.forget.empty());
    change = graph.ended(id(0, 0), {{id(2, 1), {id(0, 0)}}, {id(3, 1), {id(0, 0), id(1, 0)}}});
    EXPECT_TRUE(change.begin.empty());
    change = graph.ended(id(1, 0), {{id(3, 1), {id(0, 0), id(1, 0)}}});
    EXPECT_EQ(change.begin, (Ids{id(3, 1)}));
    EXPECT_EQ(change.forget, (Ids{id(0, 0), id(1, 0), id(2, 1)}));
}

TEST(SegmentGraph, WaitsForAPredecessorThatItHasNotHeardOfYet) {
    // 0 -> {2, 3}, then {3, 1} -> 4; 1 ends first and names 3, of which nobody has told yet.
    SegmentGraph graph{{id(0, 0), id(1, 0)}};
    auto change = graph.ended(id(1, 0), {{id(4, 2), {id(3, 1), id(1, 0)}}});
    EXPECT_TRUE(change.begin.empty());
    change = graph.ended(id(0, 0), {{id(2, 1), {id(0, 0)}}, {id(3, 1), {id(0, 0)}}});
    EXPECT_EQ(change.begin, (Ids{id(2, 1), id(3, 1)}));
    change = graph.ended(id(3, 1), {{id(4, 2), {id(3, 1), id(1, 0)}}});
    EXPECT_EQ(change.begin, (Ids{id(4, 2)}));
}

TEST(SegmentGraph, CountsPredecessorsBeforeTheBeginningAsRead) {
    SegmentGraph graph{{id(5, 3), id(6, 3)}};
    const auto change = graph.ended(id(5, 3), {{id(7, 4), {id(5, 3), id(1, 0)}}});
    EXPECT_EQ(change.begin, (Ids{id(7, 4)}));
}

TEST(SegmentGraph, StaysAtTheEndOfWhatIsWanted) {
    SegmentGraph graph{{id(0, 0)}};
    const auto change = graph.ended(id(0, 0), {{id(1, 1), {id(0, 0)}, false}});
    EXPECT_TRUE(change.begin.empty());
    EXPECT_TRUE(change.forget.empty());
    EXPECT_TRUE(graph.finished());
}

Bytes event_bytes(const std::vector<std::string>& payloads) {
    ByteBuffer bytes;
    for (const std::string& payload : payloads) wire::encode_event(as_bytes(payload), bytes);
    return Bytes{std::move(bytes)};
}

TEST(RunCutter, FindsTheSameEventsHoweverTheBytesArrive) {
    const Bytes all = event_bytes({"one", "", std::string(50'000, 'x'), "four", "five"});
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{8}, std::size_t{1000}, all.size()}) {
        RunCutter cutter;
        ByteBuffer joined;
        for (std::size_t at = 0; at < all.size(); at += piece) {
            std::vector<Bytes> runs;
            ASSERT_TRUE(cutter.feed(all.slice(at, std::min(piece, all.size() - at)), runs).ok());
            for (const Bytes& run : runs) {
                ASSERT_FALSE(run.empty());
                joined.append(run);
            }
        }
        EXPECT_EQ(Bytes{std::move(joined)}, all);
        EXPECT_EQ(cutter.pending_bytes(), 0u);
    }
}

TEST(RunCutter, RefusesWhatIsNoEvent) {
    for (const char* hex : {"00000001 00000001 61", "00000000 ffffffff", "00000000 7fffffff"}) {
        RunCutter cutter;
        std::vector<Bytes> runs;
        const auto fed = cutter.feed(Bytes{from_hex(hex)}, runs);
        ASSERT_FALSE(fed.ok()) << hex;
        EXPECT_TRUE(fed.error().is(ErrorCode::kCorrupt));
    }
}

TEST(Position, IsALineOfText) {
    const Position position{{"my.scope", "a-stream"}, {{id(0, 0), 0}, {id(7, 3), 123456789012}}};
    const std::string text = position.to_string();
    EXPECT_EQ(text, "my.scope/a-stream:0.0@0,3.7@123456789012");
    const auto parsed = Position::parse(text);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, position);
}

TEST(Position, RefusesOtherText) {
    for (const char* text :
         {"", "a/b", "a:0.0@1", "a/b:", "a/b:0.0", "a/b:0.0@", "a/b:0.0@x", "a/b:0@1", "a/b:0.0@1,", "a/b:0.0@1,,0.1@2",
          "a/b:0.0@-1", "a/b:-1.0@1", "a/b:0.0@1,0.0@2", "a/b:0.0@1 ", "a b/c:0.0@1", "a/b/c:0.0@1",
          "a/b:0.0@99999999999999999999", "a/b:99999999999.0@1"}) {
        const auto parsed = Position::parse(text);
        ASSERT_FALSE(parsed.ok()) << text;
        EXPECT_TRUE(parsed.error().is(ErrorCode::kInvalidArgument));
    }
}

}  // namespace
}  // namespace millrace::client
