// SPDX-License-Identifier: Apache-2.0
//
// Tests that are run for many seeds.
//
//     class LogCrash : public sim::SeededTest {};
//     TEST_P(LogCrash, KeepsWhatItAcknowledged) { sim::World world{seed()}; ... }
//     INSTANTIATE_TEST_SUITE_P(Seeds, LogCrash, sim::seeds(), sim::seed_name);
//
// MILLRACE_SEEDS=count runs that many, MILLRACE_SEED=n replays one; a failure prints the command.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

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
        for (std::uint64_t seed = 1; seed <= count; ++seed) chosen.push_back(seed);
    }
    return ::testing::ValuesIn(chosen);
}

inline std::string seed_name(const ::testing::TestParamInfo<std::uint64_t>& info) {
    return "seed_" + std::to_string(info.param);
}

class SeededTest : public ::testing::TestWithParam<std::uint64_t> {
protected:
    std::uint64_t seed() const { return GetParam(); }

    void TearDown() override {
        if (!HasFailure()) return;
        std::string program;
        std::getline(std::ifstream{"/proc/self/cmdline"}, program, '\0');
        const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
        std::fprintf(stderr, "replay: MILLRACE_SEED=%llu %s --gtest_filter='%s.%s'\n",
                     static_cast<unsigned long long>(seed()), program.c_str(),
                     info->test_suite_name(), info->name());
    }
};

}  // namespace millrace::sim
