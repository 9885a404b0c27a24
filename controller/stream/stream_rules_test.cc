// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "controller/stream/epoch.h"
#include "controller/stream/scale.h"
#include "controller/stream/state.h"

namespace millrace::controller::stream {
namespace {

SegmentId id(std::int32_t number, std::int32_t epoch = 0) { return SegmentId::of(number, StreamEpoch{epoch}); }

TEST(EvenRanges, TileExactlyForEveryCount) {
    for (std::size_t count = 1; count <= kMaxSegments; ++count) {
        const auto ranges = even_ranges(count);
        ASSERT_EQ(ranges.size(), count);
        ASSERT_EQ(ranges.front().low, 0.0);
        ASSERT_EQ(ranges.back().high, 1.0) << count;
        for (std::size_t i = 0; i < count; ++i) {
            ASSERT_LT(ranges[i].low, ranges[i].high) << count;
            if (i > 0) {
                ASSERT_EQ(ranges[i].low, ranges[i - 1].high) << count;
            }
        }
    }
}

TEST(EvenRanges, AreTheProductsThatClientsComputeToo) {
    const auto ranges = even_ranges(3);
    EXPECT_EQ(ranges[0].high, 1.0 / 3);
    EXPECT_EQ(ranges[1].high, 2 * (1.0 / 3));
}

TEST(FirstEpoch, CountsOnFromAnEarlierStreamOfTheName) {
    const Epoch epoch = first_epoch(2, 7, 1000);
    EXPECT_EQ(epoch.epoch, StreamEpoch{0});
    EXPECT_EQ(epoch.segments[0].id, id(7));
    EXPECT_EQ(epoch.segments[1].id, id(8));
    EXPECT_TRUE(check_tiles(epoch.segments).ok());
}

TEST(CheckTiles, FindsGapsOverlapsAndShortEnds) {
    EXPECT_FALSE(check_tiles({}).ok());
    EXPECT_FALSE(check_tiles({{id(0), {0.0, 0.5}}}).ok());
    EXPECT_FALSE(check_tiles({{id(0), {0.1, 1.0}}}).ok());
    EXPECT_FALSE(check_tiles({{id(0), {0.0, 0.5}}, {id(1), {0.6, 1.0}}}).ok());
    EXPECT_FALSE(check_tiles({{id(0), {0.0, 0.5}}, {id(1), {0.4, 1.0}}}).ok());
    EXPECT_TRUE(check_tiles({{id(0), {0.0, 0.5}}, {id(1), {0.5, 1.0}}}).ok());
}

// ---- Scale ----

struct ScaleCase {
    const char* what;
    std::vector<SegmentId> sealed;
    std::vector<KeyRange> ranges;
    std::size_t min_segments;
    std::optional<ScaleRefusal> refused;
};

TEST(PlanScale, FollowsItsRules) {
    const Epoch halves = first_epoch(2, 0, 1000);
    const Epoch four = first_epoch(4, 0, 1000);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto kPre = ScaleRefusal::kPrecondition;
    const auto kFail = ScaleRefusal::kFailure;

    const std::vector<ScaleCase> on_halves = {
        {"split", {id(0)}, {{0.0, 0.25}, {0.25, 0.5}}, 1, std::nullopt},
        {"split, ranges in any order", {id(0)}, {{0.25, 0.5}, {0.0, 0.25}}, 1, std::nullopt},
        {"merge", {id(0), id(1)}, {{0.0, 1.0}}, 1, std::nullopt},
        {"a segment named twice counts once", {id(1), id(1)}, {{0.5, 1.0}}, 1, std::nullopt},
        {"the same range again", {id(0)}, {{0.0, 0.5}}, 1, std::nullopt},
        {"below the least", {id(0), id(1)}, {{0.0, 1.0}}, 2, kPre},
        {"not current: number", {id(2)}, {{0.0, 1.0}}, 1, kPre},
        {"not current: epoch", {id(0, 1)}, {{0.0, 0.5}}, 1, kPre},
        {"not current comes before bad ranges", {id(2)}, {{0.5, 0.5}}, 1, kPre},
        {"bad ranges come before too few", {id(0), id(1)}, {{0.0, 0.9}}, 2, kFail},
        {"too little", {id(0)}, {{0.0, 0.25}}, 1, kFail},
        {"too much", {id(0)}, {{0.0, 0.6}}, 1, kFail},
        {"elsewhere", {id(0)}, {{0.5, 1.0}}, 1, kFail},
        {"gap", {id(0)}, {{0.0, 0.2}, {0.3, 0.5}}, 1, kFail},
        {"overlap", {id(0)}, {{0.0, 0.3}, {0.2, 0.5}}, 1, kFail},
        {"twice the same", {id(0)}, {{0.0, 0.5}, {0.0, 0.5}}, 1, kFail},
        {"empty range", {id(0)}, {{0.0, 0.5}, {0.5, 0.5}}, 1, kFail},
        {"turned round", {id(0)}, {{0.5, 0.0}}, 1, kFail},
        {"not a number", {id(0)}, {{0.0, nan}}, 1, kFail},
        {"off by one bit", {id(0)}, {{0.0, std::nextafter(0.5, 0.0)}}, 1, kFail},
        {"below zero", {id(0)}, {{-0.1, 0.5}}, 1, kFail},
        {"no segments", {}, {{0.0, 0.5}}, 1, kFail},
        {"no ranges", {id(0)}, {}, 1, kFail},
    };
    for (const ScaleCase& c : on_halves) {
        SCOPED_TRACE(c.what);
        const auto outcome = plan_scale(halves, {c.sealed, c.ranges}, c.min_segments, 2, 5000);
        if (c.refused) {
            ASSERT_TRUE(std::holds_alternative<ScaleRefused>(outcome));
            EXPECT_EQ(std::get<ScaleRefused>(outcome).refusal, *c.refused);
            EXPECT_FALSE(std::get<ScaleRefused>(outcome).why.empty());
            continue;
        }
        ASSERT_TRUE(std::holds_alternative<ScalePlan>(outcome));
        EXPECT_TRUE(check_tiles(std::get<ScalePlan>(outcome).next.segments).ok());
    }

    // Two separate pieces at once.
    const auto apart = plan_scale(four, {{id(0), id(2)}, {{0.0, 0.25}, {0.5, 0.6}, {0.6, 0.75}}}, 1, 4, 0);
    ASSERT_TRUE(std::holds_alternative<ScalePlan>(apart));
    EXPECT_TRUE(check_tiles(std::get<ScalePlan>(apart).next.segments).ok());
    // A hole between them cannot be filled.
    EXPECT_TRUE(std::holds_alternative<ScaleRefused>(plan_scale(four, {{id(0), id(2)}, {{0.0, 0.75}}}, 1, 4, 0)));
}

TEST(PlanScale, NumbersAndEpochsAreThoseOfTheWorkedExample) {
    const Epoch halves = first_epoch(2, 0, 1000);
    const auto outcome = plan_scale(halves, {{id(0), id(1)}, even_ranges(3)}, 1, 2, 500);
    const auto& plan = std::get<ScalePlan>(outcome);
    ASSERT_EQ(plan.created.size(), 3u);
    EXPECT_EQ(plan.created[0].id.value, 4294967298);
    EXPECT_EQ(plan.created[1].id.value, 4294967299);
    EXPECT_EQ(plan.created[2].id.value, 4294967300);
    EXPECT_EQ(plan.next.epoch, StreamEpoch{1});
    EXPECT_EQ(plan.next.reference, StreamEpoch{1});
    EXPECT_EQ(plan.next.created_ms, 1001) << "epoch times rise even when clocks do not";
    // Who follows segment 0: the first third alone, the second together with segment 1.
    const std::vector<Successor> expected = {{plan.created[0], {id(0)}}, {plan.created[1], {id(0), id(1)}}};
    EXPECT_EQ(successors(halves, plan.next, id(0)), expected);
}

TEST(PlanScale, EndsWithTheLastEpochThatTheHistoryHolds) {
    Epoch epoch = first_epoch(1, 0, 0);
    epoch.epoch = StreamEpoch{63'999};
    EXPECT_TRUE(std::holds_alternative<ScalePlan>(plan_scale(epoch, {{id(0)}, {{0.0, 1.0}}}, 1, 1, 0)));
    epoch.epoch = StreamEpoch{64'000};
    const auto outcome = plan_scale(epoch, {{id(0)}, {{0.0, 1.0}}}, 1, 1, 0);
    ASSERT_TRUE(std::holds_alternative<ScaleRefused>(outcome));
    EXPECT_EQ(std::get<ScaleRefused>(outcome).refusal, ScaleRefusal::kFailure);
    EXPECT_NE(std::get<ScaleRefused>(outcome).why.find("64000"), std::string::npos);
}

TEST(PlanScale, MakesNoRangeThatBeginsAtMinusZero) {
    const auto outcome = plan_scale(first_epoch(1, 0, 0), {{id(0)}, {{-0.0, 0.5}, {0.5, 1.0}}}, 1, 1, 0);
    ASSERT_TRUE(std::holds_alternative<ScalePlan>(outcome));
    const auto& plan = std::get<ScalePlan>(outcome);
    EXPECT_FALSE(std::signbit(plan.created[0].range.low));
    EXPECT_FALSE(std::signbit(plan.next.segments[0].range.low));
}

TEST(PlanScale, NeverReusesANumber) {
    Epoch epoch = first_epoch(2, 0, 0);
    std::set<std::int32_t> used = {0, 1};
    std::uint32_t next_number = 2;
    for (int round = 0; round < 20; ++round) {
        // Split the first, or merge all: whatever round it is.
        ScaleRequest request;
        if (round % 3 == 2) {
            for (const Segment& segment : epoch.segments) request.sealed.push_back(segment.id);
            request.ranges = {{0.0, 1.0}};
        } else {
            const Segment& first = epoch.segments.front();
            request.sealed = {first.id};
            const double middle = (first.range.low + first.range.high) / 2;
            request.ranges = {{first.range.low, middle}, {middle, first.range.high}};
        }
        const auto outcome = plan_scale(epoch, request, 1, next_number, 0);
        const auto& plan = std::get<ScalePlan>(outcome);
        for (const Segment& segment : plan.created) {
            EXPECT_TRUE(used.insert(segment.id.number()).second);
            EXPECT_EQ(segment.id.epoch(), plan.next.epoch);
            next_number = static_cast<std::uint32_t>(segment.id.number()) + 1;
        }
        epoch = plan.next;
        ASSERT_TRUE(check_tiles(epoch.segments).ok());
    }
}

TEST(SameScale, ComparesWhatIsAskedForAndNotItsOrder) {
    const Epoch halves = first_epoch(2, 0, 0);
    const auto outcome = plan_scale(halves, {{id(0)}, {{0.0, 0.25}, {0.25, 0.5}}}, 1, 2, 0);
    const auto& plan = std::get<ScalePlan>(outcome);
    EXPECT_TRUE(same_scale({{id(0)}, {{0.25, 0.5}, {0.0, 0.25}}}, plan.sealed, plan.created));
    EXPECT_FALSE(same_scale({{id(1)}, {{0.25, 0.5}, {0.0, 0.25}}}, plan.sealed, plan.created));
    EXPECT_FALSE(same_scale({{id(0)}, {{0.0, 0.5}}}, plan.sealed, plan.created));
}

TEST(Successors, OfASplitHaveOnePredecessorAndItsOuterBounds) {
    const Epoch halves = first_epoch(2, 0, 0);
    const auto outcome = plan_scale(halves, {{id(1)}, {{0.5, 0.7}, {0.7, 1.0}}}, 1, 2, 0);
    const auto& plan = std::get<ScalePlan>(outcome);
    const auto found = successors(halves, plan.next, id(1));
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].predecessors, std::vector<SegmentId>{id(1)});
    EXPECT_EQ(found[0].segment.range.low, 0.5);
    EXPECT_EQ(found[1].segment.range.high, 1.0);
}

// ---- State ----

TEST(State, AllowsExactlyTheDocumentedChanges) {
    using enum State;
    const std::set<std::pair<State, State>> allowed = {
        {kUnknown, kCreating}, {kCreating, kActive},   {kActive, kScaling},  {kActive, kTruncating},
        {kActive, kCommitting}, {kActive, kUpdating},  {kActive, kSealing},  {kActive, kSealed},
        {kScaling, kActive},   {kTruncating, kActive}, {kCommitting, kActive}, {kUpdating, kActive},
        {kSealing, kSealed},
    };
    for (int from = 0; from <= static_cast<int>(kSealed); ++from) {
        for (int to = 0; to <= static_cast<int>(kSealed); ++to) {
            const auto f = static_cast<State>(from);
            const auto t = static_cast<State>(to);
            EXPECT_EQ(can_become(f, t), f == t || allowed.contains({f, t})) << to_string(f) << " -> " << to_string(t);
        }
    }
}

struct StatusCase {
    std::int32_t polled, active, reference;
    State state;
    std::optional<std::int32_t> transition;
    ScaleStatus expected;
};

TEST(ScaleStatus, FollowsItsTable) {
    using enum State;
    const StatusCase cases[] = {
        {1, 0, 0, kActive, {}, ScaleStatus::kInvalidInput},
        {0, 0, 0, kActive, {}, ScaleStatus::kInProgress},
        {0, 0, 0, kScaling, 1, ScaleStatus::kInProgress},
        {0, 1, 1, kActive, {}, ScaleStatus::kSuccess},
        {0, 1, 1, kScaling, {}, ScaleStatus::kInProgress},
        {0, 1, 1, kScaling, 1, ScaleStatus::kInProgress},
        {0, 1, 1, kScaling, 2, ScaleStatus::kSuccess},
        {0, 2, 2, kScaling, {}, ScaleStatus::kSuccess},
        {1, 3, 1, kActive, {}, ScaleStatus::kInProgress},
        {2, 3, 1, kActive, {}, ScaleStatus::kSuccess},
        {0, 5, 5, kSealed, {}, ScaleStatus::kSuccess},
    };
    for (const StatusCase& c : cases) {
        std::optional<StreamEpoch> transition;
        if (c.transition) transition = StreamEpoch{*c.transition};
        EXPECT_EQ(scale_status(c.polled, StreamEpoch{c.active}, StreamEpoch{c.reference}, c.state, transition), c.expected)
            << c.polled << " " << c.active << " " << c.reference;
    }
}

}  // namespace
}  // namespace millrace::controller::stream
