// SPDX-License-Identifier: Apache-2.0
#include "client/streams/stream_cut.h"

#include <algorithm>

namespace millrace::client {

namespace {

using Ranges = std::map<SegmentId, KeyRange>;

constexpr std::int64_t kWaits = -1;

// Ids order by age.
bool overlapped_from(SegmentId first, const KeyRange& range, const Ranges& ranges) {
    return std::any_of(ranges.lower_bound(first), ranges.end(),
                       [&](const auto& named) { return named.second.overlaps(range); });
}

// Younger ones have begun with some of its keys: it has been read to its end.
bool has_ended(SegmentId segment, const KeyRange& range, const Ranges& ranges) {
    return overlapped_from(SegmentId{segment.value + 1}, range, ranges);
}

}  // namespace

std::vector<KeyRange> keys_that_wait(const Ranges& ranges) {
    std::vector<KeyRange> read;
    for (const auto& [segment, range] : ranges) {
        if (!has_ended(segment, range, ranges)) read.push_back(range);
    }
    std::sort(read.begin(), read.end());
    std::vector<KeyRange> waiting;
    double covered = 0.0;
    for (const KeyRange& range : read) {
        if (range.low > covered) waiting.push_back({covered, range.low});
        covered = std::max(covered, range.high);
    }
    if (covered < 1.0) waiting.push_back({covered, 1.0});
    return waiting;
}

std::map<SegmentId, std::int64_t> stream_cut(std::map<SegmentId, std::int64_t> offsets, const Ranges& ranges,
                                             const std::vector<Successor>& successors) {
    const std::vector<KeyRange> waiting = keys_that_wait(ranges);
    std::erase_if(offsets, [&](const auto& entry) { return has_ended(entry.first, ranges.at(entry.first), ranges); });
    for (const auto& [successor, predecessors] : successors) {
        // One that has begun is named, or those are that came after it.
        const bool begun = overlapped_from(successor.id, successor.range, ranges);
        const bool next = std::any_of(waiting.begin(), waiting.end(),
                                      [&](const KeyRange& keys) { return keys.overlaps(successor.range); });
        if (next && !begun) offsets[successor.id] = kWaits;
    }
    return offsets;
}

}  // namespace millrace::client
