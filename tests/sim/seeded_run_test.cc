// SPDX-License-Identifier: Apache-2.0
//
// What a seeded run tells: rare branches, probes, names of tasks that hang, error lines, the command that replays it.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "common/runtime/rare.h"
#include "common/telemetry/log.h"
#include "tests/sim/seeded_test.h"
#include "tests/sim/world.h"

namespace millrace::sim {
namespace {

using namespace std::chrono_literals;

// How often a rare branch was taken in a hundred looks.
int rare_hits(World& world) {
    int hits = 0;
    world.run([&]() -> Task<void> {
        for (int i = 0; i < 100; ++i) hits += MR_RARE("sim_test.branch");
        co_return;
    });
    return hits;
}

TEST(SimRare, IsOffOutsideOfAWorldAndUntilAWorldAsks) {
    EXPECT_FALSE(MR_RARE("sim_test.never"));
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World world{seed};
        EXPECT_EQ(rare_hits(world), 0);
    }
}

TEST(SimRare, IsOnInSomeSeedsAndTheSameInARepeatedOne) {
    int seeds_on = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        World first{seed};
        World second{seed};
        first.enable_rare();
        second.enable_rare();
        const int hits = rare_hits(first);
        EXPECT_EQ(hits, rare_hits(second));
        EXPECT_EQ(first.digest(), second.digest());
        EXPECT_LT(hits, 90);
        seeds_on += hits > 0;
    }
    EXPECT_GT(seeds_on, 8);
    EXPECT_LT(seeds_on, 40);
}

TEST(SimProbes, CountOnlyInsideAWorld) {
    MR_PROBE("sim_test.counted");
    EXPECT_EQ(probe_count("sim_test.counted"), 0u);
    World world{1};
    world.after(1s, [] { MR_PROBE("sim_test.counted"); });
    world.after(2s, [] { MR_PROBE("sim_test.counted"); });
    world.run_for(3s);
    MR_PROBE("sim_test.counted");
    EXPECT_EQ(probe_count("sim_test.counted"), 2u);
}

TEST(SimWorldTasks, NamesThoseThatHaveNotEnded) {
    World world{1};
    Signal never;
    world.spawn([&]() -> Task<void> { co_await sleep_for(world.clock(), 1s); }, "sleeper");
    world.spawn([&]() -> Task<void> { co_await never.wait(); }, "waiter");
    world.spawn([&]() -> Task<void> { co_await never.wait(); });
    EXPECT_EQ(world.blocked_tasks(), "sleeper, waiter");
    world.run_for(2s);
    EXPECT_EQ(world.blocked_tasks(), "waiter");
    never.notify_all();
    world.run_for(1s);
    EXPECT_EQ(world.blocked_tasks(), "no named task");
}

// Run by the tests below in processes of their own, and nowhere else.
auto child_seeds() {
    return std::getenv("MILLRACE_SIM_TEST_CHILD") != nullptr ? seeds(5) : ::testing::ValuesIn(std::vector<std::uint64_t>{});
}
class ChildRun : public SeededTest {};

TEST_P(ChildRun, LogsAnErrorInOneSeed) {
    World world{seed()};
    world.run([&]() -> Task<void> {
        MR_PROBE("sim_test.written_at_exit");
        if (seed() == 3) MR_LOG_ERROR("data at stake", {"segment", "s"});
        co_return;
    });
}

TEST_P(ChildRun, ExpectsItsError) {
    expect_error_lines("data at stake");
    World world{seed()};
    world.run([&]() -> Task<void> {
        MR_LOG_ERROR("data at stake", {"segment", "s"});
        co_return;
    });
}

TEST_P(ChildRun, BreaksAnInvariant) { MR_CHECK(seed() != 2); }

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ChildRun);
INSTANTIATE_TEST_SUITE_P(Seeds, ChildRun, child_seeds(), seed_name);

struct Outcome {
    int status = 0;
    std::string output;
};

Outcome run_command(const std::string& command) {
    Outcome run;
    std::FILE* pipe = ::popen(("export MILLRACE_SIM_TEST_CHILD=1; " + command + " 2>&1").c_str(), "r");
    MR_CHECK(pipe != nullptr);
    std::array<char, 4096> part{};
    while (const std::size_t count = std::fread(part.data(), 1, part.size(), pipe)) run.output.append(part.data(), count);
    run.status = ::pclose(pipe);
    return run;
}

std::string this_program() {
    std::string program;
    std::getline(std::ifstream{"/proc/self/cmdline"}, program, '\0');
    return program;
}

std::size_t count_of(const std::string& text, const std::string& what) {
    std::size_t count = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
    return count;
}

TEST(SeededRuns, AnErrorLineFailsTheSeedAndThePrintedCommandReplaysIt) {
    const Outcome run = run_command("unset MILLRACE_SEED MILLRACE_SEEDS; " + this_program() +
                                " --gtest_filter='*ChildRun.LogsAnErrorInOneSeed*'");
    EXPECT_NE(run.status, 0);
    EXPECT_EQ(count_of(run.output, "[       OK ]"), 4u) << run.output;
    EXPECT_NE(run.output.find("logged: error \"data at stake\"") != std::string::npos ||
                  run.output.find("logged: error data at stake") != std::string::npos,
              false)
        << run.output;
    const std::string mark = "replay: ";
    const std::size_t begin = run.output.find(mark);
    ASSERT_NE(begin, std::string::npos) << run.output;
    const std::string command = run.output.substr(begin + mark.size(), run.output.find('\n', begin) - begin - mark.size());
    EXPECT_TRUE(command.starts_with("MILLRACE_SEED=3 ")) << command;
    const Outcome again = run_command("unset MILLRACE_SEEDS; " + command);
    EXPECT_NE(again.status, 0);
    EXPECT_EQ(count_of(again.output, "[ RUN      ]"), 1u) << again.output;
    EXPECT_NE(again.output.find("/seed_3"), std::string::npos) << again.output;
}

TEST(SeededRuns, ABrokenInvariantPrintsTheCommandToo) {
    const Outcome run = run_command("unset MILLRACE_SEED MILLRACE_SEEDS; " + this_program() +
                                    " --gtest_filter='*ChildRun.BreaksAnInvariant*'");
    EXPECT_NE(run.status, 0);
    EXPECT_NE(run.output.find("replay: MILLRACE_SEED=2 "), std::string::npos) << run.output;
}

TEST(SeededRuns, AnExpectedErrorLineIsNoFailure) {
    const Outcome run = run_command("unset MILLRACE_SEED MILLRACE_SEEDS; " + this_program() +
                                " --gtest_filter='*ChildRun.ExpectsItsError*'");
    EXPECT_EQ(run.status, 0) << run.output;
    EXPECT_EQ(count_of(run.output, "[       OK ]"), 5u) << run.output;
}

TEST(SeededRuns, ProbesAreAppendedToTheNamedFileAtExit) {
    const std::string path = ::testing::TempDir() + "millrace_probes_" + std::to_string(::getpid());
    std::remove(path.c_str());
    const std::string command = "unset MILLRACE_SEEDS; MILLRACE_SEED=1 MILLRACE_PROBES=" + path + " " + this_program() +
                                " --gtest_filter='*LogsAnErrorInOneSeed*'";
    EXPECT_EQ(run_command(command).status, 0);
    EXPECT_EQ(run_command(command).status, 0);
    const Outcome file = run_command("cat " + path);
    EXPECT_EQ(count_of(file.output, "sim_test.written_at_exit 1\n"), 2u) << file.output;
    std::remove(path.c_str());
}

}  // namespace
}  // namespace millrace::sim
