// SPDX-License-Identifier: Apache-2.0
//
// Scopes and streams: make, look at, configure, scale, truncate, seal, delete. All calls block, bounded by the client's
// connect_timeout plus the two minutes that a controller gives a workflow. What is refused has not happened; after
// kUnavailable and kTimedOut the error's fate says whether that is known. Every call can be made again: what was done already is
// no error, or one that says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/model/key_range.h"
#include "common/model/segment_name.h"
#include "millrace/event_reader.h"
#include "millrace/stream_config.h"

namespace millrace {

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

struct EpochSegment {
    SegmentId id;
    KeyRange range;
    bool operator==(const EpochSegment&) const = default;
};

// A stretch of a stream's life between two scales.
struct EpochDescription {
    StreamEpoch epoch;
    std::vector<EpochSegment> segments;  // by range; they tile the key space
    bool operator==(const EpochDescription&) const = default;
};

class StreamManager {
public:
    virtual ~StreamManager() = default;

    // True when this call made it, false when it was there. kInvalidArgument: illegal name.
    virtual Result<bool> create_scope(const std::string& scope) = 0;
    virtual Result<std::vector<std::string>> list_scopes() = 0;  // sorted
    // kNotFound. kFailedPrecondition: something is in it.
    virtual Result<void> delete_scope(const std::string& scope) = 0;

    // True when this call made it, false when it was there (its configuration is left alone).
    // kNotFound: no such scope.
    virtual Result<bool> create_stream(const StreamName& stream, const StreamConfig& config) = 0;
    // Sorted; streams that clients and controllers keep for themselves (_...) left out.
    virtual Result<std::vector<std::string>> list_streams(const std::string& scope) = 0;
    virtual Result<StreamDescription> describe(const StreamName& stream) = 0;
    // The newest epochs of those that the controller still knows, oldest first; each is asked for by a call of its own.
    virtual Result<std::vector<EpochDescription>> epochs(const StreamName& stream,
                                                         std::size_t at_most = std::numeric_limits<std::size_t>::max()) = 0;
    virtual Result<StreamConfig> configuration(const StreamName& stream) = 0;
    // Replaces the configuration; what other clients keep there besides (tags) stays. A min_segments above what there is splits
    // segments. kSealed, kInvalidArgument. kFailedPrecondition: somebody else changes it just now.
    virtual Result<void> update_configuration(const StreamName& stream, const StreamConfig& config) = 0;

    // Replaces `sealed` by segments with `ranges`, which must cover exactly the same keys; completes
    // when the new epoch is current. kFailedPrecondition: a segment is not current, or a merge below
    // min_segments. kInvalidArgument: the ranges do not fit.
    virtual Result<void> scale(const StreamName& stream, const std::vector<SegmentId>& sealed,
                               const std::vector<KeyRange>& ranges) = 0;
    // Forgets every event before `begin`, for good; readers that are still there hear kTruncated. Positions of readers and of
    // tail() will do. kSealed. kFailedPrecondition: `begin` lies before the head, beyond the end or in no place where a reader
    // could be, or another truncation is under way.
    virtual Result<void> truncate(const StreamName& stream, const Position& begin) = 0;
    // No more events; sealing again is fine.
    virtual Result<void> seal(const StreamName& stream) = 0;
    // kFailedPrecondition: not sealed.
    virtual Result<void> remove(const StreamName& stream) = 0;

    // The oldest event still there; the end of everything written so far.
    virtual Result<Position> head(const StreamName& stream) = 0;
    virtual Result<Position> tail(const StreamName& stream) = 0;
};

}  // namespace millrace
