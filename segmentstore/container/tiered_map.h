// SPDX-License-Identifier: Apache-2.0
//
// Where a segment's bytes lie in long-term storage: extents in order of offset, without gaps, up to where the log takes
// over. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <vector>

#include "common/model/ids.h"

namespace millrace::container {

// An object of this container, without the container's number.
struct ObjectId {
    OwnerEpoch epoch;
    std::uint64_t sequence = 0;
    auto operator<=>(const ObjectId&) const = default;
};

struct TieredExtent {
    ObjectId object;
    std::int64_t offset = 0;  // in the segment
    std::uint64_t position = 0;  // in the object
    std::uint32_t length = 0;
    std::uint32_t crc = 0;

    std::int64_t end() const { return offset + length; }
    bool operator==(const TieredExtent&) const = default;
};

class TieredMap {
public:
    // REQUIRES: the extent starts at end(), or is the first; it is not empty.
    void add(const TieredExtent& extent);
    // The extent that holds the byte at `offset`, or nullptr. Valid until the next change.
    const TieredExtent* find(std::int64_t offset) const;
    // Where the last extent ends, also when it was dropped; 0 for a segment that was never tiered.
    std::int64_t end() const { return end_; }
    // Takes out what lies wholly before `offset`.
    std::vector<TieredExtent> drop_before(std::int64_t offset);
    std::vector<TieredExtent> drop_all() { return drop_before(end_); }

    const std::deque<TieredExtent>& extents() const { return extents_; }
    // For a snapshot: what end() was when nothing of it is left.
    void set_end(std::int64_t end) { end_ = end; }

private:
    std::deque<TieredExtent> extents_;
    std::int64_t end_ = 0;
};

}  // namespace millrace::container
