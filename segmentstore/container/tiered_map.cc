// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/tiered_map.h"

#include <algorithm>
#include <iterator>

#include "common/base/check.h"

namespace millrace::container {

void TieredMap::add(const TieredExtent& extent) {
    MR_CHECK(extent.length > 0 && (extents_.empty() || extent.offset == extents_.back().end()));
    extents_.push_back(extent);
    end_ = extent.end();
}

const TieredExtent* TieredMap::find(std::int64_t offset) const {
    const auto after = std::upper_bound(extents_.begin(), extents_.end(), offset,
                                        [](std::int64_t at, const TieredExtent& e) { return at < e.offset; });
    if (after == extents_.begin()) return nullptr;
    const TieredExtent& extent = *std::prev(after);
    return offset < extent.end() ? &extent : nullptr;
}

std::vector<TieredExtent> TieredMap::drop_before(std::int64_t offset) {
    std::vector<TieredExtent> dropped;
    while (!extents_.empty() && extents_.front().end() <= offset) {
        dropped.push_back(extents_.front());
        extents_.pop_front();
    }
    return dropped;
}

}  // namespace millrace::container
