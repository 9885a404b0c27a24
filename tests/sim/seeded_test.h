// SPDX-License-Identifier: Apache-2.0
//
// Tests that are run for many seeds.
//
//     class LogCrash : public sim::SeededTest {};
//     TEST_P(LogCrash, KeepsWhatItAcknowledged) { sim::World world{seed()}; ... }
//     INSTANTIATE_TEST_SUITE_P(Seeds, LogCrash, sim::seeds(), sim::seed_name);
//
// MILLRACE_SEEDS=count runs that many, MILLRACE_FIRST_SEED=n from n on (1); MILLRACE_SEED=n replays one. A failure prints
// the command. A log line of level error fails the test unless expect_error_lines() named it.
#pragma once

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "tests/sim/probes.h"

namespace millrace::sim {

inline std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 10) : otherwise;
}

inline auto seeds(std::uint64_t default_count = 20) {
    std::vector<std::uint64_t> chosen;
    if (std::getenv("MILLRACE_SEED") != nullptr) {
        chosen.push_back(number_from_environment("MILLRACE_SEED", 1));
    } else {
        const std::uint64_t count = number_from_environment("MILLRACE_SEEDS", default_count);
        const std::uint64_t first = number_from_environment("MILLRACE_FIRST_SEED", 1);
        for (std::uint64_t i = 0; i < count; ++i) chosen.push_back(first + i);
    }
    return ::testing::ValuesIn(chosen);
}

inline std::string seed_name(const ::testing::TestParamInfo<std::uint64_t>& info) {
    return "seed_" + std::to_string(info.param);
}

// Runs exactly the test that runs now, with this seed.
inline std::string replay_command(std::uint64_t seed) {
    std::string program;
    std::getline(std::ifstream{"/proc/self/cmdline"}, program, '\0');
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    return "MILLRACE_SEED=" + std::to_string(seed) + " " + program + " --gtest_filter='" +
           info->test_suite_name() + "." + info->name() + "'";
}

// Printed by a test that fails, and by one that aborts (a broken invariant).
inline std::string& replay_line() {
    static std::string line;
    return line;
}
inline void print_replay_line_and_abort(int) {
    (void)!::write(STDERR_FILENO, replay_line().data(), replay_line().size());
    std::signal(SIGABRT, SIG_DFL);
    std::abort();
}

class SeededTest : public ::testing::TestWithParam<std::uint64_t> {
protected:
    std::uint64_t seed() const { return GetParam(); }

    // Lines of level error that contain this text are part of the test.
    void expect_error_lines(std::string containing) { expected_errors_.push_back(std::move(containing)); }

    void SetUp() override {
        (void)take_error_lines();
        replay_line() = "replay: " + replay_command(seed()) + "\n";
        std::signal(SIGABRT, print_replay_line_and_abort);
    }
    void TearDown() override {
        for (const std::string& line : take_error_lines()) {
            if (!is_expected(line)) ADD_FAILURE() << "logged: " << line;
        }
        std::signal(SIGABRT, SIG_DFL);
        if (HasFailure()) std::fputs(replay_line().c_str(), stderr);
    }

private:
    bool is_expected(const std::string& line) const {
        return std::any_of(expected_errors_.begin(), expected_errors_.end(),
                           [&](const std::string& text) { return line.find(text) != std::string::npos; });
    }

    std::vector<std::string> expected_errors_;
};

}  // namespace millrace::sim
