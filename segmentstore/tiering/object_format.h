// SPDX-License-Identifier: Apache-2.0
//
// The bytes of an object of segment data: docs/formats/object.md. Pure; little-endian.
// An object holds runs of bytes of any number of segments, cut into extents. Its footer says which, with the segments'
// names, so that a scan of long-term storage alone can rebuild what was in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "segmentstore/storage/object_name.h"

namespace millrace::tiering {

inline constexpr std::uint32_t kObjectVersion = 1;
inline constexpr std::size_t kObjectHeaderBytes = 64;
inline constexpr std::size_t kObjectTrailerBytes = 64;
// An extent is read whole, because its checksum covers it whole.
inline constexpr std::size_t kMaxExtentBytes = 1024 * 1024;
// What a footer may have, so that a damaged trailer never makes a reader take much memory.
inline constexpr std::size_t kMaxFooterBytes = 256 * 1024 * 1024;

enum class ObjectKind : std::uint8_t { kData = 1, kSnapshot = 2 };

struct ObjectHeader {
    ObjectKind kind = ObjectKind::kData;
    storage::ObjectName name;
    bool operator==(const ObjectHeader&) const = default;
};

ByteBuffer encode_object_header(const ObjectHeader& header);
// kCorrupt; kUnsupported: written by a newer version. `bytes` has kObjectHeaderBytes.
Result<ObjectHeader> decode_object_header(ByteView bytes);

// `length` bytes of a segment from `offset`, at `position` of the object.
struct StoredExtent {
    std::uint64_t segment = 0;  // its key: the LSN of its creation
    std::int64_t offset = 0;
    std::uint64_t position = 0;
    std::uint32_t length = 0;
    std::uint32_t crc = 0;  // CRC-32C of the bytes
    bool operator==(const StoredExtent&) const = default;
};

struct StoredSegment {
    std::uint64_t segment = 0;
    std::string name;
    bool operator==(const StoredSegment&) const = default;
};

struct ObjectFooter {
    std::vector<StoredSegment> segments;  // by key
    std::vector<StoredExtent> extents;    // by position, without gaps from the header on
    bool operator==(const ObjectFooter&) const = default;
};

struct ObjectTrailer {
    std::uint64_t footer_begin = 0;
    std::uint32_t footer_bytes = 0;
    std::uint32_t footer_crc = 0;
    std::uint32_t segments = 0;
    std::uint32_t extents = 0;
    bool operator==(const ObjectTrailer&) const = default;
};

// Footer and trailer, which end an object. `footer_begin` is where the data ends.
ByteBuffer encode_object_end(const ObjectFooter& footer, std::uint64_t footer_begin);
// `bytes` has kObjectTrailerBytes.
Result<ObjectTrailer> decode_object_trailer(ByteView bytes);
// kCorrupt: whatever does not fit the trailer or contradicts itself.
Result<ObjectFooter> decode_object_footer(ByteView bytes, const ObjectTrailer& trailer);

}  // namespace millrace::tiering
