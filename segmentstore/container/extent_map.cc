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
}

std::size_t ExtentMap::size() const {
    return chunks_.empty() ? 0 : (chunks_.size() - 1) * kChunkExtents + chunks_.back().size();
}

}  // namespace millrace::container
