// SPDX-License-Identifier: Apache-2.0
//
// A segment store as its clients meet it, against what bounds it: a server of the same frames that stores nothing
// (millrace bench null-server), Redis that syncs every append, and the machine's disk and loopback (millrace bench limits).
// The servers are child processes that take turns in rounds, with the same client; only what was acknowledged counts.
// Prints each round, and the median and the spread of its ratio. Scenarios, default all:
//
//     rate    one writer, one segment, 100 B events under way in blocks of several sizes, and each on its own
//     lone    one event of 100 B under way: its median latency against those of a sync and a ping-pong
//     bulk    events of 10 KB and of 1 MB to 16 segments, while long-term storage takes them on the same disk
//     cost    the server's CPU per event of 100 B at half the rate of blocks
//     idle    memory of a new store with 16 containers
//     ready   from the start of the process to its ready line: new, and after kill -9 with a log to replay
//
//     millrace_store_bench MILLRACE DIRECTORY [--rounds N] [--seconds N] [--bulk-seconds N] [--log-mib N]
//                          [--shape PART_OF_A_NAME] [SCENARIO...]
//
// --shape leaves out the other ways in which the events of `rate` go out.
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>

#include <nlohmann/json.hpp>

#include "tests/bench/load.h"
#include "tests/bench/server_process.h"

namespace millrace::bench {
namespace {

constexpr std::size_t kSmallEvent = 100;
constexpr std::size_t kBulkSegments = 16;
constexpr std::size_t kLoneAppends = 5000;
constexpr std::size_t kMiB = 1024 * 1024;
// Long-term storage must keep up with a bulk load: beyond this the store holds its writers back.
constexpr std::size_t kBulkJournalMiB = 2048;

struct BenchOptions {
    std::string millrace;
    std::string directory;
    int rounds = 5;
    int seconds = 3;
    int bulk_seconds = 15;
    int log_mib = 512;
    std::string shape;  // a part of its name
    std::vector<std::string> scenarios;
};

enum class Kind { kStore, kNull, kRedis };

// What a round came to, over the rounds.
class Ratio {
public:
    void add(double value) { values_.push_back(value); }
    void print(const char* what, const char* target) const {
        std::printf("  => %s: median %.3f (%.3f to %.3f)  target %s\n", what, median(values_), spread(values_).first,
                    spread(values_).second, target);
        std::fflush(stdout);
    }

private:
    std::vector<double> values_;
};

struct Running {
    std::unique_ptr<ServerProcess> process;
    std::uint16_t port = 0;
};

class Bench {
public:
    explicit Bench(BenchOptions options) : options_{std::move(options)} {
        std::filesystem::create_directories(options_.directory);
        has_redis_ = std::system("command -v redis-server >/dev/null") == 0;
        if (!has_redis_) std::printf("redis-server is not on the path: the figures against it are left out\n");
    }

    void rate() {
        struct Shape {
            const char* name;
            std::size_t block_bytes;
            Framing framing;
        };
        for (const Shape& shape : {Shape{"blocks of 8 KiB", 8 * 1024, Framing::kBlocks},
                                   Shape{"blocks of 64 KiB", 64 * 1024, Framing::kBlocks},
                                   Shape{"blocks of 1 MiB", kMiB, Framing::kBlocks},
                                   Shape{"one event a block", 1, Framing::kBlocks},
                                   Shape{"conditional appends", 1, Framing::kConditionalAppends}}) {
            if (std::strstr(shape.name, options_.shape.c_str()) == nullptr) continue;
            std::printf("rate: 100 B, one writer, %s\n", shape.name);
            const Load load = small_load(shape.block_bytes);
            Ratio to_null, to_redis, cpu;
            for (int round = 0; round < options_.rounds; ++round) {
                Figures store, null, redis;
                // Who is first changes, so that nobody profits from the others' warm machine.
                for (int i = 0; i < 3; ++i) {
                    const Kind kind = static_cast<Kind>((round + i) % 3);
                    if (kind == Kind::kRedis && !has_redis_) continue;
                    (kind == Kind::kStore ? store : kind == Kind::kNull ? null : redis) =
                        small_events(kind, load, shape.framing, round);
                }
                to_null.add(store.events_per_second / null.events_per_second);
                cpu.add(store.server_us / null.server_us);
                std::printf("  %d: store %s   null %s", round + 1, text(store).c_str(), text(null).c_str());
                if (has_redis_) {
                    to_redis.add(store.events_per_second / redis.events_per_second);
                    std::printf("   redis %s", text(redis).c_str());
                }
                std::printf("\n");
                std::fflush(stdout);
            }
            to_null.print("of the null server", "0.5, goal 0.6");
            cpu.print("server CPU per event, times the null server's", "none");
            if (has_redis_) to_redis.print("of Redis", "3, goal 4");
        }
    }

