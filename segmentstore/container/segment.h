// SPDX-License-Identifier: Apache-2.0
//
// One segment in memory, seen twice: as admitted (ahead of the log; what decides the next request)
// and as committed (what readers see). Plain data, changed by Container only.
// Thread rule: the container's executor.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "common/model/ids.h"
#include "common/runtime/signal.h"
#include "segmentstore/container/data_cache.h"
#include "segmentstore/container/extent_map.h"
#include "segmentstore/container/operation.h"
#include "segmentstore/container/tiered_map.h"

namespace millrace::container {

// An attribute, which may be a writer's place in the segment.
struct Attribute {
    std::int64_t value = kNoAttributeValue;  // admitted; of a writer: its last event number
    std::int64_t committed = kNoAttributeValue;
    // Which set-up of the writer may append: the newest. 0: none of this process.
    std::uint64_t owner = 0;
};

struct Segment {
    Segment(std::string segment_name, SegmentKey segment_key, DataCache& data_cache)
        : name{std::move(segment_name)}, key{segment_key}, cache{data_cache} {}

    const std::string name;
    const SegmentKey key;
    ScalePolicy policy;

    struct Admitted {
        std::int64_t length = 0;
        std::int64_t start_offset = 0;
        bool sealed = false;
        bool deleted = false;
        std::int64_t last_modified_ms = 0;
        Lsn newest;  // the last operation on this segment
    } admitted;
    std::unordered_map<AttributeId, Attribute> attributes;  // admitted

    struct Committed {
        bool exists = false;  // its creation
        std::int64_t length = 0;
        std::int64_t start_offset = 0;
        bool sealed = false;
        bool deleted = false;
        std::int64_t last_modified_ms = 0;
    } committed;
    TieredMap tiered;    // the committed bytes in long-term storage
    ExtentMap extents;   // the committed bytes in the log, from where those end
    bool untiered = false;  // on the container's list of segments with bytes in the log only
    SegmentCache cache;  // the newest of them

    // The next bytes lie here in the log. What was truncated before it was tiered leaves a gap.
    void locate(const Extent& place) {
        if (extents.empty() && place.offset > extents.end()) extents.restart_at(place.offset);
        extents.add(place);
    }

    std::list<Signal*> waiting_readers;
    void wake_readers() {
        for (Signal* reader : waiting_readers) reader->notify_all();
    }
};

}  // namespace millrace::container
