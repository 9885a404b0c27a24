// SPDX-License-Identifier: Apache-2.0
#include "controller/stream/epoch.h"

#include <algorithm>

namespace millrace::controller::stream {

const Segment* Epoch::find(SegmentId id) const {
    const auto found = std::find_if(segments.begin(), segments.end(), [id](const Segment& s) { return s.id == id; });
    return found == segments.end() ? nullptr : &*found;
}

std::vector<KeyRange> even_ranges(std::size_t count) {
    MR_CHECK(count >= 1 && count <= kMaxSegments);
    const double width = 1.0 / static_cast<double>(count);
    std::vector<KeyRange> ranges;
    ranges.reserve(count);
    double low = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
        // The last product can come out as 0.9999999999999999, which no client accepts.
        const double high = i + 1 == count ? 1.0 : static_cast<double>(i + 1) * width;
        ranges.push_back({low, high});
        low = high;
    }
    return ranges;
}

Epoch first_epoch(std::size_t count, std::uint32_t first_number, std::int64_t created_ms) {
    Epoch epoch;
    epoch.created_ms = created_ms;
    std::uint32_t number = first_number;
    for (const KeyRange& range : even_ranges(count)) {
        epoch.segments.push_back({SegmentId::of(static_cast<std::int32_t>(number++), StreamEpoch{0}), range});
    }
    return epoch;
}

Result<void> check_tiles(const std::vector<Segment>& segments) {
    double end = 0.0;
    for (const Segment& segment : segments) {
        if (segment.range.low != end || !(segment.range.low < segment.range.high)) {
            return Error{ErrorCode::kCorrupt, "segment " + std::to_string(segment.id.value) + " begins at " +
                                                  std::to_string(segment.range.low) + " and not at " +
                                                  std::to_string(end) + ", or is empty"};
        }
        end = segment.range.high;
    }
    if (end != 1.0) return Error{ErrorCode::kCorrupt, "the last segment ends at " + std::to_string(end) + ", not at 1.0"};
    return ok();
}

std::vector<Successor> successors(const Epoch& before, const Epoch& after, SegmentId segment) {
    const Segment* const replaced = before.find(segment);
    MR_CHECK(replaced != nullptr);
    std::vector<Successor> result;
    for (const Segment& candidate : after.segments) {
        if (!candidate.range.overlaps(replaced->range)) continue;
        Successor successor{candidate, {}};
        for (const Segment& old : before.segments) {
            if (old.range.overlaps(candidate.range)) successor.predecessors.push_back(old.id);
        }
        result.push_back(std::move(successor));
    }
    return result;
}

}  // namespace millrace::controller::stream
