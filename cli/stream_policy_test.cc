// SPDX-License-Identifier: Apache-2.0
#include "cli/stream_policy.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace millrace::cli {
namespace {

const StreamConfig kPlain{.min_segments = 3, .scaling = {}, .retention = {}};

TEST(StreamPolicy, LeavesWhatWasNotSaid) {
    EXPECT_TRUE(PolicyWords{}.empty());
    EXPECT_EQ(*apply({}, kPlain), kPlain);
    PolicyWords words;
    words.min_segments = 5;
    EXPECT_FALSE(words.empty());
    EXPECT_EQ(apply(words, kPlain)->min_segments, 5);
}

TEST(StreamPolicy, ReadsRatesAndAmounts) {
    PolicyWords words;
    words.scaling = "events";
    words.target_rate = 100;
    words.retention = "time";
    words.keep_at_least = "7d";
    words.keep_at_most = "3600";
    EXPECT_NE(apply(words, kPlain).error().detail().find("less than --keep-at-least"), std::string::npos);
    words.keep_at_most = "30d";
    const auto config = apply(words, kPlain);
    ASSERT_TRUE(config.ok());
    EXPECT_EQ(config->scaling, (ScalingPolicy{ScalingPolicy::By::kEvents, 100, 2}));
    EXPECT_EQ(config->retention, (RetentionPolicy{RetentionPolicy::By::kMilliseconds, 604'800'000, 2'592'000'000}));
    EXPECT_EQ(to_json(config->scaling).dump(), R"({"type":"events","target_rate":100,"scale_factor":2})");
    EXPECT_EQ(to_json(config->retention).dump(),
              R"({"type":"time","keep_at_least_ms":604800000,"keep_at_most_ms":2592000000})");
    EXPECT_EQ(spelled(config->scaling), "to be split at 100 events/s into 2");
    EXPECT_EQ(spelled(config->retention), "to keep at least 168h and at most 720h");

    // Amounts of another kind do not stay.
    PolicyWords size;
    size.retention = "size";
    size.keep_at_least = "10GiB";
    size.scaling = "fixed";
    const auto changed = apply(size, *config);
    ASSERT_TRUE(changed.ok());
    EXPECT_EQ(changed->retention, (RetentionPolicy{RetentionPolicy::By::kBytes, std::int64_t{10} << 30, 0}));
    EXPECT_EQ(to_json(changed->retention).dump(),
              R"({"type":"size","keep_at_least_bytes":10737418240,"keep_at_most_bytes":null})");
    EXPECT_EQ(changed->scaling, ScalingPolicy{});
}

TEST(StreamPolicy, RefusesWhatDoesNotGoTogether) {
    const auto detail = [](auto fill) {
        PolicyWords words;
        fill(words);
        const auto config = apply(words, kPlain);
        return config.ok() ? std::string{} : config.error().detail();
    };
    EXPECT_NE(detail([](PolicyWords& w) { w.target_rate = 5; }).find("--scaling"), std::string::npos);
    EXPECT_NE(detail([](PolicyWords& w) { w.scaling = "kib"; }).find("--target-rate"), std::string::npos);
    EXPECT_NE(detail([](PolicyWords& w) { w.keep_at_least = "1d"; }).find("--retention"), std::string::npos);
    EXPECT_NE(detail([](PolicyWords& w) { w.retention = "time"; }).find("--retention time needs"), std::string::npos);
    EXPECT_EQ(detail([](PolicyWords& w) { w.retention = "none"; }), "");
    EXPECT_NE(detail([](PolicyWords& w) {
                  w.retention = "size";
                  w.keep_at_least = "1d";
              }).find("--keep-at-least 1d: "),
              std::string::npos);
}

}  // namespace
}  // namespace millrace::cli
