// SPDX-License-Identifier: Apache-2.0
//
// millrace bench write: how many events a second become durable, and how long each takes.
#include <algorithm>
#include <mutex>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/bench.h"
#include "cli/machine.h"

namespace millrace::cli {
namespace {

// At full speed a clock reading per event would be part of what is measured.
constexpr std::uint64_t kSampleEvery = 64;

// Written on the client's thread, read when all writers are closed; the lock is for errors and for
// readers' peace of mind and is taken once per measured event.
class WriteLatencies {
public:
    void record(std::int64_t nanoseconds) {
        const std::lock_guard lock{mutex_};
        histogram_.record(static_cast<std::uint64_t>(std::max<std::int64_t>(0, nanoseconds)));
    }
    Histogram take() {
        const std::lock_guard lock{mutex_};
        return std::move(histogram_);
    }

private:
    std::mutex mutex_;
    Histogram histogram_;
};

Result<void> write_load(const BenchArguments& arguments, const BenchLoad& load, BenchWriters& writers,
                        WriteLatencies& latencies, std::int64_t begin) {
    const bool paced = arguments.rate > 0;
    const double gap_ns = paced ? 1e9 / arguments.rate : 0;
    for (std::uint64_t i = 0; i < arguments.events; ++i) {
        // Latency counts from when the event was due, also when this loop comes late: otherwise a
        // stall would hide the events that it kept from being sent.
        std::int64_t due = 0;
        if (paced) {
            due = begin + static_cast<std::int64_t>(static_cast<double>(i) * gap_ns);
            if (now_ns() < due) sleep_until_ns(due);
        }
        EventWriter::Acknowledged acknowledged;
        if (paced || i % kSampleEvery == 0) {
            const std::int64_t from = paced ? due : now_ns();
            acknowledged = [&latencies, from](const Result<void>& result) {
                if (result) latencies.record(now_ns() - from);
            };
        }
        EventWriter& writer = *writers.writers[i % writers.writers.size()];
        if (load.keys.empty()) {
            MR_TRY_VOID(writer.write_unkeyed(load.payload, std::move(acknowledged)));
        } else {
            // A multiplicative walk: neighbours go to different keys, and every run is the same.
            const std::size_t key = (i * 0x9E3779B97F4A7C15ull >> 16) % load.keys.size();
            MR_TRY_VOID(writer.write(load.keys[key], load.payload, std::move(acknowledged)));
        }
    }
    return ok();
}

int bench_write(const CommandLine& line, const BenchArguments& arguments) {
    const BenchLoad load = make_load(arguments);
    WriteLatencies latencies;
    BenchWriters writers;
    if (const int code = open_writers(line, arguments, writers); code != kDone) return code;

    BenchReport report{.events = arguments.events, .bytes = arguments.events * arguments.size};
    const BenchTimer timer;
    if (auto written = write_load(arguments, load, writers, latencies, timer.begin_ns()); !written) return fail(line, written.error());
    for (const auto& writer : writers.writers) {
        if (auto flushed = writer->flush(); !flushed) return fail(line, flushed.error());
    }
    timer.stop(report);
    for (const auto& writer : writers.writers) {
        if (auto closed = writer->close(); !closed) return fail(line, closed.error());
    }
    report.latency_ns = latencies.take();
    return print_report(line, report);
}

}  // namespace

void add_bench_write_command(CLI::App& bench, CommandLine& line) {
    const auto arguments = std::make_shared<BenchArguments>();
    CLI::App* write = bench.add_subcommand("write", "Write events and measure throughput and latency");
    add_bench_options(*write, *arguments, line);
    write->footer(
        "With --rate events are sent at fixed times whatever happens before, and latency counts from those times, for\n"
        "every event. Without, one event in 64 is timed from its write call.\n"
        "Examples:\n"
        "  millrace bench write logs/bench --events 5000000 --size 100 --writers 4 --rate 0\n"
        "  millrace bench write logs/bench --events 100000 --size 1000 --rate 10000 --output json");
    write->callback([&line, arguments] { line.action = [&line, arguments] { return bench_write(line, *arguments); }; });
}

}  // namespace millrace::cli
