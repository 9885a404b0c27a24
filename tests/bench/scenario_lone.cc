// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "tests/bench/store_scenario.h"

namespace millrace::bench {
namespace {

constexpr std::size_t kLoneAppends = 5000;

}  // namespace

void measure_lone(StoreBench& bench) {
    std::printf("lone: 100 B, one under way\n");
    Figure of_limits{bench.log, "B2", "append p50 of sync and ping-pong", at_most(1.25)};
    Figure tail_of_limits{bench.log, "B2", "append p99 of sync and ping-pong", at_most(1.5)};
    Figure append_p50{bench.log, "B2", "append p50, us"};
    Figure append_p99{bench.log, "B2", "append p99, us"};
    for (int round = 0; round < bench.options.rounds; ++round) {
        const nlohmann::json limits = bench.servers.limits();
        const double sync = limits.at("fdatasync_4k_p50_us"), ping = limits.at("ping_pong_p50_us");
        const double sync_p99 = limits.at("fdatasync_4k_p99_us");
        const Running server = bench.servers.start(Kind::kStore);
        const auto appender =
            frame_appender(server.port, bench_segment(static_cast<std::size_t>(round)), kSmallEvent, Framing::kBlocks);
        (void)lone_appends(*appender, kLoneAppends / 5);
        const Latencies latencies = lone_appends(*appender, kLoneAppends);
        appender->clean_up();
        server.process->terminate();
        append_p50.add(latencies.at(0.5));
        append_p99.add(latencies.at(0.99));
        of_limits.add(append_p50.last() / (sync + ping));
        tail_of_limits.add(append_p99.last() / (sync_p99 + ping));
        std::printf("  %d: append p50 %.1f us p99 %.1f us   sync p50 %.1f us p99 %.1f us   ping-pong p50 %.1f us\n",
                    round + 1, append_p50.last(), append_p99.last(), sync, sync_p99, ping);
        std::fflush(stdout);
    }
    for (const Figure* each : {&of_limits, &tail_of_limits, &append_p50, &append_p99}) each->print();
}

}  // namespace millrace::bench
