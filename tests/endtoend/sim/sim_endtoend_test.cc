// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever happens to controller, segment store and network, each acknowledged event is in the stream once, in its
// key's order, across splits and merges; nothing is left over and nothing hangs.
// Method: StreamWorkload by seed. The workload itself is tried on clients with one rule broken.
#include <gtest/gtest.h>

#include <cstdlib>

#include "common/telemetry/log.h"
#include "tests/endtoend/sim/stream_workload.h"
#include "tests/sim/seeded_test.h"

namespace millrace::testing {
namespace {

// Log lines are of interest when one seed is replayed.
const bool kQuiet = [] {
    if (std::getenv("MILLRACE_SEED") == nullptr) log_line::set_level(log_line::Level::kError);
    return true;
}();

class SimEndToEnd : public sim::SeededTest {};

TEST_P(SimEndToEnd, KeepsWhatItAcknowledgedOnceAndInOrder) {
    StreamWorkload workload{seed()};
    EXPECT_EQ(workload.run(), "");
    // The objects of a process that was killed live until they are buried, and may complain to nobody.
    expect_error_lines("process is dead");
    if (workload.disks_fail()) {
        for (const char* line : {"journal failed", "segment store failed", "committed bytes cannot be read error=\"i/o error"}) {
            expect_error_lines(line);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimEndToEnd, sim::seeds(100), sim::seed_name);

TEST(SimEndToEndRun, EndsOnTheSameDigestForTheSameSeed) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        StreamWorkload first{seed};
        StreamWorkload second{seed};
        StreamWorkload other{seed + 1'000'000};
        EXPECT_EQ(first.run(), "");
        EXPECT_EQ(second.run(), "");
        EXPECT_EQ(other.run(), "");
        EXPECT_EQ(first.digest(), second.digest()) << "seed " << seed;
        EXPECT_EQ(first.acked(), second.acked());
        EXPECT_NE(first.digest(), other.digest());
    }
}

// What the workload is there for; none of it may quietly stop happening.
constexpr const char* kToBeReached[] = {
    "endtoend.metadata.died_after_write", "endtoend.reader_goes_on_from_position",
    "endtoend.reply_doubled", "endtoend.reply_late", "endtoend.reply_lost",
    "endtoend.reader_was_truncated", "endtoend.scale_failed", "endtoend.writer_gave_up", "endtoend.writer_was_truncated",
};

TEST(SimEndToEndRun, MeetsWhatItIsThereFor) {
    std::vector<std::string> missing;
    SimCluster::Counts sum;
    std::uint64_t scales = 0;
    std::uint64_t truncations = 0;
    std::uint64_t reconnects = 0;
    std::uint64_t unknown = 0;
    constexpr std::uint64_t kSeedsMax = 200;
    for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
        StreamWorkload workload{seed};
        EXPECT_EQ(workload.run(), "") << "seed " << seed;
        sum.kills += workload.cluster_counts().kills;
        sum.power_cuts += workload.cluster_counts().power_cuts;
        sum.fail_stops += workload.cluster_counts().fail_stops;
        sum.failed_starts += workload.cluster_counts().failed_starts;
        scales += workload.scales();
        truncations += workload.truncations();
        reconnects += workload.reconnects();
        unknown += workload.unknown();
        missing.clear();
        for (const char* name : kToBeReached) {
            if (sim::probe_count(name) == 0) missing.emplace_back(name);
        }
        for (const auto& [name, count] : {std::pair{"kills", sum.kills}, {"power cuts", sum.power_cuts}, {"fail-stops", sum.fail_stops},
                                          {"failed starts", sum.failed_starts}, {"scales", scales}, {"truncations", truncations}, {"reconnects", reconnects},
                                          {"unknown outcomes", unknown}}) {
            if (count == 0) missing.emplace_back(name);
        }
        if (missing.empty()) break;
    }
    EXPECT_EQ(missing, std::vector<std::string>{});
}

// The first seed whose run finds fault; 0 when none does.
std::uint64_t seed_that_catches_client(client::ClientMutations mutations) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        StreamWorkload workload{seed, {.plan = {}, .mutations = mutations}};
        const std::string violation = workload.run();
        if (violation.empty()) continue;
        std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), violation.c_str());
        return seed;
    }
    return 0;
}

TEST(SimEndToEndMutants, ResendingWithoutAskingIsCaught) {
    EXPECT_NE(seed_that_catches_client({.resend_without_asking = true}), 0u);
}

TEST(SimEndToEndMutants, AcknowledgingWhatWasOnlySentIsCaught) {
    EXPECT_NE(seed_that_catches_client({.acknowledge_when_sent = true}), 0u);
}

TEST(SimEndToEndMutants, ForgettingTheOrderOnASplitIsCaught) {
    EXPECT_NE(seed_that_catches_client({.forget_order_on_split = true}), 0u);
}

TEST(SimEndToEndMutants, BeginningSuccessorsEarlyIsCaught) {
    EXPECT_NE(seed_that_catches_client({.begin_successors_early = true}), 0u);
}

TEST(SimEndToEndMutants, ForgettingSegmentsEarlyIsCaught) {
    EXPECT_NE(seed_that_catches_client({.forget_segments_early = true}), 0u);
}

}  // namespace
}  // namespace millrace::testing