    void lone() {
        std::printf("lone: 100 B, one under way\n");
        Ratio median_ratio, tail_ratio;
        for (int round = 0; round < options_.rounds; ++round) {
            const nlohmann::json limits = measure_limits();
            const double sync = limits.at("fdatasync_4k_p50_us"), ping = limits.at("ping_pong_p50_us");
            const double sync_p99 = limits.at("fdatasync_4k_p99_us");
            const Running server = start(Kind::kStore);
            const auto appender = frame_appender(server.port, segment(round), kSmallEvent, Framing::kBlocks);
            (void)lone_appends(*appender, kLoneAppends / 5);
            const std::vector<double> us = lone_appends(*appender, kLoneAppends);
            appender->clean_up();
            server.process->terminate();
            const double p50 = us[us.size() / 2], p99 = us[us.size() * 99 / 100];
            median_ratio.add(p50 / (sync + ping));
            tail_ratio.add(p99 / (sync_p99 + ping));
            std::printf("  %d: append p50 %.1f us p99 %.1f us   sync p50 %.1f us p99 %.1f us   ping-pong p50 %.1f us\n", round + 1,
                        p50, p99, sync, sync_p99, ping);
            std::fflush(stdout);
        }
        median_ratio.print("p50 of the limits", "1.5");
        tail_ratio.print("p99 of the limits", "1.5");
    }

