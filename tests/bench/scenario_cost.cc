// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/store_scenario.h"

namespace millrace::bench {
namespace {

Load half_load(StoreBench& bench, std::size_t event_bytes) {
    Load load;
    load.time = std::chrono::seconds{bench.options.seconds};
    load.events_per_second =
        one_writer(bench, Kind::kStore, load, event_bytes, Framing::kBlocks, 0).events_per_second / 2;
    return load;
}

void measure_cost_per_event(StoreBench& bench) {
    std::printf("cost: 100 B, one writer at half its rate in blocks\n");
    const Load load = half_load(bench, kSmallEvent);
    Figure store_cost{bench.log, "B13", "us of server CPU per event of 100 B", at_most(1.0)};
    Figure null_cost{bench.log, "B13", "us of the null server's CPU per event of 100 B"};
    for (int round = 0; round < bench.options.rounds; ++round) {
        const Figures store = one_writer(bench, Kind::kStore, load, kSmallEvent, Framing::kBlocks, round);
        const Figures null = one_writer(bench, Kind::kNull, load, kSmallEvent, Framing::kBlocks, round);
        store_cost.add(store.server_us);
        null_cost.add(null.server_us);
        std::printf("  %d: store %s   null %s\n", round + 1, rate_text(store).c_str(), rate_text(null).c_str());
        std::fflush(stdout);
    }
    store_cost.print();
    null_cost.print();
}

// Written by the process, journal and long-term storage together, over what came in. Windows that were moved a moment
// before and after the load blur it by some tens of MB at either end.
void measure_cost_per_megabyte(StoreBench& bench) {
    std::printf("cost: 1 KB, %zu writers at half their rate in blocks, tiering to the same disk\n", kBulkSegments);
    Figure cost{bench.log, "B13", "ms of server CPU per MB, events of 1 KB", at_most(3)};
    Figure written{bench.log, "B13", "bytes written to disk per byte taken", at_most(2.05)};
    Figure rate{bench.log, "B13", "MB/s at half load, events of 1 KB"};
    for (int round = 0; round < bench.options.rounds; ++round) {
        bench.servers.clear_store();
        const Running store = bench.servers.start(Kind::kStore, bounded_journal(bench.options));
        const Appenders appenders = make_appenders(Kind::kStore, store.port, kBulkSegments, kMediumEvent);
        const auto cpu_seconds = [&] { return store.process->cpu_seconds(); };
        auto retention = keep_eight_gib(store.port);
        fill_journal(bench.options, appenders);
        Load load;
        load.time = std::chrono::seconds{bench.options.seconds};
        load.events_per_second = run_load(appenders, load, cpu_seconds).events_per_second / 2;
        load.time = std::chrono::seconds{bench.options.bulk_seconds};
        std::uint64_t bytes[2] = {};
        int asked = 0;
        const Figures figures = run_load(appenders, load, [&] {
            bytes[asked++] = store.process->written_bytes();
            return store.process->cpu_seconds();
        });
        retention.reset();
        store.process->terminate();
        rate.add(figures.megabytes_per_second);
        cost.add(ms_per_megabyte(figures.server_us, kMediumEvent));
        written.add(static_cast<double>(bytes[1] - bytes[0]) / 1e6 / (figures.megabytes_per_second * figures.seconds));
        std::printf("  %d: %.0f MB/s, server CPU %.2f ms/MB, %.2f bytes written per byte\n", round + 1, rate.last(),
                    cost.last(), written.last());
        std::fflush(stdout);
    }
    bench.servers.clear_store();
    for (const Figure* each : {&cost, &written, &rate}) each->print();
}

}  // namespace

void measure_cost(StoreBench& bench) {
    measure_cost_per_event(bench);
    measure_cost_per_megabyte(bench);
}

}  // namespace millrace::bench
