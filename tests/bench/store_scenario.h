// SPDX-License-Identifier: Apache-2.0
//
// What the scenarios of millrace_store_bench have in common. Each is a function in a file of its own, scenario_NAME.cc;
// store_bench.cc says what they measure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/bench/bench_servers.h"
#include "tests/bench/figure.h"
#include "tests/bench/load.h"
#include "tests/bench/segment_retention.h"

namespace millrace::bench {

inline constexpr std::size_t kMiB = 1024 * 1024;
inline constexpr std::size_t kSmallEvent = 100;
inline constexpr std::size_t kMediumEvent = 1000;
inline constexpr std::size_t kBulkSegments = 16;

struct BenchOptions {
    std::string millrace;
    std::string directory;
    int rounds = 5;
    int seconds = 3;
    int bulk_seconds = 15;
    int log_mib = 512;
    // Long-term storage must keep up with a bulk load: beyond this the store holds its writers back.
    int journal_mib = 2048;
    std::string shape;  // of `rate`: a part of its name
    std::string json;   // file for figures
    std::vector<std::string> scenarios;
};

struct StoreBench {
    const BenchOptions options;
    const BenchServers servers;
    FigureLog log;
};

void measure_rate(StoreBench& bench);
void measure_lone(StoreBench& bench);
void measure_closed(StoreBench& bench);
void measure_bulk(StoreBench& bench);
void measure_connections(StoreBench& bench);
void measure_fan_out(StoreBench& bench);
void measure_cost(StoreBench& bench);
void measure_idle(StoreBench& bench);
void measure_ready(StoreBench& bench);

std::string bench_segment(std::size_t number);
using Appenders = std::vector<std::unique_ptr<Appender>>;
// One to a segment (Redis: to a key) of its own.
Appenders make_appenders(Kind kind, std::uint16_t port, std::size_t count, std::size_t event_bytes);
// The options of a store whose journal has a bound.
std::vector<std::string> bounded_journal(const BenchOptions& options);
// Of 16 segments, so that a load may last.
std::unique_ptr<SegmentRetention> keep_eight_gib(std::uint16_t port);
// Through all its files, so that none is made while the time counts.
void fill_journal(const BenchOptions& options, const Appenders& appenders);

// As fast as one writer goes, or as the load says, to a server of its own. `round` makes the segment a new one.
Figures one_writer(StoreBench& bench, Kind kind, const Load& load, std::size_t event_bytes, Framing framing, int round);
std::string rate_text(const Figures& figures);
double ms_per_megabyte(double us_per_event, std::size_t event_bytes);

}  // namespace millrace::bench
