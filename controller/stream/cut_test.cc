// SPDX-License-Identifier: Apache-2.0
//
// Which cuts can be, and what has been read at them, on a stream that splits and merges:
//
//   epoch 0   0 [0, 1/2)               1 [1/2, 1)
//   epoch 1   2 [0, 1/3)   3 [1/3, 2/3)   4 [2/3, 1)
//   epoch 2   5 [0, 2/3)                  4
#include "controller/stream/cut.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <optional>
#include <set>

#include "common/runtime/random.h"
#include "controller/stream/scale.h"

namespace millrace::controller::stream {
namespace {

constexpr double kThird = 1.0 / 3;

SegmentId cut_segment(int number, int epoch) { return SegmentId::of(number, StreamEpoch{epoch}); }

const std::map<int, Segment> kSegments = {
    {0, {cut_segment(0, 0), {0.0, 0.5}}},           {1, {cut_segment(1, 0), {0.5, 1.0}}},        {2, {cut_segment(2, 1), {0.0, kThird}}},
    {3, {cut_segment(3, 1), {kThird, 2 * kThird}}}, {4, {cut_segment(4, 1), {2 * kThird, 1.0}}}, {5, {cut_segment(5, 2), {0.0, 2 * kThird}}},
};

Result<Cut> cut(const std::map<int, std::int64_t>& offsets) {
    std::vector<CutEntry> entries;
    for (const auto& [number, offset] : offsets) entries.push_back({kSegments.at(number), offset});
    return Cut::of(std::move(entries));
}

// The states of segments 0 to 5: '#' done, '>' underway, '.' ahead, '!' torn.
std::string reading(const std::map<int, std::int64_t>& offsets) {
    const Result<Cut> made = cut(offsets);
    if (!made) return made.error().detail();
    std::string text;
    for (const auto& [number, segment] : kSegments) {
        switch (made->reading(segment)) {
            case Reading::kDone:
                text += '#';
                break;
            case Reading::kUnderway:
                text += '>';
                break;
            case Reading::kAhead:
                text += '.';
                break;
            case Reading::kTorn:
                text += '!';
                break;
        }
    }
    return text;
}

TEST(Cut, TellsWhatHasBeenRead) {
    EXPECT_EQ(reading({{0, 0}, {1, 0}}), ">>....");
    EXPECT_EQ(reading({{0, 7}, {2, -1}, {3, -1}, {1, 0}}), ">>....") << "what waits needs not be named, but may";
    EXPECT_EQ(reading({{2, 0}, {3, 0}, {4, 0}}), "##>>>.");
    // 0 has ended, 1 has not: 3 took keys from both, and waits.
    EXPECT_EQ(reading({{1, 500}, {2, 100}, {3, -1}}), "#>>...");
    EXPECT_EQ(reading({{0, 500}, {3, -1}, {4, 100}}), ">#..>.");
    // 2 has ended, too: its successor 5 waits for 3.
    EXPECT_EQ(reading({{1, 500}, {3, -1}, {5, -1}}), "#>#...");
    EXPECT_EQ(reading({{3, 10}, {4, 20}, {5, -1}}), "###>>.");
    EXPECT_EQ(reading({{5, 0}, {4, 20}}), "####>>");
}

TEST(Cut, IsRefusedWhereNobodyCanBe) {
    EXPECT_EQ(reading({}), "stream cut: it names no segment");
    EXPECT_EQ(reading({{0, 0}}), "stream cut: its segments have not all of the keys");
    EXPECT_EQ(reading({{2, 0}, {4, 0}}), "stream cut: nothing is to be read for some of the keys");
    EXPECT_EQ(reading({{0, 0}, {1, 0}, {2, 0}}), "stream cut: two of its segments are read for the same keys");
    EXPECT_EQ(reading({{1, 0}, {2, 0}}), "stream cut: nothing is to be read for some of the keys") << "3 is missing";
    EXPECT_EQ(reading({{0, -1}, {2, 0}, {3, 0}, {4, 0}}).substr(0, 11 + 12), "stream cut: segment 0 c")
        << "0 is not behind 2";
    std::vector<CutEntry> many(kMaxCutSegments + 1, {kSegments.at(0), 0});
    EXPECT_TRUE(Cut::of(many).error().is(ErrorCode::kInvalidArgument));
    for (const KeyRange range : {KeyRange{0.0, 0.0}, KeyRange{0.5, 0.25}, KeyRange{-1.0, 1.0}, KeyRange{0.0, 2.0},
                                 KeyRange{std::numeric_limits<double>::quiet_NaN(), 1.0}}) {
        EXPECT_TRUE(Cut::of({{{cut_segment(0, 0), range}, 0}}).error().is(ErrorCode::kCorrupt));
    }
}

TEST(Cut, ShowsSegmentsThatAreReadForSomeKeysOnly) {
    // Right of 2/3 somebody is at 4, left of 1/2 at 0: then 1 has been read to its end.
    EXPECT_EQ(reading({{0, 5}, {3, -1}, {4, 0}})[1], '#');
    // Left of 2/3 somebody is at 5, which needs all of 3, which needs all of 1.
    EXPECT_EQ(reading({{1, 5}, {5, -1}}), "#>#!..") << "3 is behind those who wait for 5, and ahead of who is at 1";
}

TEST(Cut, IsAtOrAfterAnotherWhenNothingIsReadTwice) {
    const std::vector<std::map<int, std::int64_t>> way = {{{0, 0}, {1, 0}},
                                                          {{0, 0}, {1, 500}},
                                                          {{1, 500}, {2, 0}, {3, -1}},
                                                          {{1, 600}, {2, 9}, {3, -1}},
                                                          {{2, 9}, {3, 0}, {4, 0}},
                                                          {{3, 0}, {4, 0}, {5, -1}},
                                                          {{5, 0}, {4, 7}}};
    for (std::size_t i = 0; i < way.size(); ++i) {
        for (std::size_t j = 0; j < way.size(); ++j) {
            EXPECT_EQ(cut(way[i])->at_or_after(*cut(way[j])), i >= j) << i << " after " << j;
        }
    }
    const Cut left = *cut({{0, 5}, {1, 0}});
    const Cut right = *cut({{0, 0}, {1, 5}});
    EXPECT_FALSE(left.at_or_after(right));
    EXPECT_FALSE(right.at_or_after(left));
    EXPECT_TRUE(cut({{1, 500}, {2, 0}, {3, -1}})->at_or_after(*cut({{1, 500}, {2, -1}, {3, -1}, {0, 0}})));
}

TEST(Cut, BeforeAnEpochIsTheBeginOfItsSegments) {
    const Epoch epoch = first_epoch(5, 10, 0);
    const Cut begin = Cut::before(epoch);
    ASSERT_EQ(begin.entries().size(), 5u);
    for (const CutEntry& entry : begin.entries()) EXPECT_EQ(entry.offset, 0);
    for (const Segment& segment : epoch.segments) EXPECT_EQ(begin.reading(segment), Reading::kUnderway);
}

// Goal: every place that a reader can come to is a cut, and tells what it has read. Method: random scales, and a
// reader that ends segments at random, beginning a segment only when all that it took keys from have ended.
TEST(Cut, OfEveryReaderTellsWhatItHasRead) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(seed);
        SeededRandom random{seed};
        std::vector<Epoch> epochs = {first_epoch(random.between(1, 5), 0, 0)};
        std::map<SegmentId, Segment> all;
        std::map<SegmentId, std::vector<Successor>> successors_of;
        for (const Segment& segment : epochs[0].segments) all.emplace(segment.id, segment);
        std::uint32_t number = static_cast<std::uint32_t>(all.size());
        for (int i = 0; i < 6; ++i) {
            const Epoch& now = epochs.back();
            const std::size_t first = random.between(0, now.segments.size());
            const std::size_t last = random.between(first, now.segments.size());
            ScaleRequest request;
            for (std::size_t s = first; s <= last; ++s) request.sealed.push_back(now.segments[s].id);
            double low = now.segments[first].range.low;
            const double high = now.segments[last].range.high;
            for (std::size_t parts = random.between(1, 5); parts > 0; --parts) {
                const double end = parts == 1 ? high : low + (high - low) / static_cast<double>(parts);
                request.ranges.push_back({low, end});
                low = end;
            }
            const ScalePlan plan = std::get<ScalePlan>(plan_scale(now, request, 1, number, 0));
            number += static_cast<std::uint32_t>(plan.created.size());
            for (const Segment& segment : plan.created) all.emplace(segment.id, segment);
            for (const SegmentId sealed : plan.sealed) successors_of[sealed] = successors(now, plan.next, sealed);
            epochs.push_back(plan.next);
        }

