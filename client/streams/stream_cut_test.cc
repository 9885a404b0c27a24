// SPDX-License-Identifier: Apache-2.0
#include "client/streams/stream_cut.h"

#include <gtest/gtest.h>

namespace millrace::client {
namespace {

using Offsets = std::map<SegmentId, std::int64_t>;
using Keys = std::map<SegmentId, KeyRange>;

// Two halves, replaced by a quarter and the rest: the rest waits for both.
const SegmentId kLow = SegmentId::of(0, StreamEpoch{0});
const SegmentId kHigh = SegmentId::of(1, StreamEpoch{0});
const SegmentId kQuarter = SegmentId::of(2, StreamEpoch{1});
const SegmentId kRest = SegmentId::of(3, StreamEpoch{1});
const Successor kQuarterNext{{kQuarter, {0, 0.25}}, {kLow}};
const Successor kRestNext{{kRest, {0.25, 1}}, {kLow, kHigh}};

TEST(StreamCut, IsThePositionWhereNoSegmentWaits) {
    const Keys keys{{kLow, {0, 0.5}}, {kHigh, {0.5, 1}}};
    EXPECT_TRUE(keys_that_wait(keys).empty());
    const Offsets offsets{{kLow, 7}, {kHigh, 9}};
    // Also where both have been replaced, and are still being read.
    EXPECT_EQ(stream_cut(offsets, keys, {kQuarterNext, kRestNext, kRestNext}), offsets);
}

TEST(StreamCut, NamesTheSuccessorThatWaitsInsteadOfTheSegmentThatHasEnded) {
    const Keys keys{{kLow, {0, 0.5}}, {kHigh, {0.5, 1}}, {kQuarter, {0, 0.25}}};
    EXPECT_EQ(keys_that_wait(keys), (std::vector<KeyRange>{{0.25, 0.5}}));
    EXPECT_EQ(stream_cut({{kLow, 70}, {kHigh, 9}, {kQuarter, 3}}, keys, {kQuarterNext, kRestNext, kRestNext}),
              (Offsets{{kHigh, 9}, {kQuarter, 3}, {kRest, -1}}));
}

TEST(StreamCut, NamesTheSuccessorThatWaitsWhereAReaderBeganInTheMiddleOfAMerge) {
    // As after a truncation at the cut above: the segment that had ended is gone.
    const Keys keys{{kHigh, {0.5, 1}}, {kQuarter, {0, 0.25}}};
    EXPECT_EQ(keys_that_wait(keys), (std::vector<KeyRange>{{0.25, 0.5}}));
    EXPECT_EQ(stream_cut({{kHigh, 12}, {kQuarter, 30}}, keys, {kRestNext}),
              (Offsets{{kHigh, 12}, {kQuarter, 30}, {kRest, -1}}));
}

TEST(StreamCut, KnowsThatASegmentHasBegunFromThoseThatCameAfterIt) {
    // The quarter was split and is no longer named.
    const SegmentId first = SegmentId::of(4, StreamEpoch{2});
    const SegmentId second = SegmentId::of(5, StreamEpoch{2});
    const Keys keys{{kLow, {0, 0.5}}, {kHigh, {0.5, 1}}, {first, {0, 0.125}}, {second, {0.125, 0.25}}};
    EXPECT_EQ(stream_cut({{kLow, 70}, {kHigh, 9}, {first, 1}, {second, 2}}, keys, {kQuarterNext, kRestNext, kRestNext}),
              (Offsets{{kHigh, 9}, {first, 1}, {second, 2}, {kRest, -1}}));
}

}  // namespace
}  // namespace millrace::client
