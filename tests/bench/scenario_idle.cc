// SPDX-License-Identifier: Apache-2.0
#include <time.h>

#include "tests/bench/store_scenario.h"

namespace millrace::bench {

void measure_idle(StoreBench& bench) {
    std::printf("idle: 16 containers\n");
    Figure memory{bench.log, "idle", "resident MiB", at_most(60)};
    for (int round = 0; round < bench.options.rounds; ++round) {
        bench.servers.clear_store();
        const Running store = bench.servers.start(Kind::kStore);
        // It goes on with what can wait, such as the next journal file.
        const timespec settled{.tv_sec = 2, .tv_nsec = 0};
        ::nanosleep(&settled, nullptr);
        memory.add(static_cast<double>(store.process->resident_bytes()) / static_cast<double>(kMiB));
        store.process->terminate();
    }
    bench.servers.clear_store();
    memory.print();
}

}  // namespace millrace::bench
