// SPDX-License-Identifier: Apache-2.0
//
// Extents in long-term storage, read and checked once for all who want them at the same time, and kept for the next. Who
// reads on from one extent into another has the following ones read meanwhile, so that the disk works while replies are
// sent.
// Thread rule: the container's executor. Lifetime: `gate` is closed before destruction; cache and storage outlive it.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/model/ids.h"
#include "common/runtime/executor.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "segmentstore/container/data_cache.h"
#include "segmentstore/container/tiered_map.h"
#include "segmentstore/storage/object_storage.h"

namespace millrace::container {

class ExtentLoader {
public:
    // `storage` may be null: then every load fails.
    ExtentLoader(Executor executor, ContainerId container, DataCache& cache, storage::ObjectStorage* storage, Gate& gate)
        : executor_{std::move(executor)}, container_{container}, cache_{cache}, storage_{storage}, gate_{gate} {}
    ExtentLoader(const ExtentLoader&) = delete;
    ExtentLoader& operator=(const ExtentLoader&) = delete;

    // The bytes of `extent`, which is one of `map`; the map is looked at before the first suspension only. Called inside
    // the gate. Errors as tiering::read_extent(); kUnavailable without a storage.
    Task<Result<Bytes>> load(const TieredMap& map, TieredExtent extent);

    // So much is read ahead of one reader, in so many extents at most: each may be an object of its own.
    static constexpr std::size_t kAheadBytes = 3 * 1024 * 1024;
    static constexpr std::size_t kAheadExtents = 8;

private:
    struct Load {
        std::optional<Result<Bytes>> result;
        Signal done;
    };

    DataCache::ReadKey key_of(const TieredExtent& extent) const {
        return {container_, extent.object.epoch, extent.object.sequence, extent.position};
    }
    bool is_read_on(const TieredMap& map, const TieredExtent& extent) const;
    void read_ahead(const TieredMap& map, const TieredExtent& extent);
    Task<void> run(TieredExtent extent, std::shared_ptr<Load> load, std::optional<DataCache::AheadShare> share);

    Executor executor_;
    const ContainerId container_;
    DataCache& cache_;
    storage::ObjectStorage* const storage_;
    Gate& gate_;
    std::map<DataCache::ReadKey, std::shared_ptr<Load>> loads_;  // under way
};

}  // namespace millrace::container
