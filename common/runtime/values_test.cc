// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "common/runtime/aligned_buffer.h"
#include "common/runtime/network.h"
#include "common/runtime/random.h"

namespace millrace {
namespace {

TEST(SeededRandom, IsTheSameForTheSameSeed) {
    SeededRandom a{7};
    SeededRandom b{7};
    SeededRandom c{8};
    const std::uint64_t first = a.next();
    EXPECT_EQ(first, b.next());
    EXPECT_NE(first, c.next());
}

TEST(SeededRandom, MatchesKnownValues) {
    // splitmix64(0) gives e220a8397b1dcdaf, 6e789e6aa1b965f4, 06c45d188009454f, f88bb8a8724c81ec;
    // xoshiro256** on that state starts as follows.
    SeededRandom random{0};
    EXPECT_EQ(random.next(), 0x99ec5f36cb75f2b4u);
    EXPECT_EQ(random.next(), 0xbf6e1f784956452au);
    EXPECT_EQ(random.next(), 0x1a5f849d4933e6e0u);
}

TEST(SeededRandom, BetweenStaysInRangeAndReachesAll) {
    SeededRandom random{1};
    std::array<int, 7> hits{};
    for (int i = 0; i < 7000; ++i) {
        const std::uint64_t drawn = random.between(100, 107);
        ASSERT_GE(drawn, 100u);
        ASSERT_LT(drawn, 107u);
        ++hits[drawn - 100];
    }
    for (const int count : hits) EXPECT_NEAR(count, 1000, 200);
    EXPECT_EQ(random.between(5, 6), 5u);
    const std::uint64_t high = random.between(0, ~0ull);
    EXPECT_LT(high, ~0ull);
}

TEST(SeededRandom, UnitIsBelowOne) {
    SeededRandom random{2};
    double sum = 0;
    for (int i = 0; i < 10000; ++i) {
        const double drawn = random.unit();
        ASSERT_GE(drawn, 0.0);
        ASSERT_LT(drawn, 1.0);
        sum += drawn;
    }
    EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(SeededRandom, FillsEveryByteOfOddLengths) {
    SeededRandom random{3};
    std::array<std::set<std::byte>, 13> seen;
    for (int i = 0; i < 16; ++i) {
        std::array<std::byte, 13> bytes{};
        random.fill(bytes);
        for (std::size_t at = 0; at < bytes.size(); ++at) seen[at].insert(bytes[at]);
    }
    for (const auto& values : seen) EXPECT_GT(values.size(), 4u);
}

TEST(Endpoint, ParsesAndPrints) {
    for (const std::string text : {"localhost:9090", "127.0.0.1:1", "store-0.millrace_net:65535", "[::1]:80",
                                   "[fe80::1%eth0]:12345"}) {
        const auto parsed = Endpoint::parse(text);
        ASSERT_TRUE(parsed.ok()) << text;
        EXPECT_EQ(parsed->to_string(), text);
    }
    EXPECT_EQ(Endpoint::parse("[::1]:80")->host, "::1");
    EXPECT_EQ(Endpoint::parse("a:0", true)->port, 0);
}

TEST(Endpoint, RefusesWhatIsNotHostAndPort) {
    for (const std::string text :
         {"", "localhost", "localhost:", ":80", "localhost:0", "localhost:65536", "localhost:8o", "localhost:-1",
          "localhost: 80", "::1:80", "[::1]", "[::1:80", "[::1]80", "[localhost]:80", "[]:80", "a b:80", "a/b:80",
          "localhost:99999999999999999999"}) {
        const auto parsed = Endpoint::parse(text);
        ASSERT_FALSE(parsed.ok()) << text;
        EXPECT_TRUE(parsed.error().is(ErrorCode::kInvalidArgument));
        EXPECT_NE(parsed.error().detail().find(text), std::string::npos);
    }
    EXPECT_FALSE(Endpoint::parse(std::string(300, 'a') + ":80").ok());
}

TEST(AlignedBuffer, IsAlignedAndRoundedUp) {
    AlignedBuffer buffer{5000};
    EXPECT_EQ(buffer.size(), 8192u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kDirectAlignment, 0u);
}

}  // namespace
}  // namespace millrace
