// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/metrics.h"

#include <atomic>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/telemetry/process_metrics.h"

namespace millrace {
namespace {

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
    EXPECT_EQ(&telemetry::gauge("millrace_test_same_count", "x"), &telemetry::gauge("millrace_test_same_count", "x"));
    EXPECT_NE(&telemetry::gauge("millrace_test_same_count", "x", {{"a", "b"}}), &telemetry::gauge("millrace_test_same_count", "x"));
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

TEST(Metrics, ThreadsThatComeAndGoLoseNothing) {
    auto& counted = telemetry::counter("millrace_test_churn_total", "x");
    auto& observed = telemetry::histogram("millrace_test_churn_bytes", "x", {}, telemetry::size_bounds());
    // More at a time than there are numbers for threads, several times over.
    for (int round = 0; round < 3; ++round) {
        std::vector<std::thread> threads;
        std::atomic<int> ready{0};
        constexpr int kThreads = 50;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&] {
                counted.add();
                ++ready;
                while (ready.load() < kThreads) std::this_thread::yield();
                for (int i = 0; i < 99; ++i) counted.add();
                for (int i = 0; i < 10; ++i) observed.observe(100);
            });
        }
        for (std::thread& thread : threads) thread.join();
    }
    EXPECT_EQ(counted.value(), 3u * 50 * 100);
    const auto now = observed.snapshot();
    EXPECT_EQ(now.counts[1], 3u * 50 * 10) << "64 < 100 <= 256";
    EXPECT_EQ(now.sum, 3.0 * 50 * 10 * 100);
}

TEST(Metrics, ArePrintedWhileOthersCountAndComeAndGo) {
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&done, t] {
            const telemetry::Labels labels{{"thread", std::to_string(t)}};
            for (int i = 0; i < 200 || !done.load(); ++i) {
                telemetry::counter("millrace_test_busy_total", "x", labels).add();
                telemetry::histogram("millrace_test_busy_seconds", "x", labels).observe(1e-3);
                telemetry::gauge("millrace_test_busy_count", "x").add(1);
                std::atomic<int> calls{0};
                const telemetry::ScrapeHook hook{[&calls] { ++calls; }};
            }
        });
    }
    std::uint64_t last = 0;
    for (int i = 0; i < 50; ++i) {
        const std::string text = telemetry::render();
        const std::string name = "\nmillrace_test_busy_seconds_count{thread=\"0\"} ";
        const std::size_t at = text.find(name);
        if (at == std::string::npos) continue;
        const std::uint64_t now = std::stoull(text.substr(at + name.size()));
        EXPECT_GE(now, last) << "counts never go back";
        last = now;
    }
    done = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_GE(telemetry::counter("millrace_test_busy_total", "x", {{"thread", "0"}}).value(), 200u);
}

TEST(Metrics, BucketsTakeTheirUpperBound) {
    telemetry::Histogram histogram{{1, 2, 4}};
    for (const double value : {0.0, 1.0, 1.5, 2.0, 4.0, 4.1, std::numeric_limits<double>::infinity()}) histogram.observe(value);
    EXPECT_EQ(histogram.snapshot().counts, (std::vector<std::uint64_t>{2, 2, 1, 2}));
    EXPECT_EQ(telemetry::size_bounds().front(), 64);
    EXPECT_EQ(telemetry::size_bounds().back(), 64.0 * 1024 * 1024);
    EXPECT_EQ(telemetry::count_bounds().back(), 65536);
    EXPECT_EQ(telemetry::duration_bounds().back(), 100);
}

TEST(Metrics, EscapeLabelsAndHelp) {
    telemetry::counter("millrace_test_escaped_total", "a\\b\nc \"d\"", {{"why", "q\"b\\n\nx"}}).add();
    const std::string text = telemetry::render();
    EXPECT_NE(text.find("# HELP millrace_test_escaped_total a\\\\b\\nc \"d\"\n"), std::string::npos) << text;
    EXPECT_NE(text.find("millrace_test_escaped_total{why=\"q\\\"b\\\\n\\nx\"} 1\n"), std::string::npos) << text;
}

TEST(Metrics, AFamilyIsBounded) {
    for (std::size_t i = 0; i < telemetry::kSeriesMax + 500; ++i) {
        telemetry::counter("millrace_test_series_total", "x", {{"id", std::to_string(i)}}).add();
    }
    const std::string text = telemetry::render();
    EXPECT_NE(text.find("millrace_test_series_total{id=\"other\"} 500\n"), std::string::npos);
    EXPECT_EQ(text.find("millrace_test_series_total{id=\"10001\"}"), std::string::npos);
}

TEST(Metrics, CountErrorsByCode) {
    telemetry::ErrorCounters errors{"millrace_test_errors_total", "Errors", {{"call", "create"}}};
    errors.count(ErrorCode::kNoSpace);
    errors.count(ErrorCode::kNoSpace);
    errors.count(ErrorCode::kFailedPrecondition);
    const std::string text = telemetry::render();
    EXPECT_NE(text.find("millrace_test_errors_total{call=\"create\",code=\"no_space\"} 2\n"), std::string::npos) << text;
    EXPECT_NE(text.find("millrace_test_errors_total{call=\"create\",code=\"failed_precondition\"} 1\n"), std::string::npos);
    EXPECT_EQ(text.find("code=\"sealed\""), std::string::npos);
}

TEST(Metrics, HooksRefreshBeforeAPage) {
    auto& gauge = telemetry::gauge("millrace_test_refreshed_count", "x");
    int calls = 0;
    {
        const telemetry::ScrapeHook hook{[&] { gauge.set(++calls); }};
        EXPECT_NE(telemetry::render().find("millrace_test_refreshed_count 1\n"), std::string::npos);
        EXPECT_NE(telemetry::render().find("millrace_test_refreshed_count 2\n"), std::string::npos);
    }
    (void)telemetry::render();
    EXPECT_EQ(calls, 2);
}

TEST(Metrics, GaugesPrintWhatPrometheusReads) {
    auto& gauge = telemetry::gauge("millrace_test_numbers_count", "x");
    const auto printed = [&gauge](double value) {
        gauge.set(value);
        const std::string text = telemetry::render();
        const std::string name = "\nmillrace_test_numbers_count ";
        const std::size_t at = text.find(name) + name.size();
        return text.substr(at, text.find('\n', at) - at);
    };
    EXPECT_EQ(printed(-1.5), "-1.5");
    EXPECT_EQ(printed(0), "0");
    EXPECT_EQ(std::stod(printed(1e300)), 1e300);
    EXPECT_EQ(printed(std::numeric_limits<double>::infinity()), "+Inf");
    EXPECT_EQ(printed(std::numeric_limits<double>::quiet_NaN()), "NaN");
    gauge.set(1);
    gauge.add(2.5);
    EXPECT_EQ(gauge.value(), 3.5);
}

TEST(Metrics, DescribeThemselves) {
    telemetry::ProcessMetrics{}.set({.cpu_seconds = 1.5, .threads = 3});
    EXPECT_NE(telemetry::render().find("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 1.5\n"),
              std::string::npos);
    (void)telemetry::histogram("millrace_test_about_seconds", "What it is", {{"a", "1"}});
    for (const telemetry::MetricAbout& about : telemetry::all_metrics()) {
        if (about.name != "millrace_test_about_seconds") continue;
        EXPECT_EQ(about.type, "histogram");
        EXPECT_EQ(about.labels, std::vector<std::string>{"a"});
        EXPECT_EQ(about.help, "What it is");
        return;
    }
    FAIL();
}

}  // namespace
}  // namespace millrace
