// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "tests/bench/store_scenario.h"

namespace millrace::bench {
namespace {

constexpr std::size_t kConnections[] = {1, 10, 100, 500};
constexpr std::size_t kReference = 10;
constexpr double kEventsPerSecond = 25e6 / kMediumEvent;

struct AtConnections {
    Figure p50;
    Figure p99;
    Figure server;
};

Figures at_a_steady_rate(StoreBench& bench, Kind kind, std::size_t connections) {
    bench.servers.clear_store();
    const Running server = bench.servers.start(kind);
    Load load;
    load.events_per_second = kEventsPerSecond;
    load.pace = std::chrono::microseconds{0};
    load.latencies = true;
    load.time = std::chrono::seconds{bench.options.seconds};
    Figures figures = run_load(make_appenders(kind, server.port, connections, kMediumEvent), load,
                               [&] { return server.process->cpu_seconds(); });
    server.process->terminate();
    return figures;
}

}  // namespace

void measure_connections(StoreBench& bench) {
    std::printf("connections: 25 MB/s of 1 KB, open loop\n");
    std::map<std::size_t, AtConnections> at;
    for (const std::size_t count : kConnections) {
        const std::string suffix = ", " + std::to_string(count) + (count == 1 ? " connection" : " connections");
        at.emplace(count, AtConnections{Figure{bench.log, "B7", "append p50, us" + suffix},
                                        Figure{bench.log, "B7", "append p99, us" + suffix},
                                        Figure{bench.log, "B7", "ms of server CPU per MB" + suffix}});
    }
    Figure p99_ratio{bench.log, "B7", "append p99, 500 connections to 10", at_most(1.5)};
    Figure cpu_ratio{bench.log, "B7", "server CPU per MB, 500 connections to 10", at_most(1.3)};
    // What of it is the load's own, on the same processors.
    Figure null_p99{bench.log, "B7", "append p99 at the null server, us, 500 connections"};
    for (int round = 0; round < bench.options.rounds; ++round) {
        std::printf("  %d:", round + 1);
        for (std::size_t turn = 0; turn < std::size(kConnections); ++turn) {
            const std::size_t count = kConnections[(turn + static_cast<std::size_t>(round)) % std::size(kConnections)];
            const Figures figures = at_a_steady_rate(bench, Kind::kStore, count);
            AtConnections& mine = at.at(count);
            mine.p50.add(figures.latencies.at(0.5));
            mine.p99.add(figures.latencies.at(0.99));
            mine.server.add(ms_per_megabyte(figures.server_us, kMediumEvent));
            std::printf("  %zu: p50 %.0f p99 %.0f us, %.2f ms/MB", count, mine.p50.last(), mine.p99.last(),
                        mine.server.last());
        }
        const std::size_t most = std::end(kConnections)[-1];
        null_p99.add(at_a_steady_rate(bench, Kind::kNull, most).latencies.at(0.99));
        std::printf("  null server, %zu: p99 %.0f us\n", most, null_p99.last());
        std::fflush(stdout);
        p99_ratio.add(at.at(most).p99.last() / at.at(kReference).p99.last());
        cpu_ratio.add(at.at(most).server.last() / at.at(kReference).server.last());
    }
    bench.servers.clear_store();
    p99_ratio.print();
    cpu_ratio.print();
    null_p99.print();
    for (const auto& [count, figures] : at) {
        for (const Figure* each : {&figures.p50, &figures.p99, &figures.server}) each->print();
    }
}

}  // namespace millrace::bench
