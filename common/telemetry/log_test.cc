// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/log.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/runtime/asio/thread_pool.h"
#include "common/telemetry/log_format.h"
#include "common/telemetry/log_queue.h"
#include "common/telemetry/log_writer.h"

namespace millrace {
namespace {

using log_line::Level;
using log_line::Site;
using namespace std::chrono_literals;

TEST(LogLine, WritesKeysAndQuotesWhatWouldNotParse) {
    EXPECT_EQ(log_line::format(Level::kInfo, "journal opened", {{"files", 3}, {"dir", "/data"}, {"free", -1L}}),
              "info journal opened files=3 dir=/data free=-1");
    EXPECT_EQ(log_line::format(Level::kWarn, "x", {{"a", "two words"}, {"b", "say \"hi\""}, {"c", ""}}),
              "warn x a=\"two words\" b=\"say \\\"hi\\\"\" c=\"\"");
    EXPECT_EQ(log_line::format(Level::kError, "x", {{"a", std::string{"1\n2\t\r\x01\x7f"}}, {"b", "k=v"}, {"c", "\\"}}),
              "error x a=\"1\\n2\\t\\r\\x01\\x7f\" b=\"k=v\" c=\"\\\\\"");
    EXPECT_EQ(log_line::format(Level::kDebug, "x", {{"name", "M\u00fcller"}}), "debug x name=M\u00fcller");
}

TEST(LogLine, GoesToStderrWithUtcTime) {
    testing::internal::CaptureStderr();
    MR_LOG_INFO("service started", {"port", 9090});
    MR_LOG_WARN("no fields");
    MR_LOG_DEBUG("hidden by default", {"x", 1});
    log_line::set_level(Level::kDebug);
    MR_LOG_DEBUG("now shown");
    log_line::set_level(Level::kError);
    MR_LOG_WARN("hidden again");
    log_line::set_level(Level::kInfo);
    const std::string out = testing::internal::GetCapturedStderr();
    const std::string time = R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z )";
    EXPECT_TRUE(std::regex_match(out, std::regex{time + "info service started port=9090\n" + time + "warn no fields\n" +
                                                 time + "debug now shown\n"}))
        << out;
}

TEST(LogLine, LinesOfManyThreadsStayWhole) {
    testing::internal::CaptureStderr();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([] {
            for (int i = 0; i < 25; ++i) MR_LOG_INFO("line", {"text", std::string(200, 'x')});
        });
    }
    for (std::thread& thread : threads) thread.join();
    const std::string out = testing::internal::GetCapturedStderr();
    const std::string end = "info line text=" + std::string(200, 'x') + "\n";
    const std::size_t line_bytes = std::string{"2000-01-01T00:00:00.000Z "}.size() + end.size();
    ASSERT_EQ(out.size(), 100 * line_bytes);
    for (std::size_t i = 0; i < 100; ++i) ASSERT_EQ(out.substr((i + 1) * line_bytes - end.size(), end.size()), end);
}

TEST(LogLine, HasEveryTypeOfValue) {
    const Error error{ErrorCode::kNoSpace, "disk full"};
    EXPECT_EQ(log_line::format(Level::kInfo, "x", {{"a", true}, {"b", 0.25}, {"c", error}, {"d", std::uint64_t{1} << 63}, {"e", -5}}),
              "info x a=true b=0.25 c=\"no space: disk full\" d=9223372036854775808 e=-5");
}

TEST(LogLine, NeverShowsSecrets) {
    EXPECT_EQ(log_line::format(Level::kInfo, "x", {{"token", "abc"}, {"delegation_token", "def"}, {"user_password", "ghi"},
                                                   {"secret", ""}, {"authorization", "Basic x"}, {"stream", "t"}}),
              "info x token=*** delegation_token=*** user_password=*** secret=*** authorization=*** stream=t");
}

