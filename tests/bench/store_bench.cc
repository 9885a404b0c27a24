// SPDX-License-Identifier: Apache-2.0
//
// A segment store as its clients meet it, against what bounds it: a server of the same frames that stores nothing
// (millrace bench null-server), Redis that syncs every append, and the machine's disk and loopback (millrace bench
// limits). The servers are child processes that take turns in rounds, with the same client; only what was acknowledged
// counts. Prints each round, and of each figure the median, the spread, and whether it meets its target. Scenarios,
// default all:
//
//     rate         one writer, one segment, 100 B events under way in blocks of several sizes, and each on its own
//     lone         one event of 100 B under way: its median latency against those of a sync and a ping-pong
//     closed       500 writers with one event of 100 B under way each, a segment for each
//     bulk         events of 10 KB and of 1 MB to 16 segments, while long-term storage takes them on the same disk
//     connections  25 MB/s of 1 KB over 1, 10, 100 and 500 connections, open loop, a segment for each
//     fan_out      1 and 100 readers at the tail of one segment, as fast as the slowest goes
//     cost         at half the rate of blocks: CPU per event of 100 B and per MB of 1 KB, bytes written per byte taken
//     idle         memory of a new store with 16 containers
//     ready        from the start of the process to its ready line: new, and after kill -9 with a log to replay
//
//     millrace_store_bench MILLRACE DIRECTORY [--rounds N] [--seconds N] [--bulk-seconds N] [--log-mib N]
//                          [--journal-mib N] [--shape PART_OF_A_NAME] [--json FILE] [SCENARIO...]
//
// --shape leaves out the other ways in which the events of `rate` go out. --json appends each round's figures to FILE,
// a line each. `bulk` and `cost` keep 8 GiB, and need half as much again in DIRECTORY, and the journal.
#include <algorithm>
#include <iterator>
#include <optional>

#include "tests/bench/store_scenario.h"

namespace millrace::bench {
namespace {

std::optional<BenchOptions> parse(int argc, char** argv) {
    if (argc < 3) return std::nullopt;
    BenchOptions options;
    options.millrace = argv[1];
    options.directory = argv[2];
    for (int i = 3; i < argc; ++i) {
        const std::string word = argv[i];
        if (!word.starts_with("--")) {
            options.scenarios.push_back(word);
            continue;
        }
        if (std::string* const text = word == "--shape" ? &options.shape : word == "--json" ? &options.json : nullptr) {
            if (++i == argc) return std::nullopt;
            *text = argv[i];
            continue;
        }
        int* const number = word == "--rounds"         ? &options.rounds
                            : word == "--seconds"      ? &options.seconds
                            : word == "--bulk-seconds" ? &options.bulk_seconds
                            : word == "--log-mib"      ? &options.log_mib
                            : word == "--journal-mib"  ? &options.journal_mib
                                                       : nullptr;
        if (number == nullptr || ++i == argc) return std::nullopt;
        *number = std::atoi(argv[i]);
        if (*number < 1) return std::nullopt;
    }
    return options;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    using namespace millrace::bench;
    const auto options = parse(argc, argv);
    if (!options) {
        std::fprintf(stderr,
                     "usage: %s MILLRACE DIRECTORY [--rounds N] [--seconds N] [--bulk-seconds N] [--log-mib N] "
                     "[--journal-mib N] [--shape PART_OF_A_NAME] [--json FILE] [SCENARIO...]\n",
                     argv[0]);
        return 2;
    }
    struct Scenario {
        const char* name;
        void (*run)(StoreBench&);
    };
    constexpr Scenario kScenarios[] = {{"rate", measure_rate},
                                       {"lone", measure_lone},
                                       {"closed", measure_closed},
                                       {"bulk", measure_bulk},
                                       {"connections", measure_connections},
                                       {"fan_out", measure_fan_out},
                                       {"cost", measure_cost},
                                       {"idle", measure_idle},
                                       {"ready", measure_ready}};
    for (const std::string& name : options->scenarios) {
        if (std::none_of(std::begin(kScenarios), std::end(kScenarios),
                         [&](const Scenario& s) { return name == s.name; })) {
            std::fprintf(stderr, "%s: no scenario '%s'\n", argv[0], name.c_str());
            return 2;
        }
    }
    StoreBench bench{
        .options = *options, .servers = {options->millrace, options->directory}, .log = FigureLog{options->json}};
    const auto& wanted = options->scenarios;
    for (const Scenario& scenario : kScenarios) {
        if (wanted.empty() || std::find(wanted.begin(), wanted.end(), scenario.name) != wanted.end())
            scenario.run(bench);
    }
    return 0;
}
