// SPDX-License-Identifier: Apache-2.0
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/telemetry/log.h"
#include "common/telemetry/log_format.h"
#include "common/telemetry/metrics.h"

namespace millrace {
namespace {

using log_line::Level;

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
            for (int i = 0; i < 100; ++i) MR_LOG_INFO("line", {"text", std::string(200, 'x')});
        });
    }
    for (std::thread& thread : threads) thread.join();
    const std::string out = testing::internal::GetCapturedStderr();
    const std::string end = "info line text=" + std::string(200, 'x') + "\n";
    const std::size_t line_bytes = std::string{"2000-01-01T00:00:00.000Z "}.size() + end.size();
    ASSERT_EQ(out.size(), 400 * line_bytes);
    for (std::size_t i = 0; i < 400; ++i) ASSERT_EQ(out.substr((i + 1) * line_bytes - end.size(), end.size()), end);
}

TEST(Metrics, RenderInPrometheusText) {
    telemetry::counter("millrace_test_bytes_total", "Bytes.", {{"container", "1"}}).add(5);
    telemetry::counter("millrace_test_bytes_total", "Bytes.", {{"container", "1"}}).add();
    telemetry::counter("millrace_test_bytes_total", "Bytes.", {{"container", "2"}}).add(7);
    telemetry::gauge("millrace_test_open_files", "Files.").set(2.5);
    telemetry::histogram("millrace_test_sync_seconds", "Syncs.").observe(0.0002);
    telemetry::histogram("millrace_test_batch_bytes", "Batches.", {}, {1, 10}).observe(5);
    const std::string text = telemetry::render();
    for (const std::string line : {
             "# HELP millrace_test_bytes_total Bytes.",
             "# TYPE millrace_test_bytes_total counter",
             "millrace_test_bytes_total{container=\"1\"} 6",
             "millrace_test_bytes_total{container=\"2\"} 7",
             "millrace_test_open_files 2.5",
             "millrace_test_sync_seconds_bucket{le=\"0.0001\"} 0",
             "millrace_test_sync_seconds_bucket{le=\"0.00025\"} 1",
             "millrace_test_sync_seconds_bucket{le=\"10\"} 1",
             "millrace_test_sync_seconds_count 1",
             "millrace_test_batch_bytes_bucket{le=\"1\"} 0",
             "millrace_test_batch_bytes_bucket{le=\"10\"} 1",
         }) {
        EXPECT_NE(text.find(line + "\n"), std::string::npos) << line << "\nnot in\n" << text;
    }
}

TEST(Metrics, SameNameAndLabelsAreTheSameObject) {
    EXPECT_EQ(&telemetry::gauge("millrace_test_same", "x"), &telemetry::gauge("millrace_test_same", "x"));
    EXPECT_NE(&telemetry::gauge("millrace_test_same", "x", {{"a", "b"}}), &telemetry::gauge("millrace_test_same", "x"));
}

TEST(Metrics, CountsFromManyThreads) {
    auto& counted = telemetry::counter("millrace_test_threads_total", "x");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&counted] {
            for (int i = 0; i < 1000; ++i) counted.add();
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_NE(telemetry::render().find("millrace_test_threads_total 4000\n"), std::string::npos);
}

}  // namespace
}  // namespace millrace
