// SPDX-License-Identifier: Apache-2.0
//
// The shards of a process: each one thread with one event loop and seams of its own. What is born on a shard stays there;
// crossing is on() (common/runtime/crossing.h), for whole batches, one post each way. A small machine has one shard and
// never crosses: a hop there and back between idle loops costs more than most of what it would spread.
// Lifetime: as AsioRuntime, for each shard.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "common/runtime/asio/asio_runtime.h"

namespace millrace {

// All processors but one, which the disk's and other blocking threads share; at least one.
std::size_t default_shards();

class Shards {
public:
    // 1 .. 256 shards. Shard 0 belongs to the thread that calls run_main(); the others start at once.
    explicit Shards(std::size_t count = default_shards(), AsioRuntimeOptions each = {});
    Shards(const Shards&) = delete;
    Shards& operator=(const Shards&) = delete;
    // Stops and joins all. What lives on the shards has ended.
    ~Shards();

    std::size_t count() const { return shards_.size(); }
    // Any thread. REQUIRES: shard < count().
    Runtime bundle(std::size_t shard);
    AsioRuntime& shard(std::size_t shard);

    // Runs `main` on shard 0, on the calling thread; returns its result once it has ended.
    int run_main(UniqueFunction<Task<int>()> main);

private:
    std::vector<std::unique_ptr<AsioRuntime>> shards_;
};

}  // namespace millrace
