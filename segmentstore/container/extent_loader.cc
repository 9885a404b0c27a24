// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/extent_loader.h"

#include <utility>

#include "segmentstore/tiering/object_writer.h"

namespace millrace::container {

namespace {

constexpr std::size_t kCopiedBelow = 16 * 1024;

}  // namespace

Task<Result<Bytes>> ExtentLoader::load(const TieredMap& map, TieredExtent extent) {
    if (storage_ == nullptr) co_return Error{ErrorCode::kUnavailable, "there is no long-term storage"};
    const Bytes kept = cache_.find_read(key_of(extent));
    std::shared_ptr<Load> load;
    bool mine = false;
    if (kept.empty()) {
        std::shared_ptr<Load>& place = loads_[key_of(extent)];
        mine = place == nullptr;
        if (mine) place = std::make_shared<Load>();
        load = place;
    }
    // What is spawned begins behind this coroutine's own read.
    read_ahead(map, extent);
    if (!kept.empty()) co_return kept;
    if (mine) co_await run(extent, load, std::nullopt);
    while (!load->result) co_await load->done.wait();
    (void)cache_.find_read(key_of(extent));  // used now, if it was read ahead
    co_return *load->result;
}

// At the beginning of what is there, or behind an extent that somebody has just had.
bool ExtentLoader::is_read_on(const TieredMap& map, const TieredExtent& extent) const {
    const TieredExtent* before = map.find(extent.offset - 1);
    return before == nullptr || cache_.has_read(key_of(*before));
}

void ExtentLoader::read_ahead(const TieredMap& map, const TieredExtent& extent) {
    // What is not begun must not be waited for.
    if (gate_.closed() || !is_read_on(map, extent)) return;
    const std::int64_t end = extent.end() + static_cast<std::int64_t>(kAheadBytes);
    std::size_t seen = 0;
    for (const TieredExtent* next = map.find(extent.end());
         next != nullptr && next->end() <= end && seen < kAheadExtents; next = map.find(next->end()), ++seen) {
        if (cache_.has_read(key_of(*next)) || loads_.contains(key_of(*next))) continue;
        std::optional<DataCache::AheadShare> share = cache_.share_for_ahead(next->length);
        if (!share) return;
        auto load = std::make_shared<Load>();
        loads_[key_of(*next)] = load;
        gate_.spawn(executor_, [this, extent = *next, load, share = std::move(share)]() mutable {
            return run(extent, std::move(load), std::move(share));
        });
    }
}

Task<void> ExtentLoader::run(TieredExtent extent, std::shared_ptr<Load> load, std::optional<DataCache::AheadShare> share) {
    const tiering::StoredExtent stored{0, extent.offset, extent.position, extent.length, extent.crc};
    const storage::ObjectName object{container_, extent.object.epoch, extent.object.sequence};
    load->result = co_await tiering::read_extent(*storage_, object, stored);
    if (*load->result) {
        Bytes& body = load->result->value();
        // What is kept is what is counted: a small body does not keep the disk's blocks around it.
        if (body.size() < kCopiedBelow) body = Bytes::copy_of(body.view());
        cache_.keep_read(key_of(extent), body, std::move(share));
    }
    loads_.erase(key_of(extent));
    load->done.notify_all();
}

}  // namespace millrace::container
