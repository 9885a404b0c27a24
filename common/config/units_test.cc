// SPDX-License-Identifier: Apache-2.0
#include "common/config/units.h"

#include <gtest/gtest.h>

#include "common/config/nearest.h"

namespace millrace::config {
namespace {

using namespace literals;
using namespace std::chrono_literals;

TEST(ByteSize, IsReadWithAndWithoutSuffix) {
    const std::vector<std::pair<std::string, std::uint64_t>> right{
        {"0", 0},         {"1000", 1000},          {"1B", 1},           {"64MiB", 64ull << 20}, {"64 MiB", 64ull << 20},
        {"2gib", 2ull << 30}, {"1KiB", 1024},      {"1kb", 1000},       {"3TB", 3'000'000'000'000},
        {"18446744073709551615", UINT64_MAX},      {"16777215TiB", 16777215ull << 40}};
    for (const auto& [text, bytes] : right) {
        const auto size = parse_byte_size(text);
        ASSERT_TRUE(size.ok()) << text;
        EXPECT_EQ(size->bytes, bytes) << text;
    }
}

TEST(ByteSize, IsRefusedWhenAmbiguousOrNoSize) {
    for (const std::string text : {"", "x", "-1", "+1", "1.5MiB", "64M", "64 M", "64  MiB", "MiB", "1 ", " 1", "0x10", "1e3", "1MiBs"}) {
        const auto size = parse_byte_size(text);
        ASSERT_FALSE(size.ok()) << text;
        EXPECT_NE(size.error().detail().find("64MiB"), std::string::npos) << size.error().detail();
    }
    for (const std::string text : {"18446744073709551616", "16777216TiB", "99999999999999999999999"}) {
        const auto size = parse_byte_size(text);
        ASSERT_FALSE(size.ok()) << text;
        EXPECT_NE(size.error().detail().find("less than"), std::string::npos);
    }
}

TEST(ByteSize, IsPrintedSoThatItReadsBack) {
    EXPECT_EQ(to_string(0_MiB), "0B");
    EXPECT_EQ(to_string(256_MiB), "256MiB");
    EXPECT_EQ(to_string(ByteSize{1000}), "1000B");
    EXPECT_EQ(to_string(1024_GiB), "1TiB");
    for (std::uint64_t bytes : {0ull, 1ull, 1023ull, 1024ull, 1536ull, 1ull << 63, ~0ull}) {
        EXPECT_EQ(parse_byte_size(to_string(ByteSize{bytes}))->bytes, bytes);
    }
}

TEST(DurationText, IsReadInItsUnitOrItsSuffix) {
    const std::vector<std::pair<std::string, Duration>> right{
        {"0", 0s}, {"10", 10s}, {"0.5", 500ms}, {"10ms", 10ms}, {"1.5s", 1500ms}, {"2m", 2min}, {"3h", 3h}, {"1d", 24h},
        {"7us", 7us}, {"9 ns", 9ns}, {"0.0000000019", 1ns}};
    for (const auto& [text, time] : right) {
        const auto duration = parse_duration(text, TimeUnit::kSeconds);
        ASSERT_TRUE(duration.ok()) << text;
        EXPECT_EQ(*duration, time) << text;
    }
    EXPECT_EQ(*parse_duration("10", TimeUnit::kMilliseconds), 10ms);
    EXPECT_EQ(*parse_duration("10s", TimeUnit::kMilliseconds), 10s);
}

TEST(DurationText, IsRefusedWhenItIsNone) {
    for (const std::string text : {"", "s", "-1", "1.", ".5", "1.s", "1 2", "1sec", "1S", "inf", "nan", "1e3"}) {
        const auto duration = parse_duration(text, TimeUnit::kSeconds);
        ASSERT_FALSE(duration.ok()) << text;
        EXPECT_NE(duration.error().detail().find("seconds"), std::string::npos);
    }
    for (const std::string text : {"9223372036", "106752d", "99999999999999999999"}) {
        EXPECT_FALSE(parse_duration(text, TimeUnit::kSeconds).ok()) << text;
    }
    EXPECT_TRUE(parse_duration("9223372035.999999999", TimeUnit::kSeconds).ok());
}

TEST(DurationText, IsPrintedSoThatItReadsBack) {
    EXPECT_EQ(to_string(Duration{0}), "0s");
    EXPECT_EQ(to_string(Duration{1500ms}), "1500ms");
    EXPECT_EQ(to_string(Duration{90s}), "90s");
    EXPECT_EQ(to_string(Duration{2h}), "2h");
    EXPECT_EQ(to_string(Duration{48h}), "48h");
    for (const Duration duration : {Duration{1ns}, Duration{1001us}, Duration{60s}, Duration{61min}}) {
        EXPECT_EQ(*parse_duration(to_string(duration), TimeUnit::kSeconds), duration);
    }
}

TEST(Nearest, FindsTypingErrorsAndBeginnings) {
    const std::vector<std::string> known{"cache-bytes", "controller-port", "http-port"};
    EXPECT_EQ(nearest("cach-bytes", known), "cache-bytes");
    EXPECT_EQ(nearest("htpp-port", known), "http-port");
    EXPECT_EQ(nearest("contr", known), "controller-port");
    EXPECT_EQ(nearest("quite-different", known), "");
    EXPECT_EQ(nearest(std::string(100'000, 'x'), known), "");
    EXPECT_EQ(hint_for("cachebytes", known), " Did you mean 'cache-bytes'?");
    EXPECT_EQ(hint_for("", known), "");
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

}  // namespace
}  // namespace millrace::config
