// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/snapshot.h"

#include "common/base/binary.h"

namespace millrace::container {

namespace {

constexpr std::uint8_t kAnchorVersion = 1;
constexpr std::string_view kSnapshotEndMagic{"mr-snpnd", 8};
constexpr std::size_t kAttributeBytes = 24;
constexpr std::size_t kSnapshotExtentBytes = 40;
constexpr std::size_t kMinSegmentBytes = 70;
constexpr std::size_t kObjectBytes = 34;

Error snapshot_corrupt(std::string what) { return {ErrorCode::kCorrupt, std::move(what)}; }

void put_object(ObjectId id, LittleEndianWriter& out) {
    out.u64(id.epoch.number());
    out.u64(id.sequence);
}

// 0 or 1; whatever else stands there was not written by us.
bool take_bool(LittleEndianReader& in) {
    const std::uint8_t value = in.u8();
    if (value > 1) in.fail();
    return value == 1;
}

ObjectId take_object(LittleEndianReader& in) {
    ObjectId id;
    id.epoch = OwnerEpoch{in.u64()};
    id.sequence = in.u64();
    return id;
}

}  // namespace

Bytes encode_anchor(const Anchor& anchor) {
    ByteBuffer bytes;
    LittleEndianWriter out{bytes};
    out.u8(kAnchorVersion);
    put_object(anchor.snapshot, out);
    out.u64(anchor.lsn.number());
    out.u64(anchor.body_bytes);
    out.u32(anchor.body_crc);
    return Bytes{std::move(bytes)};
}

Result<Anchor> decode_anchor(ByteView bytes) {
    LittleEndianReader in{bytes};
    const std::uint8_t version = in.u8();
    Anchor anchor;
    anchor.snapshot = take_object(in);
    anchor.lsn = Lsn{in.u64()};
    anchor.body_bytes = in.u64();
    anchor.body_crc = in.u32();
    if (!in.failed() && version > kAnchorVersion) {
        return Error{ErrorCode::kUnsupported, "a newer version of Millrace wrote the anchor of this log"};
    }
    if (in.failed() || in.remaining() > 0 || version != kAnchorVersion) {
        return snapshot_corrupt("the anchor of the log has an unknown form");
    }
    return anchor;
}

void encode_snapshot_head(const SnapshotHead& head, ByteBuffer& bytes) {
    LittleEndianWriter out{bytes};
    out.u32(kSnapshotVersion);
    out.u64(head.lsn.number());
    out.u64(head.cursor.index.number());
    out.u64(head.cursor.lsn.number());
    out.i64(head.wall_ms);
    out.u64(head.segments);
    out.u64(head.objects);
}

void encode_snapshot_segment(const SnapshotSegment& segment, ByteBuffer& bytes) {
    LittleEndianWriter out{bytes};
    out.u64(segment.key.number());
    out.u16(static_cast<std::uint16_t>(segment.name.size()));
    out.bytes(as_bytes(segment.name));
    out.i32(segment.policy.target_rate);
    out.i8(segment.policy.scale_type);
    out.i64(segment.policy.rollover_size_bytes);
    out.u8(segment.sealed ? 1 : 0);
    out.i64(segment.length);
    out.i64(segment.start_offset);
    out.i64(segment.last_modified_ms);
    out.u64(segment.newest.number());
    out.i64(segment.tiered_end);
    out.u32(static_cast<std::uint32_t>(segment.attributes.size()));
    out.u32(static_cast<std::uint32_t>(segment.extents.size()));
    for (const auto& [id, value] : segment.attributes) {
        out.bytes(id.bytes);
        out.i64(value);
    }
    for (const TieredExtent& extent : segment.extents) {
        put_object(extent.object, out);
        out.i64(extent.offset);
        out.u64(extent.position);
        out.u32(extent.length);
        out.u32(extent.crc);
    }
}

void encode_snapshot_object(const ObjectTable::Object& object, ByteBuffer& bytes) {
    LittleEndianWriter out{bytes};
    put_object(object.id, out);
    out.u8(object.snapshot ? 1 : 0);
    out.u8(object.written ? 1 : 0);
    out.u64(object.live_extents);
    out.u64(object.dead_since.number());
}

ByteBuffer encode_snapshot_end(std::uint64_t body_bytes, std::uint32_t body_crc) {
    ByteBuffer bytes;
    LittleEndianWriter out{bytes};
    out.bytes(as_bytes(kSnapshotEndMagic));
    out.u32(kSnapshotVersion);
    out.u32(body_crc);
    out.u64(body_bytes);
    return bytes;
}

Result<std::pair<std::uint64_t, std::uint32_t>> decode_snapshot_end(ByteView bytes) {
    LittleEndianReader in{bytes};
    const ByteView magic = in.bytes(kSnapshotEndMagic.size());
    const std::uint32_t version = in.u32();
    const std::uint32_t crc = in.u32();
    const std::uint64_t body_bytes = in.u64();
    if (in.failed() || as_text(magic) != kSnapshotEndMagic || version != kSnapshotVersion) {
        return snapshot_corrupt("the snapshot does not end as one");
    }
    return std::pair{body_bytes, crc};
}

Result<Snapshot> decode_snapshot(ByteView body) {
    LittleEndianReader in{body};
    const std::uint32_t version = in.u32();
    if (!in.failed() && version > kSnapshotVersion) {
        return Error{ErrorCode::kUnsupported, "the snapshot has version " + std::to_string(version) +
                                                  ", this program reads version " + std::to_string(kSnapshotVersion)};
    }
    Snapshot snapshot;
    snapshot.head.lsn = Lsn{in.u64()};
    snapshot.head.cursor.index = log::Index{in.u64()};
    snapshot.head.cursor.lsn = Lsn{in.u64()};
    snapshot.head.wall_ms = in.i64();
    snapshot.head.segments = in.u64();
    snapshot.head.objects = in.u64();
    // Counts are believed only as far as the bytes go.
    if (in.failed() || version != kSnapshotVersion || snapshot.head.segments > in.remaining() / kMinSegmentBytes ||
        snapshot.head.objects > in.remaining() / kObjectBytes) {
        return snapshot_corrupt("the head of the snapshot does not fit its size");
    }
    snapshot.segments.reserve(snapshot.head.segments);
    for (std::uint64_t i = 0; i < snapshot.head.segments; ++i) {
        SnapshotSegment& segment = snapshot.segments.emplace_back();
        segment.key = SegmentKey{in.u64()};
        segment.name = as_text(in.bytes(in.u16()));
        segment.policy.target_rate = in.i32();
        segment.policy.scale_type = in.i8();
        segment.policy.rollover_size_bytes = in.i64();
        segment.sealed = take_bool(in);
        segment.length = in.i64();
        segment.start_offset = in.i64();
        segment.last_modified_ms = in.i64();
        segment.newest = Lsn{in.u64()};
        segment.tiered_end = in.i64();
        const std::uint32_t attributes = in.u32();
        const std::uint32_t extents = in.u32();
        if (in.failed() || segment.name.empty() || attributes > in.remaining() / kAttributeBytes ||
            extents > in.remaining() / kSnapshotExtentBytes || segment.start_offset < 0 ||
            segment.start_offset > segment.length || segment.tiered_end > segment.length) {
            return snapshot_corrupt("segment " + std::to_string(i) + " of the snapshot contradicts itself");
        }
        segment.attributes.resize(attributes);
        for (auto& [id, value] : segment.attributes) {
            const ByteView bytes = in.bytes(id.bytes.size());
            std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
            value = in.i64();
        }
        segment.extents.resize(extents);
        for (TieredExtent& extent : segment.extents) {
            extent.object = take_object(in);
            extent.offset = in.i64();
            extent.position = in.u64();
            extent.length = in.u32();
            extent.crc = in.u32();
        }
        for (std::size_t e = 0; e < segment.extents.size(); ++e) {
            const TieredExtent& extent = segment.extents[e];
            const std::int64_t end = e + 1 < segment.extents.size() ? segment.extents[e + 1].offset : segment.tiered_end;
            if (extent.length == 0 || extent.end() != end) {
                return snapshot_corrupt("the extents of segment '" + segment.name + "' in the snapshot have a gap");
            }
        }
    }
    for (std::uint64_t i = 0; i < snapshot.head.objects; ++i) {
        ObjectTable::Object& object = snapshot.objects.emplace_back();
        object.id = take_object(in);
        object.snapshot = take_bool(in);
        object.written = take_bool(in);
        object.live_extents = in.u64();
        object.dead_since = Lsn{in.u64()};
    }
    if (in.failed() || in.remaining() > 0) return snapshot_corrupt("the snapshot is longer or shorter than what it holds");
    return snapshot;
}

}  // namespace millrace::container
