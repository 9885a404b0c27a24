// SPDX-License-Identifier: Apache-2.0
#include "cli/bench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/machine.h"

namespace millrace::cli {
namespace {

// Unacknowledged bytes over all writers: enough for seconds of data, little enough for a laptop.
constexpr std::size_t kWriterMemoryBytes = 256ull * 1024 * 1024;

std::string fixed(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

double rounded(double value, double to) { return std::round(value * to) / to; }

// Of which share of the measured times, and how that is called in JSON and in a table.
struct BenchQuantile {
    double share;
    const char* name;
    const char* title;
};
constexpr BenchQuantile kBenchQuantiles[] = {
    {0.5, "p50", "p50"}, {0.95, "p95", "p95"}, {0.99, "p99", "p99"}, {0.999, "p999", "p99.9"}, {1.0, "max", "max"}};

double quantile_us(const Histogram& histogram, const BenchQuantile& quantile) {
    const std::uint64_t ns = quantile.share < 1.0 ? histogram.at(quantile.share) : histogram.max();
    return rounded(static_cast<double>(ns) / 1e3, 10);
}

nlohmann::ordered_json quantiles_json(const Histogram& histogram) {
    nlohmann::ordered_json json;
    for (const BenchQuantile& quantile : kBenchQuantiles) json[quantile.name] = quantile_us(histogram, quantile);
    return json;
}

}  // namespace

BenchTimer::BenchTimer() : cpu_seconds_{sample_process().cpu_seconds}, begin_ns_{now_ns()} {}

void BenchTimer::stop(BenchReport& report) const {
    report.seconds = static_cast<double>(now_ns() - begin_ns_) / 1e9;
    report.client_cpu_seconds = sample_process().cpu_seconds - cpu_seconds_;
}

void add_bench_commands(CLI::App& root, CommandLine& line) {
    CLI::App* bench = root.add_subcommand("bench", "Measure throughput, latency, and what the machine could do at best");
    bench->require_subcommand(1);
    add_bench_write_command(*bench, line);
    add_bench_read_command(*bench, line);
    add_bench_latency_command(*bench, line);
    add_bench_limits_command(*bench, line);
    add_bench_null_server_command(*bench, line);
}

void add_bench_options(CLI::App& command, BenchArguments& arguments, CommandLine& line) {
    command.add_option("SCOPE/STREAM", arguments.stream, "The stream, which gets the events")->required();
    command.add_option("--events", arguments.events, "How many events")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40))
        ->type_name("N")
        ->capture_default_str();
    command.add_option("--size", arguments.size, "Payload of each")
        ->check(CLI::Range(std::uint32_t{0}, static_cast<std::uint32_t>(kMaxEventBytes)))
        ->type_name("BYTES")
        ->capture_default_str();
    command.add_option("--writers", arguments.writers, "Writers that take turns")
        ->check(CLI::Range(1, 1'000))
        ->type_name("W")
        ->capture_default_str();
    command.add_option("--rate", arguments.rate, "Events a second over all writers, whatever the answers; 0: as fast as it goes")
        ->check(CLI::Range(0.0, 1e8))
        ->type_name("EVENTS_PER_S")
        ->capture_default_str();
    command.add_option("--keys", arguments.keys, "Different routing keys; 0: events without a key")
        ->check(CLI::Range(0, 10'000'000))
        ->type_name("K")
        ->capture_default_str();
    add_client_options(command, line);
    add_retry_option(command, line);
}

BenchLoad make_load(const BenchArguments& arguments) {
    BenchLoad load;
    load.keys.reserve(arguments.keys);
    for (std::uint32_t i = 0; i < arguments.keys; ++i) load.keys.push_back("key-" + std::to_string(i));
    load.payload.resize(arguments.size);
    for (std::size_t i = 0; i < load.payload.size(); ++i) load.payload[i] = static_cast<char>('a' + i % 26);
    return load;
}

int open_writers(const CommandLine& line, const BenchArguments& arguments, BenchWriters& writers) {
    const auto name = StreamName::parse(arguments.stream);
    if (!name) return fail_usage(line, name.error());
    auto client = connect(line);
    if (!client) return fail_usage(line, client.error());
    writers.client = std::move(client).value();
    const std::size_t memory = std::clamp<std::size_t>(kWriterMemoryBytes / arguments.writers, 1024 * 1024, kWriterMemoryBytes / 4);
    for (std::uint32_t i = 0; i < arguments.writers; ++i) {
        auto writer = writers.client->create_writer(*name, {.memory_bytes = memory});
        if (!writer) return fail(line, writer.error());
        writers.writers.push_back(std::move(writer).value());
    }
    return kDone;
}

int print_interval(const CommandLine& line, double seconds, const Histogram& latency_ns) {
    if (line.json()) {
        const nlohmann::ordered_json json{
            {"seconds", rounded(seconds, 1e6)}, {"events", latency_ns.count()}, {"latency_us", quantiles_json(latency_ns)}};
        return print_line(line, json.dump()) ? kDone : kFailed;
    }
    std::string text = fixed(seconds, 1) + " s  " + with_commas(latency_ns.count()) + " events";
    for (const BenchQuantile& quantile : kBenchQuantiles) {
        text += std::string{"  "} + quantile.title + " " + fixed(quantile_us(latency_ns, quantile), 1) + " us";
    }
    return print_line(line, text) ? kDone : kFailed;
}

int print_report(const CommandLine& line, const BenchReport& report) {
    const double seconds = std::max(report.seconds, 1e-9);
    const double events_per_second = static_cast<double>(report.events) / seconds;
    const double bytes_per_second = static_cast<double>(report.bytes) / seconds;
    if (line.json()) {
        nlohmann::ordered_json json{{"events", report.events},
                                    {"seconds", rounded(report.seconds, 1e6)},
                                    {"events_per_second", rounded(events_per_second, 10)},
                                    {"bytes_per_second", rounded(bytes_per_second, 10)},
                                    {"client_cpu_seconds", rounded(report.client_cpu_seconds, 100)}};
        if (report.latency_ns) json["latency_us"] = quantiles_json(*report.latency_ns);
        if (report.end_to_end_ns) json["end_to_end_us"] = quantiles_json(*report.end_to_end_ns);
        return print_line(line, json.dump()) ? kDone : kFailed;
    }
    std::vector<std::vector<std::string>> rows{{"events", with_commas(report.events)},
                                               {"seconds", fixed(report.seconds, 3)},
                                               {"events/s", with_commas(static_cast<std::uint64_t>(events_per_second))},
                                               {"MB/s", fixed(bytes_per_second / 1e6, 2)},
                                               {"client CPU", fixed(report.client_cpu_seconds, 2) + " s"}};
    for (const auto& [title, histogram] : {std::pair{"latency ", &report.latency_ns}, {"end to end ", &report.end_to_end_ns}}) {
        if (!*histogram) continue;
        for (const BenchQuantile& quantile : kBenchQuantiles) {
            rows.push_back({std::string{title} + quantile.title, fixed(quantile_us(**histogram, quantile), 1) + " us"});
        }
    }
    return print_line(line, format_table(rows)) ? kDone : kFailed;
}

}  // namespace millrace::cli
