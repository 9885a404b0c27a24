// SPDX-License-Identifier: Apache-2.0
#include "controller/stream/retention.h"

#include <gtest/gtest.h>

namespace millrace::controller::stream {
namespace {

using By = RetentionPolicy::By;
using Cuts = std::vector<CutMark>;

// Taken every ten units of time, with a hundred bytes written meanwhile.
const Cuts kCuts = {{10, 100}, {20, 200}, {30, 300}, {40, 400}};
const CutMark kEnd{45, 450};

std::optional<std::size_t> chosen(By by, std::int64_t least, std::int64_t most, const Cuts& cuts = kCuts) {
    return choose_cut({by, least, most}, cuts, kEnd);
}

TEST(Retention, TakesTheNewestCutThatLeavesTheLeast) {
    EXPECT_EQ(chosen(By::kTime, 5, 0), 3u);
    EXPECT_EQ(chosen(By::kTime, 6, 0), 2u);
    EXPECT_EQ(chosen(By::kTime, 35, 0), 0u);
    EXPECT_EQ(chosen(By::kTime, 36, 0), std::nullopt) << "nothing is old enough";
    EXPECT_EQ(chosen(By::kSize, 50, 0), 3u);
    EXPECT_EQ(chosen(By::kSize, 51, 0), 2u);
    EXPECT_EQ(chosen(By::kSize, 350, 0), 0u);
    EXPECT_EQ(chosen(By::kSize, 351, 0), std::nullopt);
    EXPECT_EQ(chosen(By::kSize, 1, 0, {}), std::nullopt);
}

TEST(Retention, TheLeastStaysEvenIfThatIsMoreThanTheMost) {
    EXPECT_EQ(chosen(By::kSize, 60, 100), 2u) << "leaves 150; the next one would leave 50";
    EXPECT_EQ(chosen(By::kSize, 60, 1000), 2u) << "what lies between the bounds need not stay";
}

TEST(Retention, WithoutALeastNothingGoesBeforeItMust) {
    EXPECT_EQ(chosen(By::kSize, 0, 350), std::nullopt) << "as little as that may be all there is";
    EXPECT_EQ(chosen(By::kSize, 0, 349), 1u);
    EXPECT_EQ(chosen(By::kSize, 0, 49), std::nullopt) << "there is no cut yet that leaves so little";
    EXPECT_EQ(chosen(By::kTime, 0, 15), 2u);
}

TEST(Retention, ACutFromTheFutureWasTakenNow) {
    // The clock was set back from somewhere beyond 1000.
    const Cuts cuts = {{10, 100}, {1000, 200}, {1010, 300}, {40, 400}};
    EXPECT_EQ(left_by({By::kTime, 1, 0}, cuts[1], kEnd), 0);
    EXPECT_EQ(chosen(By::kTime, 5, 0, cuts), 3u);
    EXPECT_EQ(chosen(By::kTime, 6, 0, cuts), 0u);
}

TEST(Retention, CutsLieAPartOfWhatStaysFromEachOther) {
    const RetentionPolicy size{By::kSize, 6400, 0};
    EXPECT_TRUE(worth_a_cut(size, std::nullopt, kEnd));
    EXPECT_FALSE(worth_a_cut(size, CutMark{0, 351}, kEnd));
    EXPECT_TRUE(worth_a_cut(size, CutMark{0, 350}, kEnd));
    EXPECT_FALSE(worth_a_cut({By::kTime, 0, 640}, CutMark{36, 0}, kEnd));
    EXPECT_TRUE(worth_a_cut({By::kTime, 0, 640}, CutMark{35, 0}, kEnd));
    EXPECT_TRUE(worth_a_cut({By::kTime, 0, 640}, CutMark{46, 0}, kEnd)) << "the clock was set back";
    EXPECT_TRUE(worth_a_cut({By::kTime, 1, 0}, CutMark{45, 0}, kEnd)) << "a period is all that separates them then";
}

TEST(Retention, TheCutBetweenTheClosestIsMissedLeast) {
    EXPECT_EQ(least_missed({By::kTime, 1, 0}, {{0, 0}, {10, 1}, {11, 90}, {30, 91}}), 1u);
    EXPECT_EQ(least_missed({By::kSize, 1, 0}, {{0, 0}, {10, 9}, {11, 90}, {30, 91}}), 2u);
    EXPECT_EQ(least_missed({By::kSize, 1, 0}, {{0, 0}, {1, 1}, {2, 2}}), 1u);
}

// However long a stream lives, and whatever the number of cuts it may have, the oldest stays until it is truncated at, and
// what is left when that happens is not much more than has to stay.
TEST(Retention, FewCutsAreEnoughToGoOn) {
    for (const std::size_t most_cuts : {3u, 8u, 64u}) {
        const RetentionPolicy policy{By::kSize, 1000, 0};
        Cuts cuts;
        std::int64_t left_most = 0;
        std::size_t truncations = 0;
        for (std::int64_t bytes = 0; bytes < 100'000; bytes += 7) {
            const CutMark end{bytes, bytes};
            if (worth_a_cut(policy, cuts.empty() ? std::nullopt : std::optional{cuts.back()}, end)) cuts.push_back(end);
            while (cuts.size() > most_cuts) {
                cuts.erase(cuts.begin() + static_cast<std::ptrdiff_t>(least_missed(policy, cuts)));
            }
            const auto at = choose_cut(policy, cuts, end);
            if (at && *at > 0) {
                cuts.erase(cuts.begin(), cuts.begin() + static_cast<std::ptrdiff_t>(*at));
                EXPECT_GE(left_by(policy, cuts.front(), end), policy.least);
                ++truncations;
            }
            left_most = std::max(left_most, left_by(policy, cuts.front(), end));
        }
        EXPECT_GE(truncations, 90u) << most_cuts;
        EXPECT_LE(left_most, most_cuts == 3 ? 2100 : most_cuts == 8 ? 1400 : 1050) << most_cuts;
    }
}

}  // namespace
}  // namespace millrace::controller::stream
