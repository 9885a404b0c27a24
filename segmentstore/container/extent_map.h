// SPDX-License-Identifier: Apache-2.0
//
// Where a segment's bytes lie in the log. One extent covers all appends to the segment that one
// entry holds, so a busy log costs few of them. Grows in chunks: nothing large is ever moved.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "common/base/check.h"
#include "segmentstore/log/durable_log.h"

namespace millrace::container {

// `length` bytes of a segment from `offset`, in entry `entry`. A run starts at the operation at
// `position` of the entry's body and may go on in later operations of the same entry; raw bytes lie
// at `position` themselves (the tail of an operation that began in an earlier entry).
struct Extent {
    static constexpr std::uint32_t kRawBit = 0x8000'0000;

    std::int64_t offset = 0;
    log::Index entry;
    std::uint32_t position_and_kind = 0;
    std::uint32_t length = 0;

    static Extent run(std::int64_t offset, log::Index entry, std::uint32_t position, std::uint32_t length) {
        return {offset, entry, position, length};
    }
    static Extent raw(std::int64_t offset, log::Index entry, std::uint32_t position, std::uint32_t length) {
        return {offset, entry, position | kRawBit, length};
    }
    bool raw() const { return (position_and_kind & kRawBit) != 0; }
    std::uint32_t position() const { return position_and_kind & ~kRawBit; }
    std::int64_t end() const { return offset + length; }
};
static_assert(sizeof(Extent) == 24);

class ExtentMap {
public:
    // REQUIRES: the extent starts where the last one ends, and is not empty.
    void add(const Extent& extent);
    // The extent that holds the byte at `offset`, or nullptr. Valid until the next add().
    const Extent* find(std::int64_t offset) const;
    std::int64_t end() const { return end_; }
    bool empty() const { return chunks_.empty(); }
    std::size_t size() const;
    // Forgets what lies wholly before `offset`, or at least most of it.
    void drop_before(std::int64_t offset);
    void clear() { chunks_ = {}; }
    // Forgets everything; what comes next starts at `offset`.
    void restart_at(std::int64_t offset) {
        chunks_.clear();
        end_ = offset;
    }
    // Where the bytes of entries from `entry` on begin: end() when there are none. Entries never fall.
    std::int64_t begin_of(log::Index entry) const;
    // The first byte that is here; end() when nothing is.
    std::int64_t begin() const { return chunks_.empty() ? end_ : chunks_.front().front().offset; }

private:
    static constexpr std::size_t kChunkExtents = 1024;

    std::deque<std::vector<Extent>> chunks_;  // none is empty
    std::int64_t end_ = 0;
};

}  // namespace millrace::container
