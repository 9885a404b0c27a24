// SPDX-License-Identifier: Apache-2.0
//
// A stream's shape at one time: which segments cover which keys. Pure values; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/result.h"
#include "common/model/ids.h"
#include "common/model/key_range.h"
#include "common/model/segment_name.h"

namespace millrace::controller::stream {

// The most segments that a stream may have at once.
inline constexpr std::size_t kMaxSegments = 10'000;
// The last epoch that a stream may come to: so many that are over fit its history.
inline constexpr std::int32_t kMaxEpoch = 64'000;

struct Segment {
    SegmentId id;
    KeyRange range;
    auto operator<=>(const Segment&) const = default;
};

struct Epoch {
    StreamEpoch epoch;
    StreamEpoch reference;        // the epoch whose ranges this one repeats; itself otherwise
    std::int64_t created_ms = 0;  // wall time, rising from epoch to epoch
    std::vector<Segment> segments;  // by range

    const Segment* find(SegmentId id) const;
    bool operator==(const Epoch&) const = default;
};

// [0, 1] in `count` equal parts: neighbours share bit-identical bounds, the last ends at exactly 1.0.
// REQUIRES: 1 <= count <= kMaxSegments.
std::vector<KeyRange> even_ranges(std::size_t count);

// Epoch 0 of a new stream, its numbers counting from `first_number`.
Epoch first_epoch(std::size_t count, std::uint32_t first_number, std::int64_t created_ms);

// kCorrupt says where `segments` (by range) fail to tile [0, 1] exactly.
Result<void> check_tiles(const std::vector<Segment>& segments);

// A segment that took over keys, and all segments it took them from.
struct Successor {
    Segment segment;
    std::vector<SegmentId> predecessors;
    bool operator==(const Successor&) const = default;
};

// Who took over the keys of `segment`, which is in `before` and was replaced in `after`.
std::vector<Successor> successors(const Epoch& before, const Epoch& after, SegmentId segment);

}  // namespace millrace::controller::stream
