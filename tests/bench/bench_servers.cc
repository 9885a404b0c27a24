// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/bench_servers.h"

#include <filesystem>

#include <nlohmann/json.hpp>

namespace millrace::bench {

const char* name_of(Kind kind) { return kind == Kind::kStore ? "store" : kind == Kind::kNull ? "null" : "redis"; }

BenchServers::BenchServers(std::string millrace, std::string directory)
    : millrace_{std::move(millrace)}, directory_{std::move(directory)} {
    std::filesystem::create_directories(directory_);
    has_redis_ = std::system("command -v redis-server >/dev/null") == 0;
    if (!has_redis_) std::printf("redis-server is not on the path: the figures against it are left out\n");
}

std::vector<Kind> BenchServers::turns(int round) const {
    std::vector<Kind> kinds;
    for (int i = 0; i < 3; ++i) {
        const Kind kind = static_cast<Kind>((round + i) % 3);
        if (kind != Kind::kRedis || has_redis_) kinds.push_back(kind);
    }
    return kinds;
}

Running BenchServers::start_redis() const {
    std::filesystem::remove_all(path("redis"));
    std::filesystem::create_directories(path("redis"));
    Running running;
    running.port = free_port();
    running.process = std::make_unique<ServerProcess>(
        std::vector<std::string>{"redis-server", "--bind", "127.0.0.1", "--port", std::to_string(running.port), "--dir",
                                 path("redis"), "--appendonly", "yes", "--appendfsync", "always", "--save", "",
                                 "--auto-aof-rewrite-percentage", "0"},
        path("redis.log"));
    while (running.process->read_line().find("Ready to accept connections") == std::string::npos) {
    }
    return running;
}

Running BenchServers::start(Kind kind, const std::vector<std::string>& more) const {
    if (kind == Kind::kRedis) return start_redis();
    std::vector<std::string> arguments{millrace_};
    if (kind == Kind::kNull) {
        arguments.insert(arguments.end(), {"bench", "null-server"});
    } else {
        arguments.insert(arguments.end(), {"segmentstore", "--standalone", "--data-dir", path("store"),
                                           "--segmentstore-port", "0", "--http-port", "0", "--log-level", "warn"});
        arguments.insert(arguments.end(), more.begin(), more.end());
    }
    Running running;
    running.process = std::make_unique<ServerProcess>(arguments, path("store.log"));
    running.port = segment_store_port(running.process->read_line());
    return running;
}

void BenchServers::clear_store() const { std::filesystem::remove_all(path("store")); }

nlohmann::json BenchServers::limits() const {
    ServerProcess limits{{millrace_, "bench", "limits", "--dir", directory_, "--output", "json"}, path("limits.log")};
    return nlohmann::json::parse(limits.read_to_end());
}

}  // namespace millrace::bench
