// SPDX-License-Identifier: Apache-2.0
//
// A container's state as one object of long-term storage, and the anchor that names it: docs/formats/snapshot.md.
// A snapshot counts only when the log's anchor names it. Pure encoding; who writes and reads it is container_tiering.cc.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "segmentstore/container/object_table.h"
#include "segmentstore/container/operation.h"
#include "segmentstore/container/tiered_map.h"

namespace millrace::container {

inline constexpr std::uint32_t kSnapshotVersion = 1;
inline constexpr std::size_t kSnapshotEndBytes = 24;

// What the log keeps with its truncation.
struct Anchor {
    ObjectId snapshot;
    Lsn lsn;                       // of the state
    std::uint64_t body_bytes = 0;  // between the object's header and its end
    std::uint32_t body_crc = 0;
    bool operator==(const Anchor&) const = default;
};
Bytes encode_anchor(const Anchor& anchor);
Result<Anchor> decode_anchor(ByteView bytes);

struct SnapshotSegment {
    SegmentKey key;
    std::string name;
    ScalePolicy policy;
    bool sealed = false;
    std::int64_t length = 0;
    std::int64_t start_offset = 0;
    std::int64_t last_modified_ms = 0;
    Lsn newest;
    std::int64_t tiered_end = 0;
    std::vector<std::pair<AttributeId, std::int64_t>> attributes;
    std::vector<TieredExtent> extents;
    bool operator==(const SnapshotSegment&) const = default;
};

struct SnapshotHead {
    Lsn lsn;
    LogPosition cursor;
    std::int64_t wall_ms = 0;
    std::uint64_t segments = 0;
    std::uint64_t objects = 0;
    bool operator==(const SnapshotHead&) const = default;
};

// The body: a head, then so many segments, then so many objects.
void encode_snapshot_head(const SnapshotHead& head, ByteBuffer& out);
void encode_snapshot_segment(const SnapshotSegment& segment, ByteBuffer& out);
void encode_snapshot_object(const ObjectTable::Object& object, ByteBuffer& out);
ByteBuffer encode_snapshot_end(std::uint64_t body_bytes, std::uint32_t body_crc);

struct Snapshot {
    SnapshotHead head;
    std::vector<SnapshotSegment> segments;
    std::vector<ObjectTable::Object> objects;
};
// The body's checksum has been verified. kCorrupt: layout; kUnsupported: a newer version.
Result<Snapshot> decode_snapshot(ByteView body);
// (body bytes, body checksum).
Result<std::pair<std::uint64_t, std::uint32_t>> decode_snapshot_end(ByteView bytes);

}  // namespace millrace::container
