// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/data_cache.h"

#include <algorithm>

namespace millrace::container {

DataCache::DataCache(std::size_t budget_bytes)
    : budget_{budget_bytes}, entry_budget_{std::min<std::size_t>(budget_bytes / 4, 32 * 1024 * 1024)} {}

DataCache::~DataCache() { MR_CHECK(blocks_.empty() && moved_.empty()); }

void DataCache::gathered(std::uint64_t before, std::uint64_t now) {
    MR_CHECK(gathered_bytes_ >= before && gatherers_ >= (before > 0 ? 1u : 0u));
    gathered_bytes_ = gathered_bytes_ - before + now;
    gatherers_ = gatherers_ - (before > 0 ? 1 : 0) + (now > 0 ? 1 : 0);
    urgent_ = gathered_bytes_ >= (urgent_ ? budget_ / 8 : budget_ / 2);
}

std::chrono::nanoseconds DataCache::Move::pause(std::size_t bytes) const {
    if (cache_.gathered_bytes_ == 0) return std::chrono::nanoseconds{0};
    const double part = static_cast<double>(bytes * cache_.moves_) / static_cast<double>(cache_.gathered_bytes_);
    const std::chrono::duration<double> pause = part * kMovesEvenly;
    return pause < kPauseMax ? std::chrono::duration_cast<std::chrono::nanoseconds>(pause) : kPauseMax;
}

std::optional<DataCache::AheadShare> DataCache::share_for_ahead(std::size_t bytes) {
    if (ahead_bytes_ + bytes > entry_budget_ / 2) return std::nullopt;
    return AheadShare{*this, bytes};
}

Bytes DataCache::find_read(const ReadKey& key) {
    const auto found = entry_index_.find(key);
    if (found == entry_index_.end()) return {};
    entries_.splice(entries_.end(), entries_, found->second);
    found->second->used_at = ++uses_;
    found->second->ahead.reset();
    return found->second->body;
}

void DataCache::keep_read(const ReadKey& key, Bytes body, std::optional<AheadShare> ahead) {
    if (body.size() > entry_budget_ || entry_index_.contains(key)) return;
    while (entry_bytes_ + body.size() > entry_budget_) drop_oldest_read();
    make_room(body.size());
    entry_bytes_ += body.size();
    entries_.push_back({key, std::move(body), std::move(ahead), ++uses_});
    entry_index_[key] = std::prev(entries_.end());
}

void DataCache::drop_oldest_read() {
    entry_bytes_ -= entries_.front().body.size();
    entry_index_.erase(entries_.front().key);
    entries_.pop_front();
}

DataCache::Blocks::iterator DataCache::new_block(SegmentCache& owner, std::int64_t begin, std::size_t capacity) {
    make_room(capacity);
    Block block;
    block.owner = &owner;
    block.begin = begin;
    block.memory = std::shared_ptr<std::byte[]>(new std::byte[capacity]);  // uninitialised on purpose
    block.capacity = capacity;
    blocks_.push_back(std::move(block));
    block_bytes_ += capacity;
    return std::prev(blocks_.end());
}

void DataCache::make_room(std::size_t bytes) {
    while (block_bytes_ + entry_bytes_ + bytes > budget_ && !(entries_.empty() && moved_.empty() && blocks_.empty())) {
        // What was read back and what has moved go by age: a writer's moved blocks must not drive out what was just read ahead.
        // What would have to be read from the log again in order to move goes last.
        if (!entries_.empty() && (moved_.empty() || entries_.front().used_at < moved_.front().moved_at)) {
            drop_oldest_read();
            continue;
        }
        const auto first = moved_.empty() ? blocks_.begin() : moved_.begin();
        SegmentCache& owner = *first->owner;
        // Blocks of one segment are made, and move, in offset order: its oldest is its first.
        MR_CHECK(owner.blocks_.front() == first);
        owner.blocks_.erase(owner.blocks_.begin());
        drop(first);
    }
}

void DataCache::drop(Blocks::iterator block) {
    block_bytes_ -= block->capacity;
    (block->moved ? moved_ : blocks_).erase(block);
}

void DataCache::set_moved(Blocks::iterator block) {
    block->moved = true;
    block->moved_at = ++uses_;
    moved_.splice(moved_.end(), blocks_, block);
}

void SegmentCache::append(std::int64_t offset, const Bytes& bytes) {
    if (bytes.empty() || bytes.size() > cache_.budget() / 4) {
        // Too large to keep: what would follow it could no longer be contiguous with what is here.
        if (!bytes.empty()) clear();
        return;
    }
    std::size_t done = 0;
    while (done < bytes.size()) {
        const bool usable = !blocks_.empty() && blocks_.back()->used < blocks_.back()->capacity;
        if (!usable) {
            const std::size_t left = bytes.size() - done;
            std::size_t capacity = kMinBlock;
            if (!blocks_.empty()) capacity = std::min(kMaxBlock, blocks_.back()->capacity * 2);
            while (capacity < left && capacity < kMaxBlock) capacity *= 2;
            const auto block = cache_.new_block(*this, offset + static_cast<std::int64_t>(done), capacity);
            blocks_.push_back(block);
        }
        Block& last = *blocks_.back();
        MR_CHECK(last.begin + static_cast<std::int64_t>(last.used) == offset + static_cast<std::int64_t>(done));
        const std::size_t take = std::min(last.capacity - last.used, bytes.size() - done);
        std::memcpy(last.memory.get() + last.used, bytes.data() + done, take);
        last.used += take;
        done += take;
    }
}

Bytes SegmentCache::find(std::int64_t offset, std::size_t length) const {
    if (blocks_.empty() || offset < blocks_.front()->begin) return {};
    const auto after = std::upper_bound(blocks_.begin(), blocks_.end(), offset,
                                        [](std::int64_t at, const auto& block) { return at < block->begin; });
    const Block& block = **std::prev(after);
    const auto inside = static_cast<std::size_t>(offset - block.begin);
    if (inside >= block.used) return {};
    const std::size_t take = std::min(length, block.used - inside);
    return Bytes{block.memory, ByteView{block.memory.get() + inside, take}};
}

void SegmentCache::drop_before(std::int64_t offset) {
    auto kept = blocks_.begin();
    while (kept != blocks_.end() && lies_before(*kept, offset)) cache_.drop(*kept++);
    blocks_.erase(blocks_.begin(), kept);
}

void SegmentCache::moved_before(std::int64_t offset) {
    auto block = std::partition_point(blocks_.begin(), blocks_.end(), [](const auto& each) { return each->moved; });
    for (; block != blocks_.end() && lies_before(*block, offset); ++block) cache_.set_moved(*block);
}

void SegmentCache::clear() {
    for (const auto& block : blocks_) cache_.drop(block);
    blocks_.clear();
}

}  // namespace millrace::container
