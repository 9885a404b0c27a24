// SPDX-License-Identifier: Apache-2.0
//
// Goal: a container that changes its owner keeps what any of them answered, whatever the one before still does.
// Method: OwnersWorkload by seed. The checker itself is tried on containers and logs with one rule broken.
#include <gtest/gtest.h>

#include <cstdlib>

#include "common/telemetry/log.h"
#include "segmentstore/container/owners_workload.h"
#include "tests/sim/seeded_test.h"

namespace millrace::container {
namespace {

// Log lines are of interest when one seed is replayed.
const bool kQuietOwners = [] {
    if (std::getenv("MILLRACE_SEED") == nullptr) log_line::set_level(log_line::Level::kError);
    return true;
}();

class ContainerOwners : public sim::SeededTest {};

TEST_P(ContainerOwners, KeepWhatAnyOfThemAnswered) {
    OwnersWorkload workload{seed()};
    EXPECT_EQ(workload.run(), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, ContainerOwners, sim::seeds(60), sim::seed_name);

TEST(OwnersWorkloadTest, GivesTheSameEventsForTheSameSeed) {
    for (std::uint64_t seed = 100; seed < 103; ++seed) {
        OwnersWorkload first{seed};
        OwnersWorkload second{seed};
        EXPECT_EQ(first.run(), "");
        EXPECT_EQ(second.run(), "");
        EXPECT_EQ(first.digest(), second.digest());
    }
}

TEST(OwnersWorkloadTest, ReachesEveryGapBetweenTheStepsOfTiering) {
    OwnersWorkload::Counts sum;
    for (std::uint64_t seed = 200; seed < 300; ++seed) {
        OwnersWorkload workload{seed};
        EXPECT_EQ(workload.run(), "") << "seed " << seed;
        const OwnersWorkload::Counts& counts = workload.counts();
        sum.owners += counts.owners;
        sum.operations += counts.operations;
        sum.lost_unanswered += counts.lost_unanswered;
        sum.survived_unanswered += counts.survived_unanswered;
        sum.zombies += counts.zombies;
        sum.windows += counts.windows;
        sum.snapshots += counts.snapshots;
        sum.from_snapshots += counts.from_snapshots;
        sum.gaps += counts.gaps;
    }
    for (std::size_t step = 0; step < TieringGaps::kSteps; ++step) {
        std::printf("after step %zu: %llu crashes, %llu replacements\n", step,
                    static_cast<unsigned long long>(sum.gaps.crashed[step]),
                    static_cast<unsigned long long>(sum.gaps.replaced[step]));
        EXPECT_GT(sum.gaps.crashed[step], 0u) << "after step " << step;
        EXPECT_GT(sum.gaps.replaced[step], 0u) << "after step " << step;
    }
    std::printf(
        "%llu owners, %llu zombies, %llu operations; unanswered: %llu survived, %llu lost; %llu windows, %llu "
        "snapshots\n",
        static_cast<unsigned long long>(sum.owners), static_cast<unsigned long long>(sum.zombies),
        static_cast<unsigned long long>(sum.operations), static_cast<unsigned long long>(sum.survived_unanswered),
        static_cast<unsigned long long>(sum.lost_unanswered), static_cast<unsigned long long>(sum.windows),
        static_cast<unsigned long long>(sum.snapshots));
    EXPECT_GT(sum.operations, 10'000u);
    EXPECT_GT(sum.lost_unanswered, 100u);
    EXPECT_GT(sum.survived_unanswered, 10u);
    EXPECT_GT(sum.zombies, 50u);
    EXPECT_GT(sum.from_snapshots, 50u);
}

// The first seed whose run finds fault; 0 when none does.
std::uint64_t owners_seed_that_catches(OwnersMutations mutations) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        OwnersWorkload workload{seed, mutations};
        const std::string violation = workload.run();
        if (violation.empty()) continue;
        std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), violation.c_str());
        return seed;
    }
    return 0;
}

TEST(OwnersMutants, ReplyingWithoutWaitingIsCaught) {
    EXPECT_NE(owners_seed_that_catches({.container = {.reply_without_waiting = true}}), 0u);
}

TEST(OwnersMutants, AnsweringWithoutProofIsCaught) {
    EXPECT_NE(owners_seed_that_catches({.container = {.answer_without_proof = true}}), 0u);
}

TEST(OwnersMutants, TruncatingAtTheSnapshotIsCaught) {
    EXPECT_NE(owners_seed_that_catches({.container = {.truncate_at_snapshot = true}}), 0u);
}

TEST(OwnersMutants, RemovingBeforeTheAnchorIsCaught) {
    EXPECT_NE(owners_seed_that_catches({.container = {.remove_before_anchor = true}}), 0u);
}

TEST(OwnersMutants, ShowingAnOperationBeforeItsLastEntryIsCaught) {
    EXPECT_NE(owners_seed_that_catches({.container = {.show_before_last_entry = true}}), 0u);
}

TEST(OwnersMutants, KeepingAnEventNumberWithoutItsAppendIsCaught) {
    EXPECT_NE(owners_seed_that_catches({.container = {.snapshot_admitted_attributes = true}}), 0u);
}

TEST(OwnersMutants, KeepingCreditsIsCaught) {
    EXPECT_NE(owners_seed_that_catches({.container = {.keep_credits = true}}), 0u);
}

TEST(OwnersMutants, ContinuingAnotherOwnersOperationIsCaught) {
    EXPECT_NE(owners_seed_that_catches({.container = {.ignore_first_of_epoch = true}}), 0u);
}

TEST(OwnersMutants, ForgettingLateObjectsIsCaught) {
    EXPECT_NE(owners_seed_that_catches({.container = {.forget_late_objects = true}}), 0u);
}

TEST(OwnersMutants, ALogThatForgetsItsPromiseIsCaught) {
    EXPECT_NE(owners_seed_that_catches({.log = {.forget_promise = true}}), 0u);
}

}  // namespace
}  // namespace millrace::container