TEST(LogLine, IsBounded) {
    const std::string huge(100'000, 'x');
    const std::string one = log_line::format(Level::kInfo, "x", {{"a", huge}, {"b", 1}});
    EXPECT_LT(one.size(), 5000u);
    EXPECT_TRUE(one.ends_with("... b=1"));
    const std::string many = log_line::format(
        Level::kInfo, "x", {{"a", huge}, {"b", huge}, {"c", huge}, {"d", huge}, {"e", huge}, {"f", std::string(5000, '\n')}});
    EXPECT_EQ(many.size(), log_line::kLineBytesMax);
    EXPECT_TRUE(many.ends_with("..."));
}

TEST(LogLine, BoundContextStandsBeforeItsFields) {
    const log_line::Logger container{{"container", 7}, {"epoch", 3}};
    const log_line::Logger segment = container.with({{"segment", "a b"}});
    std::vector<std::string> seen;
    log_line::set_log_observer([&seen](Level, std::string_view line) { seen.emplace_back(line); });
    testing::internal::CaptureStderr();
    MR_LOG_WITH(container, kInfo, "recovered", {"lsn", 9});
    MR_LOG_WITH(segment, kWarn, "sealed");
    log_line::set_log_observer({});
    MR_LOG_INFO("not observed");
    const std::string out = testing::internal::GetCapturedStderr();
    EXPECT_EQ(seen, (std::vector<std::string>{"info recovered container=7 epoch=3 lsn=9",
                                              "warn sealed container=7 epoch=3 segment=\"a b\""}));
    EXPECT_NE(out.find("info recovered container=7 epoch=3 lsn=9\n"), std::string::npos);
}

// --- the queue

struct Written {
    std::mutex mutex;
    std::condition_variable changed;
    bool stuck = false;
    bool writing = false;
    std::vector<std::string> lines;

    void write(const std::string& line) {
        std::unique_lock lock{mutex};
        writing = true;
        changed.notify_all();
        changed.wait(lock, [this] { return !stuck; });
        writing = false;
        lines.push_back(line);
    }
    void stick(bool yes) {
        const std::lock_guard lock{mutex};
        stuck = yes;
        changed.notify_all();
    }
    void wait_until_writing() {
        std::unique_lock lock{mutex};
        changed.wait(lock, [this] { return writing; });
    }
    auto writer() {
        return [this](Level, std::int64_t, const std::string& line) { write(line); };
    }
};

constexpr std::int64_t kSecondNs = 1'000'000'000;

TEST(LogQueue, LimitsRepeatsOfAPlaceAndSaysHowMany) {
    Written written;
    log_line::LogQueue queue{{.bytes_max = 1 << 20, .error_reserve_bytes = 0, .write = written.writer()}};
    Site noisy{.level = Level::kWarn, .event = "noisy"};
    Site other{.level = Level::kInfo, .event = "other"};
    Site debug{.level = Level::kDebug, .event = "debug"};
    for (int i = 0; i < 150; ++i) queue.add(noisy, 5 * kSecondNs, "warn noisy");
    EXPECT_EQ(written.lines.size(), Site::kLinesMax);
    for (int i = 0; i < 150; ++i) queue.add(debug, 5 * kSecondNs, "debug");
    EXPECT_EQ(written.lines.size(), Site::kLinesMax + 150) << "debug is not limited";
    queue.add(other, 14 * kSecondNs, "info other");
    EXPECT_EQ(written.lines.back(), "info other") << "one place's noise does not silence another";
    // The period is over: a line of another place brings the count along.
    queue.add(other, 16 * kSecondNs, "info other");
    ASSERT_EQ(written.lines.size(), Site::kLinesMax + 153);
    EXPECT_EQ(written.lines[Site::kLinesMax + 151], "warn repeated lines dropped event=noisy lines_dropped=50");
    queue.add(noisy, 17 * kSecondNs, "warn noisy");
    EXPECT_EQ(written.lines.back(), "warn noisy") << "told already";
    EXPECT_EQ(queue.counts().repeats_dropped, 50u);
}

TEST(LogQueue, WallTimeThatStepsBackBeginsANewPeriod) {
    Written written;
    log_line::LogQueue queue{{.bytes_max = 1 << 20, .error_reserve_bytes = 0, .write = written.writer()}};
    Site noisy{.level = Level::kWarn, .event = "noisy"};
    for (int i = 0; i < 101; ++i) queue.add(noisy, 1000 * kSecondNs, "warn noisy");
    queue.add(noisy, 10 * kSecondNs, "warn again");
    EXPECT_EQ(written.lines.back(), "warn again");
    EXPECT_EQ(written.lines[Site::kLinesMax], "warn repeated lines dropped event=noisy lines_dropped=1");
}

TEST(LogQueue, SlowStderrHoldsNobodyUpAndCostsBoundedMemory) {
    Written written;
    ThreadPool pool{"log", 1};
    log_line::LogQueue queue{{.bytes_max = 10'000, .error_reserve_bytes = 10'000, .write = written.writer()}};
    queue.start(pool);
    written.stick(true);
    Site debug{.level = Level::kDebug, .event = "e"};
    Site error{.level = Level::kError, .event = "e"};
    queue.add(debug, 1, "first");
    written.wait_until_writing();
    const std::string line(100, 'x');
    for (int i = 0; i < 1000; ++i) queue.add(debug, 1, line);
    const std::uint64_t dropped = queue.counts().overflow_dropped;
    EXPECT_GT(dropped, 900u);
    queue.add(error, 1, "error lines have a reserve");
    EXPECT_EQ(queue.counts().overflow_dropped, dropped);
    EXPECT_FALSE(queue.flush(1ms));
    EXPECT_FALSE(queue.stop(1ms));
    EXPECT_FALSE(queue.idle());
    written.stick(false);
    EXPECT_TRUE(queue.stop(60s));
    EXPECT_TRUE(queue.idle());
    EXPECT_EQ(written.lines.front(), "first");
    EXPECT_EQ(written.lines.back(),
              "warn log lines dropped: stderr is too slow lines_dropped=" + std::to_string(dropped));
    EXPECT_EQ(written.lines[written.lines.size() - 2], "error lines have a reserve");
    EXPECT_EQ(written.lines.size(), 1000 - dropped + 3);
}

TEST(LogQueue, KeepsTheOrderOfManyThreads) {
    Written written;
    ThreadPool pool{"log", 1};
    log_line::LogQueue queue{{.bytes_max = 64 << 20, .error_reserve_bytes = 0, .write = written.writer()}};
    queue.start(pool);
    Site debug{.level = Level::kDebug, .event = "e"};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 1000; ++i) queue.add(debug, i, std::to_string(t) + " " + std::to_string(i));
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(queue.stop(60s));
    EXPECT_TRUE(queue.stop(60s)) << "twice does no harm";
    ASSERT_EQ(written.lines.size(), 4000u);
    std::vector<int> next(4);
    for (const std::string& line : written.lines) {
        const auto thread = static_cast<std::size_t>(line[0] - '0');
        EXPECT_EQ(line.substr(2), std::to_string(next[thread]++));
    }
}

