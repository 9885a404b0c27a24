// SPDX-License-Identifier: Apache-2.0
#include "common/config/config_file.h"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

std::string parse_error_of(std::string_view contents) {
    const auto parsed = parse_config_file("f.conf", contents);
    return parsed.ok() ? std::string{} : parsed.error().detail();
}

TEST(ConfigFile, HasNamesValuesAndComments) {
    const auto entries = parse_config_file("f.conf",
                                           "\xef\xbb\xbf# heading\n"
                                           "\n"
                                           "cache-bytes = 64MiB   # a comment\r\n"
                                           "  bind=0.0.0.0\t\n"
                                           "password = a#b\n"
                                           "advertise = \"\"\n"
                                           "text = \" # \\\"quoted\\\" \\\\ \" # comment\n"
                                           "last = one two");
    ASSERT_TRUE(entries.ok()) << entries.error().detail();
    const std::vector<std::tuple<std::string, std::string, std::size_t>> expected{
        {"cache-bytes", "64MiB", 3}, {"bind", "0.0.0.0", 4},          {"password", "a#b", 5},
        {"advertise", "", 6},        {"text", " # \"quoted\" \\ ", 7}, {"last", "one two", 8}};
    ASSERT_EQ(entries->size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(std::tuple((*entries)[i].name, (*entries)[i].value, (*entries)[i].line), expected[i]);
    }
}

TEST(ConfigFile, MayBeEmpty) {
    EXPECT_TRUE(parse_config_file("f", "")->empty());
    EXPECT_TRUE(parse_config_file("f", "\n\n# x\n\t\n")->empty());
}

TEST(ConfigFile, NamesTheLineThatIsWrong) {
    EXPECT_EQ(parse_error_of("a = 1\nwhat\n"), "f.conf:2: a line should be 'name = value', a comment after '#', or blank");
    EXPECT_NE(parse_error_of("[section]\n").find("f.conf:1: a line should be"), std::string::npos);
    EXPECT_NE(parse_error_of("= 1\n").find("f.conf:1: the name before '='"), std::string::npos);
    EXPECT_NE(parse_error_of("two words = 1\n").find("f.conf:1: the name"), std::string::npos);
    EXPECT_NE(parse_error_of("a =\n").find("f.conf:1: a: the value is missing"), std::string::npos);
    EXPECT_NE(parse_error_of("a = # 5\n").find("f.conf:1: a: the value is missing"), std::string::npos);
    EXPECT_NE(parse_error_of("a = \"open\n").find("f.conf:1: a: a quoted value"), std::string::npos);
    EXPECT_NE(parse_error_of("a = \"x\" y\n").find("a quoted value"), std::string::npos);
    EXPECT_NE(parse_error_of("a = \"x\"# y\n").find("a quoted value"), std::string::npos);
    EXPECT_NE(parse_error_of("a = \"\\n\"\n").find("a quoted value"), std::string::npos);
    EXPECT_NE(parse_error_of(std::string_view{"a = \0\n", 6}).find("f.conf:1: a control character"), std::string::npos);
    EXPECT_EQ(parse_error_of("a = 1\n\na = 2\n"), "f.conf:3: a was set in line 1 already; keep one of the two");
}

TEST(ConfigFile, StandsAnyBytes) {
    // No crash, whatever it is; an error begins with the place.
    std::uint32_t state = 1;
    for (int round = 0; round < 2000; ++round) {
        std::string bytes;
        for (int i = 0; i < 40; ++i) {
            state = state * 1664525 + 1013904223;
            constexpr std::string_view kLikely = "a=\"\\# \n\r-\t";
            bytes += (state >> 24) % 3 != 0 ? kLikely[(state >> 16) % kLikely.size()] : static_cast<char>(state >> 8);
        }
        const auto parsed = parse_config_file("f", bytes);
        if (!parsed) EXPECT_TRUE(parsed.error().detail().starts_with("f:")) << parsed.error().detail();
    }
}

}  // namespace
}  // namespace millrace::config
