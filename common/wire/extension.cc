// SPDX-License-Identifier: Apache-2.0
#include "common/wire/extension.h"

#include <string>

#include "common/base/binary.h"
#include "common/base/crc32c.h"

namespace millrace::wire {
namespace {

constexpr std::uint8_t kEnvelopeVersion = 1;
constexpr std::uint8_t kReplyFlag = 1;
constexpr std::size_t kChecksumAt = kExtensionHeaderBytes - 4;

// Of the type code, the header without the checksum itself, and the body.
std::uint32_t checksum_of(FrameType type, ByteView header, ByteView body) {
    ByteBuffer code;
    BigEndianWriter{code}.i32(static_cast<std::int32_t>(type));
    return crc32c(body, crc32c(header.first(kChecksumAt), crc32c(code)));
}

Error corrupt(FrameType type, const std::string& what) {
    return Error{ErrorCode::kCorrupt, "extension frame " + std::to_string(static_cast<std::int32_t>(type)) + ": " + what};
}

}  // namespace

Result<ExtensionFrame> decode_extension(const Frame& frame, std::uint16_t known_version) {
    MR_CHECK(known_version >= 1);
    if (!is_extension(frame.type)) {
        return Error{ErrorCode::kUnsupported, to_string(frame.type) + " is not an extension frame"};
    }
    if (frame.payload.size() < kExtensionHeaderBytes) {
        return corrupt(frame.type, std::to_string(frame.payload.size()) + " bytes are fewer than its header's " +
                                       std::to_string(kExtensionHeaderBytes));
    }
    const ByteView header = frame.payload.view().first(kExtensionHeaderBytes);
    BigEndianReader in{header};
    ExtensionFrame extension;
    extension.type = frame.type;
    const std::uint8_t envelope = in.u8();
    const std::uint8_t flags = in.u8();
    extension.version = in.u16();
    extension.least_version = in.u16();
    const std::uint16_t reserved = in.u16();
    extension.request_id = in.i64();
    const std::uint32_t body_bytes = in.u32();
    const std::uint32_t checksum = in.u32();
    // Another envelope may have its checksum elsewhere.
    if (envelope != kEnvelopeVersion) {
        return Error{ErrorCode::kUnsupported, "extension frame " + std::to_string(static_cast<std::int32_t>(frame.type)) +
                                                  " has envelope version " + std::to_string(envelope) +
                                                  "; this program knows " + std::to_string(kEnvelopeVersion)};
    }
    extension.body = frame.payload.slice(kExtensionHeaderBytes);
    if (body_bytes != extension.body.size()) {
        return corrupt(frame.type, "its header announces " + std::to_string(body_bytes) + " bytes where " +
                                       std::to_string(extension.body.size()) + " follow");
    }
    if (checksum != checksum_of(frame.type, header, extension.body)) return corrupt(frame.type, "its checksum does not fit");
    if ((flags & ~kReplyFlag) != 0 || reserved != 0 || extension.least_version < 1 ||
        extension.least_version > extension.version) {
        return corrupt(frame.type, "its header has flags " + std::to_string(flags) + ", reserved " +
                                       std::to_string(reserved) + " and versions " + std::to_string(extension.least_version) +
                                       " to " + std::to_string(extension.version));
    }
    if (extension.least_version > known_version) {
        return Error{ErrorCode::kUnsupported, "extension frame " + std::to_string(static_cast<std::int32_t>(frame.type)) +
                                                  " needs a reader of version " + std::to_string(extension.least_version) +
                                                  "; this program knows " + std::to_string(known_version)};
    }
    extension.is_reply = (flags & kReplyFlag) != 0;
    return extension;
}

void encode_extension(const ExtensionFrame& frame, ByteBuffer& out) {
    MR_CHECK(is_extension(frame.type) && frame.least_version >= 1 && frame.least_version <= frame.version);
    MR_CHECK(frame.body.size() <= kMaxExtensionBody);
    const std::size_t begin = out.size();
    out.reserve(begin + kFrameHeaderBytes + kExtensionHeaderBytes + frame.body.size());
    BigEndianWriter writer{out};
    writer.i32(static_cast<std::int32_t>(frame.type));
    writer.i32(static_cast<std::int32_t>(kExtensionHeaderBytes + frame.body.size()));
    writer.u8(kEnvelopeVersion);
    writer.u8(frame.is_reply ? kReplyFlag : 0);
    writer.u16(frame.version);
    writer.u16(frame.least_version);
    writer.u16(0);
    writer.i64(frame.request_id);
    writer.u32(static_cast<std::uint32_t>(frame.body.size()));
    writer.u32(checksum_of(frame.type, out.view().subspan(begin + kFrameHeaderBytes, kChecksumAt), frame.body));
    writer.bytes(frame.body);
}

}  // namespace millrace::wire
