// SPDX-License-Identifier: Apache-2.0
//
// Goal: the simulator's faults are survivable, all of them are reached, and it finds mistakes.
// Method: EchoWorkload by seed; the same with one mistake planted, which the seeds must catch.
#include <gtest/gtest.h>

#include "tests/sim/echo/echo_workload.h"
#include "tests/sim/probes.h"
#include "tests/sim/seeded_test.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MR_ECHO_ADDRESS_SANITIZER
#endif
#endif

namespace millrace::sim::echo {
namespace {

class Echo : public SeededTest {};

TEST_P(Echo, KeepsWhatItAcknowledgedAndGoesOnAfterHealing) {
    EchoWorkload workload{seed()};
    EXPECT_EQ(workload.run(), "");
    // Now and then twice: no order may come from outside the seed.
    if (seed() % 50 == 7) {
        EchoWorkload again{seed()};
        EXPECT_EQ(again.run(), "");
        EXPECT_EQ(again.digest(), workload.digest());
        EXPECT_EQ(again.events(), workload.events());
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Echo, seeds(100), seed_name);

TEST(EchoWorkloadTest, EndsOnTheSameDigestForTheSameSeed) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        EchoWorkload first{seed};
        EchoWorkload second{seed};
        EchoWorkload other{seed + 1'000'000};
        EXPECT_EQ(first.run(), "");
        EXPECT_EQ(second.run(), "");
        EXPECT_EQ(other.run(), "");
        EXPECT_EQ(first.digest(), second.digest()) << "seed " << seed;
        EXPECT_EQ(first.events(), second.events());
        EXPECT_NE(first.digest(), other.digest());
    }
}

// Each fault of the simulator, and what the faults are there for, in as far as some hundred seeds are sure to have it.
constexpr const char* kToBeReached[] = {
    "sim.disk.call_stalled", "sim.disk.corrupted_at_crash", "sim.disk.full", "sim.disk.name_lost",
    "sim.disk.read_failed", "sim.disk.slow", "sim.disk.stalled", "sim.disk.sync_failed", "sim.disk.write_failed",
    "sim.disk.write_lost", "sim.disk.write_reordered", "sim.disk.write_torn", "sim.message.blocked",
    "sim.message.dropped", "sim.message.network_full", "sim.message.queue_full", "sim.message.reordered", "sim.message.repeated", "sim.message.returned", "sim.network.broken",
    "sim.network.clogged", "sim.network.closed_with_bytes_unread", "sim.network.connect_blocked",
    "sim.network.connect_hangs", "sim.network.connect_refused", "sim.network.cut", "sim.network.delay_spike",
    "sim.network.half_open", "sim.network.partitioned", "sim.network.partitioned_one_way",
    "sim.network.process_died_in_silence", "sim.network.silent_death", "sim.network.slow_way",
    "sim.network.window_full", "sim.network.writer_waits", "sim.node.clock_drifts", "sim.node.crashed",
    "sim.node.killed", "sim.node.paused", "sim.node.wall_clock_jumped",
    "echo.acknowledged_again", "echo.bad_frame", "echo.bad_record_length", "echo.committed_by_followers",
    "echo.conversation_ended", "echo.cut_uncommitted_tail", "echo.fail_stop", "echo.follower_adopted",
    "echo.follower_went_on", "echo.frame_too_long", "echo.log.recovered_bad_tail", "echo.log_of_a_follower_chosen",
    "echo.stopped_in_order", "echo.write_out_of_turn",
};

TEST(EchoWorkloadTest, ReachesEveryFault) {
    std::vector<std::string> missing;
    constexpr std::uint64_t kSeedsMax = 1500;
    for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
        EchoWorkload workload{seed};
        EXPECT_EQ(workload.run(), "") << "seed " << seed;
        missing.clear();
        for (const char* name : kToBeReached) {
            if (probe_count(name) == 0) missing.emplace_back(name);
        }
        if (missing.empty()) break;
    }
    EXPECT_EQ(missing, std::vector<std::string>{});
}

// Planted mistakes. The first kind breaks a promise, which the workload finds.

std::string first_violation(Bugs bugs) {
    constexpr std::uint64_t kSeedsMax = 400;
    for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
        EchoWorkload workload{seed, bugs};
        std::string found = workload.run();
        if (found.empty()) continue;
        std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), found.c_str());
        return found;
    }
    return {};
}

TEST(EchoMutants, AcknowledgingBeforeTheSyncIsCaught) {
    EXPECT_NE(first_violation({.ack_before_sync = true}), "");
}

TEST(EchoMutants, TrustingAnUnsyncedTailIsCaught) {
    EXPECT_NE(first_violation({.trust_unsynced_tail = true}), "");
}

TEST(EchoMutants, ALostWakeUpIsCaught) {
    // Nobody is hurt, but nothing goes on, or nothing ends.
    const std::string found = first_violation({.lose_wake_up = true});
    EXPECT_TRUE(found.starts_with("no progress") || found.starts_with("a process does not close")) << found;
}

// The second kind would be undefined behaviour: a guard that is always on stops the process at the place itself.

TEST(EchoMutants, ATrustedLengthIsCaught) {
    GTEST_FLAG_SET(death_test_style, "fast");
    EXPECT_DEATH(first_violation({.trust_length = true}),
                 "check failed: (length <= kFrameBytesMax|begin <= size\\(\\) && length <= size\\(\\) - begin)");
}

TEST(EchoMutants, AUseAfterCloseIsCaught) {
    GTEST_FLAG_SET(death_test_style, "fast");
    EXPECT_DEATH(first_violation({.use_after_close = true}), "check failed: !closed");
}

// The third kind is undefined behaviour indeed, with no guard of ours in the way.
#ifdef MR_ECHO_ADDRESS_SANITIZER

TEST(EchoMutants, AReadBeyondTheFrameIsCaughtByTheAddressSanitizer) {
    GTEST_FLAG_SET(death_test_style, "fast");
    EXPECT_DEATH(first_violation({.read_beyond_frame = true}), "heap-buffer-overflow");
}

TEST(EchoMutants, AUseAfterFreeIsCaughtByTheSanitizers) {
    GTEST_FLAG_SET(death_test_style, "fast");
    // An object that is gone is first missed by its type, where that is looked at.
    EXPECT_DEATH(first_violation({.free_before_users_end = true}), "heap-use-after-free|invalid vptr");
}

#endif

}  // namespace
}  // namespace millrace::sim::echo
