// SPDX-License-Identifier: Apache-2.0
//
// The envelope of every message on the data port: i32 type, i32 length, length bytes; big-endian
// (docs/protocol/wire.md). Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/binary.h"
#include "common/base/bytes.h"
#include "common/wire/catalogue.h"

namespace millrace::wire {

inline constexpr std::size_t kFrameHeaderBytes = 8;
// What we accept: the largest length a client may announce.
inline constexpr std::size_t kMaxReceivedPayload = 16'777'215;
// What we send: the oldest servers count the header too.
inline constexpr std::size_t kMaxSentPayload = 16'777'207;

struct FrameHeader {
    FrameType type{};
    std::int32_t length = 0;  // of the payload, as announced: not checked yet
};

// REQUIRES: kFrameHeaderBytes bytes.
inline FrameHeader read_frame_header(ByteView bytes) {
    BigEndianReader reader{bytes};
    const auto type = static_cast<FrameType>(reader.i32());
    return {type, reader.i32()};
}

// "SetupAppend", or "frame type 6" for a code that we do not know.
std::string to_string(FrameType type);

// One frame as received: its payload is a slice of the connection's buffer.
struct Frame {
    FrameType type{};  // may be a code that we do not know
    Bytes payload;
};

}  // namespace millrace::wire
