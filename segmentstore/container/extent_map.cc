// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/extent_map.h"

#include <algorithm>

namespace millrace::container {

void ExtentMap::add(const Extent& extent) {
    MR_CHECK(extent.length > 0 && extent.offset == end());
    end_ = extent.end();
    if (!chunks_.empty()) {
        Extent& last = chunks_.back().back();
        if (last.entry == extent.entry && !extent.raw() && !last.raw()) {
            last.length += extent.length;
            return;
        }
    }
    if (chunks_.empty() || chunks_.back().size() == kChunkExtents) chunks_.emplace_back();
    chunks_.back().push_back(extent);
}

const Extent* ExtentMap::find(std::int64_t offset) const {
    if (chunks_.empty() || offset < chunks_.front().front().offset || offset >= end()) return nullptr;
    const auto chunk = std::prev(std::upper_bound(chunks_.begin(), chunks_.end(), offset,
                                                  [](std::int64_t at, const auto& c) { return at < c.front().offset; }));
    return &*std::prev(std::upper_bound(chunk->begin(), chunk->end(), offset,
                                        [](std::int64_t at, const Extent& e) { return at < e.offset; }));
}

void ExtentMap::drop_before(std::int64_t offset) {
    while (!chunks_.empty() && chunks_.front().back().end() <= offset) chunks_.pop_front();
    if (chunks_.empty()) return;
    // Of the first chunk, once it is worth the move.
    std::vector<Extent>& first = chunks_.front();
    const auto kept = std::find_if(first.begin(), first.end(), [&](const Extent& e) { return e.end() > offset; });
    if (2 * (kept - first.begin()) >= static_cast<std::ptrdiff_t>(first.size())) first.erase(first.begin(), kept);
}

std::int64_t ExtentMap::begin_of(log::Index entry) const {
    const auto chunk = std::find_if(chunks_.begin(), chunks_.end(),
                                    [&](const auto& c) { return c.back().entry >= entry; });
    if (chunk == chunks_.end()) return end_;
    return std::lower_bound(chunk->begin(), chunk->end(), entry,
                            [](const Extent& e, log::Index index) { return e.entry < index; })->offset;
}

std::size_t ExtentMap::size() const {
    std::size_t size = 0;
    for (const auto& chunk : chunks_) size += chunk.size();
    return size;
}

}  // namespace millrace::container
