// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/store_scenario.h"

namespace millrace::bench {
namespace {

constexpr std::size_t kClosedWriters = 500;

Figures closed_loop(StoreBench& bench, Kind kind) {
    if (kind == Kind::kStore) bench.servers.clear_store();
    const Running server = bench.servers.start(kind);
    const Appenders appenders = make_appenders(kind, server.port, kClosedWriters, kSmallEvent);
    Load load;
    load.block_bytes = load.window_bytes = kSmallEvent;
    load.latencies = true;
    load.time = std::chrono::seconds{bench.options.seconds};
    Figures figures = run_load(appenders, load, [&] { return server.process->cpu_seconds(); });
    server.process->terminate();
    return figures;
}

}  // namespace

void measure_closed(StoreBench& bench) {
    std::printf("closed: 100 B, %zu writers with one event under way each\n", kClosedWriters);
    Figure rate{bench.log, "B3", "thousand e/s"};
    Figure to_null{bench.log, "B3", "e/s of the null server's", at_least(0.6)};
    Figure to_redis{bench.log, "B3", "e/s of Redis'", at_least(2)};
    Figure latency{bench.log, "B3", "append p50, times the null server's", at_most(1.7)};
    Figure p50{bench.log, "B3", "append p50, us"};
    Figure p99{bench.log, "B3", "append p99, us"};
    Figure server_us{bench.log, "B3", "us of server CPU per event"};
    Figure client_us{bench.log, "B3", "us of client CPU per event"};
    Figure redis_us{bench.log, "B3", "us of Redis' CPU per event"};
    for (int round = 0; round < bench.options.rounds; ++round) {
        Figures by_kind[3];
        std::printf("  %d:", round + 1);
        for (const Kind kind : bench.servers.turns(round)) {
            Figures& figures = by_kind[static_cast<int>(kind)];
            figures = closed_loop(bench, kind);
            std::printf(" %s %s, p50 %.0f us ", name_of(kind), rate_text(figures).c_str(), figures.latencies.at(0.5));
        }
        std::printf("\n");
        std::fflush(stdout);
        const auto& [store, null, redis] = by_kind;
        rate.add(store.events_per_second / 1e3);
        to_null.add(store.events_per_second / null.events_per_second);
        p50.add(store.latencies.at(0.5));
        p99.add(store.latencies.at(0.99));
        latency.add(p50.last() / null.latencies.at(0.5));
        server_us.add(store.server_us);
        client_us.add(store.client_us);
        if (bench.servers.has_redis()) {
            to_redis.add(store.events_per_second / redis.events_per_second);
            redis_us.add(redis.server_us);
        }
    }
    bench.servers.clear_store();
    for (const Figure* each : {&rate, &to_null, &to_redis, &latency, &p50, &p99, &server_us, &client_us, &redis_us})
        each->print();
}

}  // namespace millrace::bench
