// SPDX-License-Identifier: Apache-2.0
//
// What the measuring commands share: their options, the events they write and the report they print.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/histogram.h"

namespace millrace::cli {

struct BenchArguments {
    std::string stream;
    std::uint64_t events = 100'000;
    std::uint32_t size = 100;
    std::uint32_t writers = 1;
    double rate = 0;  // events a second over all writers; 0: as fast as it goes
    std::uint32_t keys = 1'000;
};

void add_bench_options(CLI::App& command, BenchArguments& arguments, CommandLine& line);

// Routing keys and the payload, made before the clock runs.
struct BenchLoad {
    std::vector<std::string> keys;  // empty: write without a key
    std::string payload;
};
BenchLoad make_load(const BenchArguments& arguments);

struct BenchReport {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    double seconds = 0;
    double client_cpu_seconds = 0;
    std::optional<Histogram> latency_ns{};
    std::optional<Histogram> end_to_end_ns{};
};

// Runs from its construction on.
class BenchTimer {
public:
    BenchTimer();
    void stop(BenchReport& report) const;
    std::int64_t begin_ns() const { return begin_ns_; }

private:
    double cpu_seconds_;
    std::int64_t begin_ns_;
};

// As a table or JSON {events, seconds, events_per_second, bytes_per_second, client_cpu_seconds, latency_us{p50, ...},
// end_to_end_us{p50, ...}}, the last two where they were measured.
int print_report(const CommandLine& line, const BenchReport& report);
// What was acknowledged between two moments, before the report: a line of text or of JSON {seconds, events, latency_us{p50, ...}}.
// `seconds`: from the start to the second moment.
int print_interval(const CommandLine& line, double seconds, const Histogram& latency_ns);

// One writer per --writers on one client.
struct BenchWriters {
    std::unique_ptr<Client> client;
    std::vector<std::unique_ptr<EventWriter>> writers;  // gone before the client
    ~BenchWriters() { writers.clear(); }
};
// On failure: an exit code, the reason said.
int open_writers(const CommandLine& line, const BenchArguments& arguments, BenchWriters& writers);

}  // namespace millrace::cli
