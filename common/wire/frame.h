// SPDX-License-Identifier: Apache-2.0
//
// The envelope of every message on the data port: i32 type, i32 length, length bytes; big-endian
// (docs/protocol/wire.md). Codes are wire facts and never change.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/binary.h"
#include "common/base/bytes.h"

namespace millrace::wire {

enum class FrameType : std::int32_t {
    kHello = -127,
    kPartialEvent = -2,
    kPadding = -1,
    kEvent = 0,
    kSetupAppend = 1,
    kAppendSetup = 2,
    kAppendBlock = 3,
    kAppendBlockEnd = 4,
    kDataAppended = 7,
    kReadSegment = 9,
    kSegmentRead = 10,
    kGetStreamSegmentInfo = 11,
    kStreamSegmentInfo = 12,
    kCreateSegment = 20,
    kSegmentCreated = 21,
    kSealSegment = 28,
    kSegmentSealed = 29,
    kDeleteSegment = 30,
    kSegmentDeleted = 31,
    kWrongHost = 50,
    kSegmentIsSealed = 51,
    kSegmentAlreadyExists = 52,
    kNoSuchSegment = 53,
    kInvalidEventNumber = 55,
    kSegmentIsTruncated = 56,
    kOperationUnsupported = 57,
    kAuthTokenCheckFailed = 60,
    kErrorMessage = 61,
    kKeepAlive = 100,
};

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