    void bulk() {
        for (const std::size_t event_bytes : {std::size_t{10'000}, std::size_t{1'000'000}}) {
            std::printf("bulk: %zu B, %zu segments, tiering to the same disk\n", event_bytes, kBulkSegments);
            Ratio ratio;
            for (int round = 0; round < options_.rounds; ++round) {
                clear_store();
                const double disk = measure_limits().at("direct_write_mb_s");
                const Running server = start(Kind::kStore, {"--journal-total-bytes-max", std::to_string(kBulkJournalMiB) + "MiB"});
                const auto appenders = bulk_appenders(server.port, event_bytes);
                Load load;
                // All files of the journal, so that none is made while the time counts.
                load.events = kBulkJournalMiB * kMiB / kBulkSegments / event_bytes;
                load.warm_up = std::chrono::milliseconds{0};
                (void)run_load(appenders, load, [] { return 0.0; });
                load.events = 0;
                load.warm_up = std::chrono::milliseconds{500};
                load.time = std::chrono::seconds{options_.bulk_seconds};
                const Figures figures = run_load(appenders, load, [&] { return server.process->cpu_seconds(); });
                server.process->terminate();
                ratio.add(figures.megabytes_per_second / (disk / 2));
                std::printf("  %d: %.0f MB/s, server CPU %.2f ms/MB, client %.2f ms/MB   direct write %.0f MB/s\n", round + 1,
                            figures.megabytes_per_second, per_megabyte(figures.server_us, event_bytes),
                            per_megabyte(figures.client_us, event_bytes), disk);
                std::fflush(stdout);
            }
            ratio.print("of half the disk", "0.6, goal 0.8");
        }
        clear_store();
    }

    void cost() {
        std::printf("cost: 100 B, one writer at half its rate in blocks\n");
        Load load = small_load(64 * 1024);
        load.events_per_second = small_events(Kind::kStore, load, Framing::kBlocks, 0).events_per_second / 2;
        Ratio store_cost, null_cost;
        for (int round = 0; round < options_.rounds; ++round) {
            const Figures store = small_events(Kind::kStore, load, Framing::kBlocks, round);
            const Figures null = small_events(Kind::kNull, load, Framing::kBlocks, round);
            store_cost.add(store.server_us);
            null_cost.add(null.server_us);
            std::printf("  %d: store %s   null %s\n", round + 1, text(store).c_str(), text(null).c_str());
            std::fflush(stdout);
        }
        store_cost.print("store, us of CPU per event", "1.5, goal 1.0");
        null_cost.print("null server, us of CPU per event", "none");
    }

    void idle() {
        std::printf("idle: 16 containers\n");
        Ratio memory;
        for (int round = 0; round < options_.rounds; ++round) {
            clear_store();
            const Running server = start(Kind::kStore);
            // It goes on with what can wait, such as the next journal file.
            const timespec settled{.tv_sec = 2, .tv_nsec = 0};
            ::nanosleep(&settled, nullptr);
            memory.add(static_cast<double>(server.process->resident_bytes()) / static_cast<double>(kMiB));
            server.process->terminate();
        }
        memory.print("resident MiB", "at most 60");
    }

    void ready() {
        Ratio fresh, replay;
        for (int round = 0; round < options_.rounds; ++round) {
            clear_store();
            const auto begin = SteadyClock::now();
            // All of it stays in the log.
            const std::vector<std::string> untiered{"--tiering-window-bytes", "1GiB", "--tiering-age-max-seconds", "86400"};
            const Running server = start(Kind::kStore, untiered);
            fresh.add(seconds_between(begin, SteadyClock::now()));
            Load load;
            load.warm_up = std::chrono::milliseconds{0};
            load.events = static_cast<std::uint64_t>(options_.log_mib) * kMiB / kBulkSegments / 10'000;
            (void)run_load(bulk_appenders(server.port, 10'000), load, [] { return 0.0; });
            server.process->kill();
            const auto killed = SteadyClock::now();
            const Running again = start(Kind::kStore, untiered);
            replay.add(seconds_between(killed, SteadyClock::now()));
            again.process->terminate();
        }
        std::printf("ready: seconds from the start of the process\n");
        fresh.print("new directory", "at most 0.7");
        const std::string allowed = "at most " + std::to_string(2 + options_.log_mib / 256);
        replay.print(("after kill -9 with " + std::to_string(options_.log_mib) + " MiB of log").c_str(), allowed.c_str());
        clear_store();
    }

    bool wanted(const char* scenario) const {
        return options_.scenarios.empty() ||
               std::find(options_.scenarios.begin(), options_.scenarios.end(), scenario) != options_.scenarios.end();
    }

private:
    Load small_load(std::size_t block_bytes) const {
        Load load;
        load.block_bytes = block_bytes;
        load.time = std::chrono::seconds{options_.seconds};
        return load;
    }

    static std::string text(const Figures& figures) {
        char line[128];
        std::snprintf(line, sizeof line, "%8.0f e/s, CPU server %.2f client %.2f us/e", figures.events_per_second,
                      figures.server_us, figures.client_us);
        return line;
    }
    static double per_megabyte(double us_per_event, std::size_t event_bytes) {
        return us_per_event / static_cast<double>(event_bytes) * 1e3;
    }
    static std::string segment(int number) { return "bench/store/" + std::to_string(number) + ".#epoch.0"; }

    std::string path(const char* name) const { return options_.directory + "/" + name; }
    void clear_store() { std::filesystem::remove_all(path("store")); }

    Running start(Kind kind, const std::vector<std::string>& more = {}) {
        Running running;
        if (kind == Kind::kRedis) {
            std::filesystem::remove_all(path("redis"));
            std::filesystem::create_directories(path("redis"));
            running.port = free_port();
            running.process = std::make_unique<ServerProcess>(
                std::vector<std::string>{"redis-server", "--bind", "127.0.0.1", "--port", std::to_string(running.port), "--dir",
                                         path("redis"), "--appendonly", "yes", "--appendfsync", "always", "--save", "",
                                         "--auto-aof-rewrite-percentage", "0"},
                path("redis.log"));
            while (running.process->read_line().find("Ready to accept connections") == std::string::npos) {}
            return running;
        }
        std::vector<std::string> arguments{options_.millrace};
        if (kind == Kind::kNull) {
            arguments.insert(arguments.end(), {"bench", "null-server"});
        } else {
            arguments.insert(arguments.end(), {"segmentstore", "--standalone", "--data-dir", path("store"), "--segmentstore-port",
                                               "0", "--http-port", "0", "--log-level", "warn"});
        }
        arguments.insert(arguments.end(), more.begin(), more.end());
        running.process = std::make_unique<ServerProcess>(arguments, path("store.log"));
        running.port = segment_store_port(running.process->read_line());
        return running;
    }

    Figures small_events(Kind kind, const Load& load, Framing framing, int round) {
        const Running server = start(kind);
        std::vector<std::unique_ptr<Appender>> appenders;
        appenders.push_back(kind == Kind::kRedis ? redis_appender(server.port, "bench", kSmallEvent)
                                                 : frame_appender(server.port, segment(round), kSmallEvent, framing));
        const Figures figures = run_load(appenders, load, [&] { return server.process->cpu_seconds(); });
        appenders.front()->clean_up();
        server.process->terminate();
        return figures;
    }

    std::vector<std::unique_ptr<Appender>> bulk_appenders(std::uint16_t port, std::size_t event_bytes) {
        std::vector<std::unique_ptr<Appender>> appenders;
        for (std::size_t i = 0; i < kBulkSegments; ++i) {
            appenders.push_back(frame_appender(port, segment(static_cast<int>(i)), event_bytes, Framing::kBlocks));
        }
        return appenders;
    }

    nlohmann::json measure_limits() {
        ServerProcess limits{{options_.millrace, "bench", "limits", "--dir", options_.directory, "--output", "json"},
                             path("limits.log")};
        return nlohmann::json::parse(limits.read_to_end());
    }

    const BenchOptions options_;
    bool has_redis_ = false;
};

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
        if (word == "--shape" && i + 1 < argc) {
            options.shape = argv[++i];
            continue;
        }
        int* const number = word == "--rounds"         ? &options.rounds
                            : word == "--seconds"      ? &options.seconds
                            : word == "--bulk-seconds" ? &options.bulk_seconds
                            : word == "--log-mib"      ? &options.log_mib
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
                     "[--shape PART_OF_A_NAME] [SCENARIO...]\n",
                     argv[0]);
        return 2;
    }
    struct Scenario {
        const char* name;
        void (Bench::*run)();
    };
    constexpr Scenario kScenarios[] = {{"rate", &Bench::rate}, {"lone", &Bench::lone}, {"bulk", &Bench::bulk},
                                       {"cost", &Bench::cost}, {"idle", &Bench::idle}, {"ready", &Bench::ready}};
    for (const std::string& name : options->scenarios) {
        if (std::none_of(std::begin(kScenarios), std::end(kScenarios), [&](const Scenario& s) { return name == s.name; })) {
            std::fprintf(stderr, "%s: no scenario '%s'\n", argv[0], name.c_str());
            return 2;
        }
    }
    Bench bench{*options};
    for (const Scenario& scenario : kScenarios) {
        if (bench.wanted(scenario.name)) (bench.*scenario.run)();
    }
    return 0;
}
