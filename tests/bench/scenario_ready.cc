// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "tests/bench/store_scenario.h"

namespace millrace::bench {

void measure_ready(StoreBench& bench) {
    const int log_mib = bench.options.log_mib;
    std::printf("ready: seconds from the start of the process, new and with %d MiB of log\n", log_mib);
    const std::string with_log = "kill -9 with " + std::to_string(log_mib) + " MiB of log to ";
    Figure fresh{bench.log, "B12", "new directory to ready, s", at_most(0.7)};
    Figure replay{bench.log, "B12", with_log + "ready, s"};
    // 2.5 s for a GiB, and a start has a part that no log makes.
    Figure acknowledged{bench.log, "B12", with_log + "the first acknowledgement, s",
                        at_most(log_mib <= 1024 ? 2.5 : 2.5 * log_mib / 1024)};
    Figure of_disk{bench.log, "B12", with_log + "the first acknowledgement, of reading it", at_most(1.5)};
    // All of it stays in the log.
    const std::vector<std::string> untiered{"--tiering-window-bytes", "1GiB", "--tiering-age-max-seconds", "86400"};
    for (int round = 0; round < bench.options.rounds; ++round) {
        bench.servers.clear_store();
        const double disk = bench.servers.limits().at("direct_read_mb_s");
        const auto begin = SteadyClock::now();
        const Running first = bench.servers.start(Kind::kStore, untiered);
        fresh.add(seconds_between(begin, SteadyClock::now()));
        constexpr std::size_t kEventBytes = 10'000;
        Load load;
        load.warm_up = std::chrono::milliseconds{0};
        load.events = static_cast<std::uint64_t>(log_mib) * kMiB / kBulkSegments / kEventBytes;
        (void)run_load(make_appenders(Kind::kStore, first.port, kBulkSegments, kEventBytes), load, [] { return 0.0; });
        first.process->kill();
        const auto killed = SteadyClock::now();
        const Running again = bench.servers.start(Kind::kStore, untiered);
        replay.add(seconds_between(killed, SteadyClock::now()));
        const auto appender = frame_appender(again.port, bench_segment(kBulkSegments), kEventBytes, Framing::kBlocks);
        (void)lone_appends(*appender, 1);
        acknowledged.add(seconds_between(killed, SteadyClock::now()));
        of_disk.add(acknowledged.last() / (static_cast<double>(log_mib) * kMiB / 1e6 / disk));
        again.process->terminate();
        std::printf("  %d: new %.3f s, again ready %.3f s, acknowledged %.3f s   direct read %.0f MB/s\n", round + 1,
                    fresh.last(), replay.last(), acknowledged.last(), disk);
        std::fflush(stdout);
    }
    bench.servers.clear_store();
    for (const Figure* each : {&fresh, &replay, &acknowledged, &of_disk}) each->print();
}

}  // namespace millrace::bench
