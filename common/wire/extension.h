// SPDX-License-Identifier: Apache-2.0
//
// The envelope of extension frames: what our own processes say to each other on a data port beyond
// the protocol of clients (docs/formats/extension-frames.md). Only the envelope; what is in it
// belongs to whoever gives out the code. decode() knows none of these codes, so a connection takes
// them only if its owner asks here, which it does for peers that proved to be part of the cluster.
// Pure; any thread.
#pragma once

#include <cstdint>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/wire/frame.h"
#include "common/wire/messages/message.h"

namespace millrace::wire {

inline constexpr std::int32_t kFirstExtensionCode = 0x4D520001;
inline constexpr std::int32_t kLastExtensionCode = 0x4D52FFFF;

constexpr bool is_extension(FrameType type) {
    const auto code = static_cast<std::int32_t>(type);
    return code >= kFirstExtensionCode && code <= kLastExtensionCode;
}

inline constexpr std::size_t kExtensionHeaderBytes = 24;
inline constexpr std::size_t kMaxExtensionBody = kMaxSentPayload - kExtensionHeaderBytes;

struct ExtensionFrame {
    FrameType type{};  // is_extension()
    bool is_reply = false;
    std::uint16_t version = 1;        // of the body's layout, from 1
    std::uint16_t least_version = 1;  // the oldest that a reader may know and still understand the body
    RequestId request_id = 0;
    Bytes body;

    bool operator==(const ExtensionFrame&) const = default;
};

// For a reader whose newest layout of this type is `known_version`. The body shares the frame's memory.
// kUnsupported: no extension frame, or one that this reader is too old for; kCorrupt: a checksum or
// length that does not fit, or bits that nobody sets. REQUIRES: known_version >= 1.
Result<ExtensionFrame> decode_extension(const Frame& frame, std::uint16_t known_version);

// Appends the whole frame. REQUIRES: is_extension(type), 1 <= least_version <= version, a body of at
// most kMaxExtensionBody bytes.
void encode_extension(const ExtensionFrame& frame, ByteBuffer& out);

}  // namespace millrace::wire
