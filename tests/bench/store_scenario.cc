// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/store_scenario.h"

namespace millrace::bench {

std::string bench_segment(std::size_t number) { return "bench/store/" + std::to_string(number) + ".#epoch.0"; }

Appenders make_appenders(Kind kind, std::uint16_t port, std::size_t count, std::size_t event_bytes) {
    Appenders appenders;
    for (std::size_t i = 0; i < count; ++i) {
        appenders.push_back(kind == Kind::kRedis
                                ? redis_appender(port, bench_segment(i), event_bytes)
                                : frame_appender(port, bench_segment(i), event_bytes, Framing::kBlocks));
    }
    return appenders;
}

std::vector<std::string> bounded_journal(const BenchOptions& options) {
    return {"--journal-total-bytes-max", std::to_string(options.journal_mib) + "MiB"};
}

std::unique_ptr<SegmentRetention> keep_eight_gib(std::uint16_t port) {
    std::vector<std::string> segments;
    for (std::size_t i = 0; i < kBulkSegments; ++i) segments.push_back(bench_segment(i));
    return std::make_unique<SegmentRetention>(port, segments, 8 * 1024 * kMiB / kBulkSegments);
}

void fill_journal(const BenchOptions& options, const Appenders& appenders) {
    Load load;
    load.events =
        static_cast<std::size_t>(options.journal_mib) * kMiB / appenders.size() / appenders.front()->event_bytes();
    load.warm_up = std::chrono::milliseconds{0};
    (void)run_load(appenders, load, [] { return 0.0; });
}

Figures one_writer(StoreBench& bench, Kind kind, const Load& load, std::size_t event_bytes, Framing framing,
                   int round) {
    const Running server = bench.servers.start(kind);
    Appenders appenders;
    const std::string segment = bench_segment(static_cast<std::size_t>(round));
    appenders.push_back(kind == Kind::kRedis ? redis_appender(server.port, segment, event_bytes)
                                             : frame_appender(server.port, segment, event_bytes, framing));
    const Figures figures = run_load(appenders, load, [&] { return server.process->cpu_seconds(); });
    appenders.front()->clean_up();
    server.process->terminate();
    return figures;
}

std::string rate_text(const Figures& figures) {
    char line[128];
    std::snprintf(line, sizeof line, "%8.0f e/s, CPU server %.2f client %.2f us/e", figures.events_per_second,
                  figures.server_us, figures.client_us);
    return line;
}

double ms_per_megabyte(double us_per_event, std::size_t event_bytes) {
    return us_per_event / static_cast<double>(event_bytes) * 1e3;
}

}  // namespace millrace::bench
