// SPDX-License-Identifier: Apache-2.0
//
// Scopes and streams: make, look at, scale, seal, delete. All calls block, bounded by the client's
// connect_timeout plus the two minutes that a controller gives a workflow.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/model/key_range.h"
#include "common/model/segment_name.h"
#include "millrace/event_reader.h"

namespace millrace {

struct StreamConfig {
    // Segments at creation, and the least that scaling keeps. 1 .. 10,000.
    std::int32_t min_segments = 1;
    bool operator==(const StreamConfig&) const = default;
};

struct SegmentDescription {
    SegmentId id;
    KeyRange range;
    std::int64_t start_offset = 0;
    std::int64_t length = 0;  // the end offset: appended bytes, framing included
};

struct StreamDescription {
    std::vector<SegmentDescription> segments;  // of the current epoch by range; none when sealed
    StreamEpoch epoch;                         // the newest epoch of any current segment
    bool sealed = false;
    StreamConfig config;
};

class StreamManager {
public:
    virtual ~StreamManager() = default;

    // True when this call made it, false when it was there. kInvalidArgument: illegal name.
    virtual Result<bool> create_scope(const std::string& scope) = 0;
    virtual Result<std::vector<std::string>> list_scopes() = 0;  // sorted

    // True when this call made it, false when it was there (its configuration is left alone).
    // kNotFound: no such scope.
    virtual Result<bool> create_stream(const StreamName& stream, const StreamConfig& config) = 0;
    // Sorted; streams that clients and controllers keep for themselves (_...) left out.
    virtual Result<std::vector<std::string>> list_streams(const std::string& scope) = 0;
    virtual Result<StreamDescription> describe(const StreamName& stream) = 0;
    virtual Result<StreamConfig> configuration(const StreamName& stream) = 0;

    // Replaces `sealed` by segments with `ranges`, which must cover exactly the same keys; completes
    // when the new epoch is current. kFailedPrecondition: a segment is not current, or a merge below
    // min_segments. kInvalidArgument: the ranges do not fit.
    virtual Result<void> scale(const StreamName& stream, const std::vector<SegmentId>& sealed,
                               const std::vector<KeyRange>& ranges) = 0;
    // No more events; sealing again is fine.
    virtual Result<void> seal(const StreamName& stream) = 0;
    // kFailedPrecondition: not sealed.
    virtual Result<void> remove(const StreamName& stream) = 0;

    // The oldest event still there; the end of everything written so far.
    virtual Result<Position> head(const StreamName& stream) = 0;
    virtual Result<Position> tail(const StreamName& stream) = 0;
};

}  // namespace millrace
