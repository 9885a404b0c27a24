// SPDX-License-Identifier: Apache-2.0
//
// millrace bench write: how many events a second become durable, and how long each takes.
#include <algorithm>
#include <mutex>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/bench.h"
#include "cli/machine.h"
#include "common/config/units.h"

namespace millrace::cli {
namespace {

// At full speed a clock reading per event would be part of what is measured.
constexpr std::uint64_t kSampleEvery = 64;
// Printing takes time of its own.
constexpr std::chrono::milliseconds kEveryMin{1};

struct BenchWriteArguments : BenchArguments {
    std::string every;  // a duration; empty: no intervals
};

// Written on the client's thread, read when all writers are closed; the lock is for errors and for
// readers' peace of mind and is taken once per measured event.
class WriteLatencies {
public:
    // `every_ns`: an interval of so long is printed when the first event after it is acknowledged, or the run ends. 0: none are.
    WriteLatencies(const CommandLine& line, std::int64_t every_ns) : line_{line}, every_ns_{every_ns} {}

    void begin(std::int64_t now) {
        const std::lock_guard lock{mutex_};
        begin_ns_ = now;
    }
    void record(std::int64_t from) {
        const std::lock_guard lock{mutex_};
        const std::int64_t now = now_ns();
        while (every_ns_ > 0 && now >= begin_ns_ + (intervals_ + 1) * every_ns_) end_interval(++intervals_ * every_ns_);
        (every_ns_ > 0 ? interval_ : whole_).record(static_cast<std::uint64_t>(std::max<std::int64_t>(0, now - from)));
    }
    Histogram take() {
        const std::lock_guard lock{mutex_};
        if (interval_.count() > 0) end_interval(now_ns() - begin_ns_);
        return std::move(whole_);
    }

private:
    // Under the lock.
    void end_interval(std::int64_t end_ns) {
        // A reader of these lines that went away is told of by the report at the end.
        (void)print_interval(line_, static_cast<double>(end_ns) / 1e9, interval_);
        whole_.merge(interval_);
        interval_ = Histogram{};
    }

    const CommandLine& line_;
    const std::int64_t every_ns_;
    std::mutex mutex_;
    std::int64_t begin_ns_ = 0;
    std::int64_t intervals_ = 0;  // that have ended
    Histogram interval_;
    Histogram whole_;
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
                if (result) latencies.record(from);
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

int bench_write(const CommandLine& line, const BenchWriteArguments& arguments) {
    std::int64_t every_ns = 0;
    if (!arguments.every.empty()) {
        const auto every = config::parse_duration(arguments.every, config::TimeUnit::kSeconds);
        if (!every || *every < kEveryMin) {
            return fail_usage(line, Error{ErrorCode::kInvalidArgument,
                                          "--every '" + arguments.every + "' is not a time of 1ms or more, such as 1s"});
        }
        // At full speed not every event is timed.
        if (arguments.rate == 0) return fail_usage(line, Error{ErrorCode::kInvalidArgument, "--every needs a --rate"});
        every_ns = every->count();
    }
    const BenchLoad load = make_load(arguments);
    WriteLatencies latencies{line, every_ns};
    BenchWriters writers;
    if (const int code = open_writers(line, arguments, writers); code != kDone) return code;

    BenchReport report{.events = arguments.events, .bytes = arguments.events * arguments.size};
    const BenchTimer timer;
    latencies.begin(timer.begin_ns());
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
    const auto arguments = std::make_shared<BenchWriteArguments>();
    CLI::App* write = bench.add_subcommand("write", "Write events and measure throughput and latency");
    add_bench_options(*write, *arguments, line);
    write->add_option("--every", arguments->every, "With --rate: also print what was acknowledged in each such time, and how long that took")
        ->type_name("TIME");
    write->footer(
        "With --rate events are sent at fixed times whatever happens before, and latency counts from those times, for\n"
        "every event; --every shows how that goes on. Without, one event in 64 is timed from its write call.\n"
        "Examples:\n"
        "  millrace bench write logs/bench --events 5000000 --size 100 --writers 4 --rate 0\n"
        "  millrace bench write logs/bench --events 100000 --size 1000 --rate 10000 --output json\n"
        "  millrace bench write logs/bench --events 600000 --size 1000 --rate 10000 --every 1s --output json");
    write->callback([&line, arguments] { line.action = [&line, arguments] { return bench_write(line, *arguments); }; });
}

}  // namespace millrace::cli