        std::map<SegmentId, std::int64_t> at;  // as a reader keeps it
        std::set<SegmentId> done;
        for (const Segment& segment : epochs[0].segments) at[segment.id] = 0;
        std::optional<Cut> before;
        for (;;) {
            std::vector<CutEntry> entries;
            for (const auto& [segment, offset] : at) entries.push_back({all.at(segment), offset});
            const Result<Cut> here = Cut::of(std::move(entries));
            ASSERT_TRUE(here.ok()) << here.error().to_string();
            for (const auto& [segment, range] : all) {
                const auto found = at.find(segment);
                const Reading expected = done.contains(segment)                    ? Reading::kDone
                                         : found != at.end() && found->second >= 0 ? Reading::kUnderway
                                                                                   : Reading::kAhead;
                EXPECT_EQ(here->reading(range), expected) << segment.value;
            }
            if (before) EXPECT_TRUE(here->at_or_after(*before));
            before = *here;

            std::vector<SegmentId> may_end;
            for (const auto& [segment, offset] : at) {
                if (offset >= 0 && successors_of.contains(segment)) may_end.push_back(segment);
            }
            if (may_end.empty()) break;
            const SegmentId ending = may_end[random.between(0, may_end.size())];
            at.erase(ending);
            done.insert(ending);
            for (const Successor& next : successors_of[ending]) {
                const bool ready = std::all_of(next.predecessors.begin(), next.predecessors.end(),
                                               [&](SegmentId id) { return done.contains(id); });
                at[next.segment.id] = ready ? 0 : -1;
            }
        }
        EXPECT_EQ(at.size(), epochs.back().segments.size());
    }
}

}  // namespace
}  // namespace millrace::controller::stream
