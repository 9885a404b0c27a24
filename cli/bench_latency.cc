// SPDX-License-Identifier: Apache-2.0
//
// millrace bench latency: how long one event takes when nothing else is on its way.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/bench.h"
#include "cli/bench_end_to_end.h"
#include "cli/machine.h"

namespace millrace::cli {
namespace {

// Each writer has at most one event outstanding. Without a rate the next event is written from the
// acknowledgement of the one before, on the client's thread, so that no wake-up of ours is measured.
class LatencyRun {
public:
    LatencyRun(const BenchArguments& arguments, const BenchLoad& load, BenchWriters& writers)
        : arguments_{arguments}, load_{load}, writers_{writers}, busy_(writers.writers.size(), false) {}

    Result<void> closed_loop() {
        for (std::size_t writer = 0; writer < writers_.writers.size(); ++writer) {
            {
                const std::lock_guard lock{mutex_};
                if (sent_ == arguments_.events) break;
                ++sent_;
                busy_[writer] = true;
            }
            send_and_go_on(writer);
        }
        return wait_for_all();
    }

    Result<void> open_loop() {
        const double gap_ns = 1e9 / arguments_.rate;
        const std::int64_t begin = now_ns();
        for (std::uint64_t i = 0; i < arguments_.events; ++i) {
            const std::int64_t due = begin + static_cast<std::int64_t>(static_cast<double>(i) * gap_ns);
            if (now_ns() < due) sleep_until_ns(due);
            const std::size_t writer = i % writers_.writers.size();
            {
                std::unique_lock lock{mutex_};
                changed_.wait(lock, [&] { return !busy_[writer] || error_; });
                if (error_) break;
                busy_[writer] = true;
            }
            const auto written = write(writer, i, [this, writer, due](const Result<void>& result) {
                const std::lock_guard lock{mutex_};
                note(result, due);
                busy_[writer] = false;
                changed_.notify_all();
            });
            if (!written) return written.error();
        }
        return wait_for_all();
    }

    Histogram take() {
        const std::lock_guard lock{mutex_};
        return std::move(histogram_);
    }

private:
    Result<void> write(std::size_t writer, std::uint64_t event, EventWriter::Acknowledged acknowledged) {
        EventWriter& to = *writers_.writers[writer];
        if (load_.keys.empty()) return to.write_unkeyed(load_.payload, std::move(acknowledged));
        return to.write(load_.keys[event % load_.keys.size()], load_.payload, std::move(acknowledged));
    }

    // The caller has counted the event in sent_.
    void send_and_go_on(std::size_t writer) {
        const std::int64_t from = now_ns();
        const auto written = write(writer, writer, [this, writer, from](const Result<void>& result) {
            {
                const std::lock_guard lock{mutex_};
                note(result, from);
                if (error_ || sent_ == arguments_.events) {
                    busy_[writer] = false;
                    changed_.notify_all();
                    return;
                }
                ++sent_;
            }
            send_and_go_on(writer);
        });
        if (!written) {
            const std::lock_guard lock{mutex_};
            if (!error_) error_ = written.error();
            busy_[writer] = false;
            changed_.notify_all();
        }
    }

    // Under the lock.
    void note(const Result<void>& result, std::int64_t from) {
        if (result) {
            histogram_.record(static_cast<std::uint64_t>(std::max<std::int64_t>(0, now_ns() - from)));
        } else if (!error_) {
            error_ = result.error();
        }
    }

    Result<void> wait_for_all() {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return std::ranges::find(busy_, true) == busy_.end(); });
        if (error_) return *error_;
        return ok();
    }

    const BenchArguments& arguments_;
    const BenchLoad& load_;
    BenchWriters& writers_;

    // Shared between this thread and the client's.
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t sent_ = 0;
    std::vector<bool> busy_;  // by writer: an event is outstanding
    std::optional<Error> error_;
    Histogram histogram_;
};

int bench_end_to_end(const CommandLine& line, const BenchArguments& arguments) {
    const BenchLoad load = make_load(arguments);
    BenchWriters writers;
    if (const int code = open_writers(line, arguments, writers); code != kDone) return code;
    BenchReport report{.events = arguments.events, .bytes = arguments.events * arguments.size};
    const BenchTimer timer;
    if (auto measured = measure_end_to_end(arguments, load, writers, report); !measured) return fail(line, measured.error());
    timer.stop(report);
    return print_report(line, report);
}

int bench_latency(const CommandLine& line, const BenchArguments& arguments) {
    const BenchLoad load = make_load(arguments);
    BenchWriters writers;
    if (const int code = open_writers(line, arguments, writers); code != kDone) return code;
    LatencyRun run{arguments, load, writers};
    BenchReport report{.events = arguments.events, .bytes = arguments.events * arguments.size};
    const BenchTimer timer;
    const auto result = arguments.rate > 0 ? run.open_loop() : run.closed_loop();
    timer.stop(report);
    // Callbacks point into `run`: the writers go first.
    for (const auto& writer : writers.writers) {
        if (auto closed = writer->close(); !closed && result) {
            writers.writers.clear();
            return fail(line, closed.error());
        }
    }
    writers.writers.clear();
    if (!result) return fail(line, result.error());
    report.latency_ns = run.take();
    return print_report(line, report);
}

}  // namespace

void add_bench_latency_command(CLI::App& bench, CommandLine& line) {
    const auto arguments = std::make_shared<BenchArguments>();
    arguments->events = 10'000;
    CLI::App* latency = bench.add_subcommand("latency", "Measure the time of single events, one at a time per writer");
    add_bench_options(*latency, *arguments, line);
    const auto end_to_end = std::make_shared<bool>(false);
    latency->add_flag("--end-to-end", *end_to_end, "Also read each event at the stream's tail, and tell how long that took")
        ->excludes(latency->get_option("--rate"))
        ->excludes(latency->get_option("--writers"));
    latency->footer(
        "Without --rate the next event is written when the one before is acknowledged. With it, events are due at\n"
        "fixed times and latency counts from those. With --end-to-end the next event is written when the one before has been\n"
        "acknowledged and read.\n"
        "Examples:\n"
        "  millrace bench latency logs/bench --events 10000 --end-to-end\n"
        "  millrace bench latency logs/bench --events 10000 --size 100\n"
        "  millrace bench latency logs/bench --events 5000 --rate 500 --output json");
    latency->callback([&line, arguments, end_to_end] {
        line.action = [&line, arguments, end_to_end] {
            return *end_to_end ? bench_end_to_end(line, *arguments) : bench_latency(line, *arguments);
        };
    });
}

}  // namespace millrace::cli