TEST(LogWriterTest, BackgroundLinesAreThereAfterStopping) {
    testing::internal::CaptureStderr();
    {
        ThreadPool pool{"log", 1};
        log_line::write_in_background(pool);
        for (int i = 0; i < 50; ++i) MR_LOG_INFO("in the background", {"i", i});
        EXPECT_TRUE(log_line::flush(60s));
        MR_LOG_INFO("last in the background");
        EXPECT_TRUE(log_line::stop_background(60s));
    }
    MR_LOG_INFO("in the foreground");
    const std::string out = testing::internal::GetCapturedStderr();
    EXPECT_NE(out.find("i=49\n"), std::string::npos);
    EXPECT_LT(out.find("last in the background\n"), out.find("in the foreground\n"));
    EXPECT_EQ(std::ranges::count(out, '\n'), 52);
}

TEST(LogWriterDeathTest, LinesBeforeABrokenInvariantAreWritten) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    const auto break_an_invariant = [] {
        ThreadPool pool{"log", 1};
        log_line::write_in_background(pool);
        for (int i = 0; i < 90; ++i) MR_LOG_INFO("before", {"i", i});
        MR_LOG_ERROR("the last line");
        MR_CHECK(1 + 1 == 3);
    };
    EXPECT_DEATH(break_an_invariant(), "the last line");
}

}  // namespace
}  // namespace millrace
