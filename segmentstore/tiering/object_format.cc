// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/tiering/object_format.h"

#include <algorithm>

#include "common/base/binary.h"
#include "common/base/crc32c.h"
#include "common/model/segment_name.h"

namespace millrace::tiering {

namespace {

constexpr std::string_view kHeaderMagic{"mr-objct", 8};
constexpr std::string_view kTrailerMagic{"mr-objnd", 8};
constexpr std::size_t kExtentBytes = 32;

Error object_corrupt(std::string what) { return {ErrorCode::kCorrupt, std::move(what)}; }

void pad_with_checksum(ByteBuffer& out, std::size_t bytes) {
    LittleEndianWriter writer{out};
    writer.u32(crc32c(out.view()));
    MR_CHECK(out.size() <= bytes);
    while (out.size() < bytes) writer.u8(0);
}

// Of a block that starts with a magic number and a version and has its checksum after `fields` bytes.
Result<void> check_block(ByteView bytes, std::size_t size, std::size_t fields, std::string_view magic, std::string_view what) {
    if (bytes.size() != size || as_text(bytes.first(magic.size())) != magic) {
        return object_corrupt("there is no " + std::string{what} + " of an object here");
    }
    LittleEndianReader reader{bytes.subspan(magic.size())};
    const std::uint32_t version = reader.u32();
    LittleEndianReader checksum{bytes.subspan(fields)};
    if (checksum.u32() != crc32c(bytes.first(fields))) {
        return object_corrupt("the " + std::string{what} + " of the object fails its checksum");
    }
    // After the checksum: a flipped bit is not a newer version.
    if (version != kObjectVersion) {
        return Error{ErrorCode::kUnsupported, "the object has version " + std::to_string(version) +
                                                  ", this program reads version " + std::to_string(kObjectVersion)};
    }
    return ok();
}

constexpr std::size_t kHeaderFields = 8 + 4 + 4 + 4 + 8 + 8;
constexpr std::size_t kTrailerFields = 8 + 4 + 8 + 4 + 4 + 4 + 4;

}  // namespace

ByteBuffer encode_object_header(const ObjectHeader& header) {
    ByteBuffer out;
    LittleEndianWriter writer{out};
    writer.bytes(as_bytes(kHeaderMagic));
    writer.u32(kObjectVersion);
    writer.u32(static_cast<std::uint32_t>(header.kind));
    writer.u32(header.name.container.number());
    writer.u64(header.name.epoch.number());
    writer.u64(header.name.sequence);
    pad_with_checksum(out, kObjectHeaderBytes);
    return out;
}

Result<ObjectHeader> decode_object_header(ByteView bytes) {
    MR_TRY_VOID(check_block(bytes, kObjectHeaderBytes, kHeaderFields, kHeaderMagic, "header"));
    LittleEndianReader reader{bytes.subspan(kHeaderMagic.size() + 4)};
    ObjectHeader header;
    const std::uint32_t kind = reader.u32();
    if (kind != static_cast<std::uint32_t>(ObjectKind::kData) && kind != static_cast<std::uint32_t>(ObjectKind::kSnapshot)) {
        return object_corrupt("the object is of unknown kind " + std::to_string(kind));
    }
    header.kind = static_cast<ObjectKind>(kind);
    header.name.container = ContainerId{reader.u32()};
    header.name.epoch = OwnerEpoch{reader.u64()};
    header.name.sequence = reader.u64();
    return header;
}

ByteBuffer encode_object_end(const ObjectFooter& footer, std::uint64_t footer_begin) {
    ByteBuffer out;
    LittleEndianWriter writer{out};
    for (const StoredSegment& segment : footer.segments) {
        MR_CHECK(!segment.name.empty() && segment.name.size() <= kMaxSegmentNameBytes);
        writer.u64(segment.segment);
        writer.u16(static_cast<std::uint16_t>(segment.name.size()));
        writer.bytes(as_bytes(segment.name));
    }
    for (const StoredExtent& extent : footer.extents) {
        writer.u64(extent.segment);
        writer.i64(extent.offset);
        writer.u64(extent.position);
        writer.u32(extent.length);
        writer.u32(extent.crc);
    }
    MR_CHECK(out.size() <= kMaxFooterBytes);
    ByteBuffer trailer;
    LittleEndianWriter end{trailer};
    end.bytes(as_bytes(kTrailerMagic));
    end.u32(kObjectVersion);
    end.u64(footer_begin);
    end.u32(static_cast<std::uint32_t>(out.size()));
    end.u32(crc32c(out.view()));
    end.u32(static_cast<std::uint32_t>(footer.segments.size()));
    end.u32(static_cast<std::uint32_t>(footer.extents.size()));
    pad_with_checksum(trailer, kObjectTrailerBytes);
    out.append(trailer.view());
    return out;
}

Result<ObjectTrailer> decode_object_trailer(ByteView bytes) {
    MR_TRY_VOID(check_block(bytes, kObjectTrailerBytes, kTrailerFields, kTrailerMagic, "trailer"));
    LittleEndianReader reader{bytes.subspan(kTrailerMagic.size() + 4)};
    ObjectTrailer trailer;
    trailer.footer_begin = reader.u64();
    trailer.footer_bytes = reader.u32();
    trailer.footer_crc = reader.u32();
    trailer.segments = reader.u32();
    trailer.extents = reader.u32();
    if (trailer.footer_bytes > kMaxFooterBytes || trailer.footer_begin < kObjectHeaderBytes) {
        return object_corrupt("the trailer of the object contradicts itself");
    }
    return trailer;
}

Result<ObjectFooter> decode_object_footer(ByteView bytes, const ObjectTrailer& trailer) {
    if (bytes.size() != trailer.footer_bytes || crc32c(bytes) != trailer.footer_crc) {
        return object_corrupt("the footer of the object fails its checksum");
    }
    if (trailer.extents > bytes.size() / kExtentBytes || trailer.segments > bytes.size() / 10) {
        return object_corrupt("the footer of the object is too short for what it lists");
    }
    LittleEndianReader reader{bytes};
    ObjectFooter footer;
    footer.segments.resize(trailer.segments);
    std::uint64_t previous = 0;
    for (StoredSegment& segment : footer.segments) {
        segment.segment = reader.u64();
        segment.name = as_text(reader.bytes(reader.u16()));
        if (segment.segment <= previous || segment.name.empty()) return object_corrupt("the object lists a segment wrongly");
        previous = segment.segment;
    }
    footer.extents.resize(trailer.extents);
    std::uint64_t position = kObjectHeaderBytes;
    for (StoredExtent& extent : footer.extents) {
        extent.segment = reader.u64();
        extent.offset = reader.i64();
        extent.position = reader.u64();
        extent.length = reader.u32();
        extent.crc = reader.u32();
        const bool known = std::binary_search(footer.segments.begin(), footer.segments.end(), extent.segment,
                                              [](const auto& a, const auto& b) {
                                                  const auto key = [](const auto& v) {
                                                      if constexpr (requires { v.segment; }) return v.segment;
                                                      else return v;
                                                  };
                                                  return key(a) < key(b);
                                              });
        if (!known || extent.offset < 0 || extent.length == 0 || extent.length > kMaxExtentBytes ||
            extent.position != position) {
            return object_corrupt("the object lists an extent wrongly");
        }
        position += extent.length;
    }
    if (reader.failed() || reader.remaining() > 0 || position != trailer.footer_begin) {
        return object_corrupt("the footer of the object does not fit its trailer");
    }
    return footer;
}

}  // namespace millrace::tiering
