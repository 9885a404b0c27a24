// SPDX-License-Identifier: Apache-2.0
#include "common/runtime/asio/shards.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "common/base/check.h"

namespace millrace {

namespace {

constexpr std::size_t kShardsMax = 256;

}  // namespace

std::size_t default_shards() {
    const std::size_t processors = std::thread::hardware_concurrency();  // 0: unknown
    return std::clamp<std::size_t>(processors, 2, kShardsMax + 1) - 1;
}

Shards::Shards(std::size_t count, AsioRuntimeOptions each) {
    MR_CHECK(count >= 1 && count <= kShardsMax);
    for (std::size_t shard = 0; shard < count; ++shard) {
        AsioRuntimeOptions options = each;
        // The same seed for all would make them draw the same numbers.
        if (options.seed) *options.seed += shard;
        shards_.push_back(std::make_unique<AsioRuntime>(options));
        if (shard > 0) shards_.back()->start_thread("mr-shard-" + std::to_string(shard));
    }
}

Shards::~Shards() {
    // All of them first: one that still runs may post to any other.
    for (const auto& shard : shards_) shard->stop();
    for (const auto& shard : shards_) shard->join();
}

Runtime Shards::bundle(std::size_t shard) { return this->shard(shard).bundle(); }

AsioRuntime& Shards::shard(std::size_t shard) {
    MR_CHECK(shard < shards_.size());
    return *shards_[shard];
}

int Shards::run_main(UniqueFunction<Task<int>()> main) { return shards_.front()->run_main(std::move(main)); }

}  // namespace millrace
