// SPDX-License-Identifier: Apache-2.0
//
// Goal: what the journal acknowledged is there after any crash, in order, without gaps, with the
// right bytes; what it did not acknowledge is there as a prefix of what was sent. Method:
// JournalWorkload by seed. The checker itself is tried on journals with one rule broken.
#include <gtest/gtest.h>

#include "segmentstore/log/journal/journal_workload.h"
#include "tests/sim/seeded_test.h"

namespace millrace::log {
namespace {

class JournalCrash : public sim::SeededTest {
protected:
    // Its disks fail now and then.
    JournalCrash() { expect_error_lines("journal failed"); }
};

TEST_P(JournalCrash, KeepsWhatItAcknowledged) {
    JournalWorkload workload{seed(), {}};
    EXPECT_EQ(workload.run(), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, JournalCrash, sim::seeds(20), sim::seed_name);

TEST(JournalWorkloadTest, GivesTheSameEventsForTheSameSeed) {
    JournalWorkload first{7, {}};
    JournalWorkload second{7, {}};
    EXPECT_EQ(first.run(), "");
    EXPECT_EQ(second.run(), "");
    EXPECT_EQ(first.digest(), second.digest());
}

TEST(JournalWorkloadTest, ReachesWhatItIsMeantToReach) {
    std::uint64_t acknowledged = 0, unacknowledged = 0, files = 0, recycled = 0, retirements = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        JournalWorkload workload{seed, {}};
        EXPECT_EQ(workload.run(), "");
        acknowledged += workload.entries_acknowledged();
        unacknowledged += workload.entries_recovered_unacknowledged();
        files = std::max(files, workload.files_seen());
        recycled += workload.files_recycled();
        retirements += workload.retirements();
    }
    EXPECT_GT(acknowledged, 1000u);
    EXPECT_GT(unacknowledged, 10u);
    EXPECT_GT(files, 5u);
    EXPECT_GT(retirements, 10u);
    EXPECT_GT(recycled, 10u);
}

// The first seed whose run finds fault with a broken journal; 0 when none does.
std::uint64_t seed_that_catches(JournalMutations mutations) {
    constexpr std::uint64_t kSeedsMax = 300;
    for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
        JournalWorkload workload{seed, mutations};
        const std::string violation = workload.run();
        if (violation.empty()) continue;
        std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed),
                     violation.c_str());
        return seed;
    }
    return 0;
}

TEST(JournalMutants, AcknowledgingBeforeTheSyncIsCaught) {
    EXPECT_NE(seed_that_catches({.acknowledge_before_sync = true}), 0u);
}

TEST(JournalMutants, SkippingTheRecordChecksumIsCaught) {
    EXPECT_NE(seed_that_catches({.skip_record_checksum = true}), 0u);
}

TEST(JournalMutants, SkippingTheDirectorySyncIsCaught) {
    EXPECT_NE(seed_that_catches({.skip_directory_sync = true}), 0u);
}

TEST(JournalMutants, TrustingAnUnprovenTailIsCaught) {
    EXPECT_NE(seed_that_catches({.trust_unproven_tail = true}), 0u);
}

TEST(JournalMutants, RetiringFilesBeforeItIsDurableIsCaught) {
    EXPECT_NE(seed_that_catches({.retire_before_durable = true}), 0u);
}

}  // namespace
}  // namespace millrace::log
