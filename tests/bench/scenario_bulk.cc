// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "tests/bench/store_scenario.h"

namespace millrace::bench {
namespace {

void measure_bulk_of(StoreBench& bench, std::size_t event_bytes) {
    const std::string size = event_bytes == 10'000 ? "10 KB" : "1 MB";
    std::printf("bulk: %s, %zu segments, tiering to the same disk\n", size.c_str(), kBulkSegments);
    Figure of_disk{bench.log, "B4", "MB/s of half the disk's, events of " + size, at_least(0.8)};
    Figure rate{bench.log, "B4", "MB/s, events of " + size};
    Figure server{bench.log, "B4", "ms of server CPU per MB, events of " + size};
    Figure client{bench.log, "B4", "ms of client CPU per MB, events of " + size};
    for (int round = 0; round < bench.options.rounds; ++round) {
        bench.servers.clear_store();
        const double disk = bench.servers.limits().at("direct_write_mb_s");
        const Running store = bench.servers.start(Kind::kStore, bounded_journal(bench.options));
        const Appenders appenders = make_appenders(Kind::kStore, store.port, kBulkSegments, event_bytes);
        auto retention = keep_eight_gib(store.port);
        fill_journal(bench.options, appenders);
        Load load;
        load.warm_up = std::chrono::milliseconds{500};
        load.time = std::chrono::seconds{bench.options.bulk_seconds};
        const Figures figures = run_load(appenders, load, [&] { return store.process->cpu_seconds(); });
        retention.reset();
        store.process->terminate();
        rate.add(figures.megabytes_per_second);
        of_disk.add(figures.megabytes_per_second / (disk / 2));
        server.add(ms_per_megabyte(figures.server_us, event_bytes));
        client.add(ms_per_megabyte(figures.client_us, event_bytes));
        std::printf("  %d: %.0f MB/s, server CPU %.2f ms/MB, client %.2f ms/MB   direct write %.0f MB/s\n", round + 1,
                    rate.last(), server.last(), client.last(), disk);
        std::fflush(stdout);
    }
    bench.servers.clear_store();
    for (const Figure* each : {&of_disk, &rate, &server, &client}) each->print();
}

}  // namespace

void measure_bulk(StoreBench& bench) {
    for (const std::size_t event_bytes : {std::size_t{10'000}, std::size_t{1'000'000}})
        measure_bulk_of(bench, event_bytes);
}

}  // namespace millrace::bench
