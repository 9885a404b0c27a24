// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever a container answered, it still says after any crash: events in order, once, at the
// offsets given, with the writers' numbers; what it did not answer is there wholly or not at all.
// Method: ContainerWorkload by seed, on the real journal with torn and lost writes, full disks and
// I/O errors. The checker itself is tried on a container with one rule broken.
#include <gtest/gtest.h>

#include <cstdlib>

#include "common/telemetry/log.h"
#include "segmentstore/container/container_workload.h"
#include "tests/sim/seeded_test.h"

namespace millrace::container {
namespace {

// Log lines are of interest when one seed is replayed.
const bool kQuiet = [] {
    if (std::getenv("MILLRACE_SEED") == nullptr) log_line::set_level(log_line::Level::kError);
    return true;
}();

class ContainerCrash : public sim::SeededTest {
protected:
    // Its disks fail now and then.
    ContainerCrash() { expect_error_lines("journal failed"); }
};

TEST_P(ContainerCrash, KeepsWhatItAnswered) {
    ContainerWorkload workload{seed()};
    EXPECT_EQ(workload.run(), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, ContainerCrash, sim::seeds(25), sim::seed_name);

TEST(ContainerWorkloadTest, GivesTheSameEventsForTheSameSeed) {
    for (std::uint64_t seed = 100; seed < 103; ++seed) {
        ContainerWorkload first{seed};
        ContainerWorkload second{seed};
        EXPECT_EQ(first.run(), "");
        EXPECT_EQ(second.run(), "");
        EXPECT_EQ(first.digest(), second.digest());
    }
}

TEST(ContainerWorkloadTest, ReachesWhatItIsMeantToReach) {
    std::uint64_t operations = 0, survived = 0, lost = 0, full = 0, cold = 0, windows = 0, snapshots = 0, recoveries = 0;
    TieringGaps gaps;
    for (std::uint64_t seed = 200; seed < 240; ++seed) {
        ContainerWorkload workload{seed};
        EXPECT_EQ(workload.run(), "");
        operations += workload.operations();
        survived += workload.operations_survived_unanswered();
        lost += workload.operations_lost_unanswered();
        full += workload.full_disks();
        cold += workload.cold_reads();
        windows += workload.windows();
        snapshots += workload.snapshots();
        recoveries += workload.recoveries_from_snapshots();
        gaps += workload.gaps();
    }
    std::printf("%llu operations, unanswered: %llu survived, %llu lost; %llu full disks, %llu cold reads\n",
                static_cast<unsigned long long>(operations), static_cast<unsigned long long>(survived),
                static_cast<unsigned long long>(lost), static_cast<unsigned long long>(full),
                static_cast<unsigned long long>(cold));
    EXPECT_GT(operations, 1500u);
    EXPECT_GT(survived, 10u);
    EXPECT_GT(lost, 100u);
    EXPECT_GT(full, 0u);
    EXPECT_GT(cold, 100u);
    EXPECT_GT(windows, 100u);
    EXPECT_GT(snapshots, 50u);
    EXPECT_GT(recoveries, 50u);
    for (std::size_t step = 0; step < TieringGaps::kSteps; ++step) EXPECT_GT(gaps.crashed[step], 0u) << "after step " << step;
}

// The first seed whose run finds fault; 0 when none does.
std::uint64_t seed_that_catches(ContainerMutations mutations) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        ContainerWorkload workload{seed, mutations};
        const std::string violation = workload.run();
        if (violation.empty()) continue;
        std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), violation.c_str());
        return seed;
    }
    return 0;
}

TEST(ContainerMutants, ReplyingWithoutWaitingIsCaught) {
    EXPECT_NE(seed_that_catches({.reply_without_waiting = true}), 0u);
}

}  // namespace
}  // namespace millrace::container
