// SPDX-License-Identifier: Apache-2.0
//
// The servers that take turns in a measurement, each a child process with its files below one directory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tests/bench/server_process.h"

namespace millrace::bench {

enum class Kind { kStore, kNull, kRedis };
const char* name_of(Kind kind);

struct Running {
    std::unique_ptr<ServerProcess> process;
    std::uint16_t port = 0;
};

class BenchServers {
public:
    // Makes the directory.
    BenchServers(std::string millrace, std::string directory);

    bool has_redis() const { return has_redis_; }
    // Those that this machine has, another one first in each round, so that nobody profits from the others' warm
    // machine.
    std::vector<Kind> turns(int round) const;

    // Waits until it serves. `more`: options of a store.
    // A store goes on with what the last one left; the others begin empty.
    Running start(Kind kind, const std::vector<std::string>& more = {}) const;
    void clear_store() const;

    // What `millrace bench limits` measures here.
    nlohmann::json limits() const;

private:
    Running start_redis() const;
    std::string path(const char* name) const { return directory_ + "/" + name; }

    const std::string millrace_;
    const std::string directory_;
    bool has_redis_ = false;
};

}  // namespace millrace::bench
