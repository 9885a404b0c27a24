// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/histogram.h"
#include "cli/key_rule.h"
#include "cli/line_reader.h"
#include "cli/machine.h"

namespace millrace::cli {
namespace {

// --- histogram

TEST(Histogram, IsExactForSmallValues) {
    Histogram histogram;
    for (std::uint64_t v = 1; v <= 100; ++v) histogram.record(v);
    EXPECT_EQ(histogram.count(), 100u);
    EXPECT_EQ(histogram.at(0.5), 50u);
    EXPECT_EQ(histogram.at(0.99), 99u);
    EXPECT_EQ(histogram.at(1.0), 100u);
    EXPECT_EQ(histogram.max(), 100u);
}

TEST(Histogram, StaysWithinOnePercentOverTheWholeRange) {
    for (std::uint64_t v = 1; v < std::uint64_t{1} << 62; v = v * 3 / 2 + 1) {
        Histogram histogram;
        histogram.record(v);
        histogram.record(UINT64_MAX);  // so that the maximum does not hide the bucket's end
        const auto got = static_cast<double>(histogram.at(0.5));
        EXPECT_GE(got, static_cast<double>(v));
        EXPECT_LT(got, static_cast<double>(v) * 1.01) << v;
    }
}

TEST(Histogram, MatchesSortedValuesWhenMerged) {
    std::mt19937_64 chance{42};
    std::vector<std::uint64_t> values;
    Histogram first;
    Histogram second;
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t value = chance() >> (chance() % 50);
        values.push_back(value);
        (i % 2 ? first : second).record(value);
    }
    first.merge(second);
    std::ranges::sort(values);
    for (const double share : {0.01, 0.25, 0.5, 0.95, 0.99, 0.999}) {
        const auto exact = static_cast<double>(values[static_cast<std::size_t>(std::ceil(share * 20'000)) - 1]);
        EXPECT_NEAR(static_cast<double>(first.at(share)), exact, exact * 0.01) << share;
    }
    EXPECT_EQ(first.at(1.0), values.back());
}

TEST(Histogram, AnswersZeroWhenEmpty) { EXPECT_EQ(Histogram{}.at(0.5), 0u); }

// --- lines

LineReader::Source source_of(std::string text, std::size_t step) {
    return [text = std::move(text), at = std::size_t{0}, step](char* into, std::size_t size) mutable -> Result<std::size_t> {
        const std::size_t n = std::min({size, step, text.size() - at});
        text.copy(into, n, at);
        at += n;
        return n;
    };
}

std::vector<std::string> lines_of(LineReader& reader) {
    std::vector<std::string> lines;
    while (true) {
        const auto line = reader.next();
        EXPECT_TRUE(line.ok());
        if (!line || line->end) return lines;
        lines.emplace_back(line->text);
        EXPECT_EQ(reader.number(), lines.size());
    }
}

TEST(LineReader, CutsAtNewlinesWhateverTheSizeOfReads) {
    const std::string binary{"\0\xff\r", 3};
    for (const std::size_t step : {1u, 2u, 3u, 100u}) {
        LineReader reader{source_of("one\n\n" + binary + "\nlast without newline", step), 100};
        EXPECT_EQ(lines_of(reader), (std::vector<std::string>{"one", "", binary, "last without newline"}));
    }
}

TEST(LineReader, HasNoLinesWhenEmptyAndNoneAfterTheLastNewline) {
    LineReader empty{source_of("", 10), 100};
    EXPECT_TRUE(lines_of(empty).empty());
    LineReader one{source_of("\n", 10), 100};
    EXPECT_EQ(lines_of(one), std::vector<std::string>{""});
}

TEST(LineReader, TakesTheLongestLineAndNamesTheOneBeyond) {
    const std::string longest(3'000'000, 'x');
    LineReader reader{source_of(longest + "\n" + longest + "\n" + longest + "y\nrest", 100'000), longest.size()};
    EXPECT_EQ(reader.next()->text, longest);
    EXPECT_EQ(reader.next()->text, longest);
    const auto beyond = reader.next();
    ASSERT_FALSE(beyond.ok());
    EXPECT_TRUE(beyond.error().is(ErrorCode::kTooLarge));
    EXPECT_NE(beyond.error().detail().find("line 3 "), std::string::npos) << beyond.error().detail();
}

TEST(LineReader, PassesErrorsOfItsSourceOn) {
    LineReader reader{[](char*, std::size_t) -> Result<std::size_t> { return Error{ErrorCode::kIo, "gone"}; }, 100};
    EXPECT_EQ(reader.next().error().detail(), "gone");
}

// --- keys

TEST(KeyRule, FindsFieldsBetweenBlanksAndTabs) {
    const auto second = KeyRule::field(2);
    EXPECT_EQ(second->key_of("a b c"), "b");
    EXPECT_EQ(second->key_of("  a \t b"), "b");
    EXPECT_EQ(second->key_of("a "), std::nullopt);
    EXPECT_EQ(second->key_of(""), std::nullopt);
    EXPECT_EQ(KeyRule::field(1)->key_of("alone"), "alone");
}

TEST(KeyRule, TakesTheFirstGroupOrTheWholeMatch) {
    EXPECT_EQ((*KeyRule::regex("user=(\\w+) (\\w+)"))->key_of("x user=ann sold"), "ann");
    EXPECT_EQ((*KeyRule::regex("[0-9]+"))->key_of("order 4711 done"), "4711");
    EXPECT_EQ((*KeyRule::regex("[0-9]+"))->key_of("none"), std::nullopt);
    // The group takes no part in the match.
    EXPECT_EQ((*KeyRule::regex("a(b)?"))->key_of("ac"), "");
}

TEST(KeyRule, FindsThePackageInThePackageLog) {
    const auto rule = KeyRule::regex("^\\S+ \\S+ (?:status \\S+|\\S+) (\\S+)");
    ASSERT_TRUE(rule.ok());
    EXPECT_EQ((*rule)->key_of("2026-01-01 10:00:00 status half-configured libc-bin:amd64 2.36"), "libc-bin:amd64");
    EXPECT_EQ((*rule)->key_of("2026-01-01 10:00:00 upgrade git:amd64 1 2"), "git:amd64");
    EXPECT_EQ((*rule)->key_of("2026-01-01 10:00:00 startup archives unpack"), "archives");
}

TEST(KeyRule, StandsEightMegabytes) {
    const std::string line = std::string(8 * 1024 * 1024, 'a') + "!";
    EXPECT_EQ((*KeyRule::regex("(a|aa)*(!)"))->key_of(line), "a");
}

TEST(KeyRule, QuotesWhatIsWrongWithAnExpression) {
    const auto rule = KeyRule::regex("(open");
    ASSERT_FALSE(rule.ok());
    EXPECT_NE(rule.error().detail().find("'(open'"), std::string::npos);
}

// --- arguments

TEST(Arguments, ReadSegmentIdsInBothSpellings) {
    const auto ids = parse_segment_ids("0,4294967297,2.3");
    ASSERT_TRUE(ids.ok());
    EXPECT_EQ(*ids, (std::vector<SegmentId>{{0}, SegmentId::of(1, StreamEpoch{1}), SegmentId::of(3, StreamEpoch{2})}));
    for (const char* wrong : {"", "x", "1,", "-1", "1.x", "1.-2", "99999999999999999999", "0x1"}) {
        EXPECT_FALSE(parse_segment_ids(wrong).ok()) << wrong;
    }
}

TEST(Arguments, ReadKeyRanges) {
    const auto ranges = parse_key_ranges("0-0.25,0.25-1,1e-3-2e-3");
    ASSERT_TRUE(ranges.ok());
    EXPECT_EQ(*ranges, (std::vector<KeyRange>{{0, 0.25}, {0.25, 1.0}, {0.001, 0.002}}));
    for (const char* wrong : {"", "0", "0-", "-1", "0.5-0.5", "0.6-0.5", "0-1.1", "-0.1-0.5", "nan-1", "0-0.5,"}) {
        EXPECT_FALSE(parse_key_ranges(wrong).ok()) << wrong;
    }
}

TEST(Output, PadsColumnsAndGroupsDigits) {
    EXPECT_EQ(format_table({{"A", "LONG"}, {"value", "x"}}), "A      LONG\nvalue  x");
    EXPECT_EQ(with_commas(0), "0");
    EXPECT_EQ(with_commas(999), "999");
    EXPECT_EQ(with_commas(1000), "1,000");
    EXPECT_EQ(with_commas(1234567), "1,234,567");
}

// --- the grammar, as far as no server is needed

struct Ran {
    int code;
    std::string error;
};

Ran run_quietly(const std::vector<std::string>& arguments) {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    const int code = run(arguments);
    testing::internal::GetCapturedStdout();
    return {code, testing::internal::GetCapturedStderr()};
}

TEST(Grammar, EveryCommandHasHelpWithExamples) {
    const std::vector<std::vector<std::string>> commands{
        {"standalone"},      {"segmentstore"},  {"admin", "verify"}, {"admin", "journal"}, {"admin", "containers"}, {"admin", "segments"},
        {"admin", "extents"}, {"admin", "objects"}, {"scope", "create"}, {"scope", "list"},   {"stream", "create"}, {"stream", "list"}, {"stream", "describe"},
        {"stream", "scale"}, {"stream", "seal"},  {"stream", "delete"}, {"write"},           {"read"},           {"bench", "write"}, {"bench", "read"},
        {"bench", "latency"}, {"bench", "limits"}, {"bench", "null-server"}, {"settings"},       {"metrics"},       {"wire-check"}};
    for (std::vector<std::string> command : commands) {
        command.push_back("--help");
        testing::internal::CaptureStdout();
        EXPECT_EQ(run(command), 0) << command.front();
        const std::string help = testing::internal::GetCapturedStdout();
        EXPECT_NE(help.find("Examples:"), std::string::npos) << help;
    }
    EXPECT_EQ(run_quietly({"help", "stream", "scale"}).code, 0);
    EXPECT_EQ(run_quietly({"--help"}).code, 0);
    EXPECT_EQ(run_quietly({"--version"}).code, 0);
    EXPECT_EQ(run_quietly({"version"}).code, 0);
}

TEST(Grammar, RefusesWrongUsageNamingTheCulpritAndHinting) {
    const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> cases{
        {{}, {"a command is missing", "standalone"}},
        {{"raed"}, {"unknown command 'raed'", "Did you mean 'read'?"}},
        {{"stream"}, {"millrace stream: a command is missing", "describe"}},
        {{"stream", "creat", "a/b"}, {"unknown command 'creat'", "Did you mean 'create'?"}},
        {{"--controler", "x"}, {"unknown option '--controler'"}},
        {{"read", "a/b", "--folow"}, {"unknown option '--folow'", "Did you mean '--follow'?"}},
        {{"read", "a/b", "c"}, {"'c' is one argument too many"}},
        {{"read"}, {"SCOPE/STREAM is required"}},
        {{"read", "a/b", "--follow", "--until", "tail"}, {"--follow", "--until"}},
        {{"read", "a/b", "--count", "0"}, {"--count"}},
        {{"read", "a/b", "--from", "nowhere"}, {"--from"}},
        {{"read", "no-slash"}, {"no-slash"}},
        {{"write", "a/b", "--key", "k", "--key-field", "1"}, {"--key"}},
        {{"write", "a/b", "--key-field", "0"}, {"--key-field"}},
        {{"write", "a/b", "--key-regex", "("}, {"not a regular expression"}},
        {{"write", "a b/c"}, {"a b"}},
        {{"scope", "create", "sp ace"}, {"sp ace"}},
        {{"scope", "create", ""}, {"scope"}},
        {{"scope", "create", std::string(251, 'a')}, {"250"}},
        {{"scope", "create", "_internal"}, {"_internal"}},
        {{"scope", "list", "--output", "xml"}, {"xml"}},
        {{"stream", "create", "a/b", "--segments", "0"}, {"--segments"}},
        {{"stream", "create", "a/b", "--segments", "many"}, {"many"}},
        {{"stream", "create", "a/b/c"}, {"a/b/c"}},
        {{"stream", "scale", "a/b", "--seal", "0"}, {"--ranges"}},
        {{"stream", "scale", "a/b", "--seal", "x", "--ranges", "0-1"}, {"'x' is not a segment id"}},
        {{"stream", "scale", "a/b", "--seal", "0", "--ranges", "1-0"}, {"'1-0' is not a key range"}},
        {{"scope", "list", "--controller", "nowhere"}, {"nowhere"}},
        {{"scope", "list", "--timeout", "0"}, {"--timeout"}},
        {{"bench", "write", "a/b", "--rate", "-1"}, {"--rate"}},
        {{"bench", "write", "a/b", "--every", "1s"}, {"--every needs a --rate"}},
        {{"bench", "write", "a/b", "--rate", "10", "--every", "soon"}, {"--every 'soon'", "1s"}},
        {{"bench", "write", "a/b", "--rate", "10", "--every", "1us"}, {"--every '1us'", "1ms"}},
        {{"standalone"}, {"--data-dir is required"}},
        {{"standalone", "--data-dir", "/tmp/x", "--controller-port", "70000"}, {"--controller-port"}},
        {{"standalone", "--data-dir", "/tmp/x", "--bind", "0.0.0.0"}, {"--advertise"}},
        {{"standalone", "--data-dir", "/tmp/x", "--cache-bytes", "1MiB"}, {"--cache-bytes 1MiB", "8MiB to 64GiB"}},
        {{"standalone", "--data-dir", "/tmp/x", "--cache-bytes", "64M"}, {"--cache-bytes 64M", "64MiB"}},
        {{"standalone", "--data-dir", "/tmp/x", "--cach-bytes", "1"}, {"Did you mean '--cache-bytes'?"}},
        {{"standalone", "--data-dir", ""}, {"--data-dir ''", "a path"}},
        {{"standalone", "--data-dir", "/tmp/x", "--http-port", "9090"}, {"--http-port 9090", "controller-port", "differ"}},
        {{"standalone", "--data-dir", "/tmp/x", "--journal-total-bytes-max", "64MiB"}, {"room for two files"}},
        {{"standalone", "--config", "/nowhere.conf"}, {"/nowhere.conf", "No such file"}},
        {{"segmentstore", "--data-dir", "/tmp/x"}, {"--standalone"}},
        {{"segmentstore", "--standalone"}, {"--data-dir is required"}},
        {{"settings", "--output", "yaml"}, {"--output yaml", "table, json"}},
    };
    for (const auto& [arguments, expected] : cases) {
        const Ran ran = run_quietly(arguments);
        std::string spelled;
        for (const std::string& argument : arguments) spelled += " " + argument;
        EXPECT_EQ(ran.code, 2) << spelled << ": " << ran.error;
        EXPECT_NE(ran.error.find("--help'"), std::string::npos) << spelled << ": " << ran.error;
        for (const std::string& part : expected) {
            EXPECT_NE(ran.error.find(part), std::string::npos) << spelled << ": " << ran.error;
        }
    }
}

TEST(Grammar, RefusesAFileThatIsNotThere) {
    const Ran ran = run_quietly({"write", "a/b", "/nowhere/to/be/found"});
    EXPECT_EQ(ran.code, 1);
    EXPECT_NE(ran.error.find("'/nowhere/to/be/found': No such file"), std::string::npos) << ran.error;
    EXPECT_NE(run_quietly({"write", "a/b", "/tmp"}).error.find("is a directory"), std::string::npos);
}

TEST(Files, AreReplacedWholly) {
    const std::string path = testing::TempDir() + "/millrace-cli-position";
    ASSERT_TRUE(replace_file(path, "first\n").ok());
    ASSERT_TRUE(replace_file(path, "second\n").ok());
    EXPECT_EQ(*read_small_file(path), "second\n");
    EXPECT_FALSE(replace_file("/nowhere/position", "x").ok());
    std::remove(path.c_str());
}

}  // namespace
}  // namespace millrace::cli
