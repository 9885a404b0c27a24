// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "tests/bench/store_scenario.h"

namespace millrace::bench {
namespace {

struct Shape {
    const char* name;
    std::size_t block_bytes;
    Framing framing;
};
constexpr Shape kShapes[] = {{"blocks of 8 KiB", 8 * 1024, Framing::kBlocks},
                             {"blocks of 64 KiB", 64 * 1024, Framing::kBlocks},
                             {"blocks of 1 MiB", kMiB, Framing::kBlocks},
                             {"one event a block", 1, Framing::kBlocks},
                             {"conditional appends", 1, Framing::kConditionalAppends}};

void measure_shape(StoreBench& bench, const Shape& shape) {
    std::printf("rate: 100 B, one writer, %s\n", shape.name);
    const auto figure = [&](const std::string& what, Target target = kNoTarget) {
        return Figure{bench.log, "B1", what + ", " + shape.name, target};
    };
    Figure rate = figure("million e/s", at_least(1.0));
    Figure null_rate = figure("million e/s of the null server");
    Figure redis_rate = figure("million e/s of Redis");
    Figure to_null = figure("e/s of the null server's", at_least(0.6));
    Figure to_redis = figure("e/s of Redis'", at_least(4));
    Figure server_us = figure("us of server CPU per event");
    Figure client_us = figure("us of client CPU per event");
    Figure cpu = figure("server CPU per event, times the null server's");
    Figure redis_us = figure("us of Redis' CPU per event");
    Load load;
    load.block_bytes = shape.block_bytes;
    load.time = std::chrono::seconds{bench.options.seconds};
    for (int round = 0; round < bench.options.rounds; ++round) {
        Figures by_kind[3];
        std::printf("  %d:", round + 1);
        for (const Kind kind : bench.servers.turns(round)) {
            Figures& figures = by_kind[static_cast<int>(kind)];
            figures = one_writer(bench, kind, load, kSmallEvent, shape.framing, round);
            std::printf(" %s %s ", name_of(kind), rate_text(figures).c_str());
        }
        std::printf("\n");
        std::fflush(stdout);
        const auto& [store, null, redis] = by_kind;
        rate.add(store.events_per_second / 1e6);
        null_rate.add(null.events_per_second / 1e6);
        to_null.add(store.events_per_second / null.events_per_second);
        server_us.add(store.server_us);
        client_us.add(store.client_us);
        cpu.add(store.server_us / null.server_us);
        if (bench.servers.has_redis()) {
            redis_rate.add(redis.events_per_second / 1e6);
            to_redis.add(store.events_per_second / redis.events_per_second);
            redis_us.add(redis.server_us);
        }
    }
    for (const Figure* each :
         {&rate, &null_rate, &redis_rate, &to_null, &to_redis, &server_us, &client_us, &cpu, &redis_us})
        each->print();
}

}  // namespace

void measure_rate(StoreBench& bench) {
    for (const Shape& shape : kShapes) {
        if (std::strstr(shape.name, bench.options.shape.c_str()) != nullptr) measure_shape(bench, shape);
    }
}

}  // namespace millrace::bench
