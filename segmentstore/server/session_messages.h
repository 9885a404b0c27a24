// SPDX-License-Identifier: Apache-2.0
//
// Replies that several requests have in common. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "common/model/segment_name.h"
#include "common/wire/messages.h"

namespace millrace::segmentstore {

// Codes of wire::ErrorMessage.
inline constexpr std::int32_t kUnspecifiedError = -1;
inline constexpr std::int32_t kIllegalArgument = 0;
// Codes of wire::AuthTokenCheckFailed; clients fetch a new token after the second.
inline constexpr std::int32_t kTokenCheckFailed = 0;
inline constexpr std::int32_t kTokenExpired = 1;
inline constexpr const char* kFullMessage =
    "the segment store's disk is full: nothing new is taken; free some space, it goes on by itself";

inline wire::ErrorMessage error_message(wire::RequestId request, const std::string& segment, std::string text,
                                        std::int32_t code) {
    wire::ErrorMessage message;
    message.request_id = request;
    message.segment = segment;
    message.message = std::move(text);
    message.error_code = code;
    return message;
}

inline wire::NoSuchSegment no_such_segment(wire::RequestId request, const std::string& segment) {
    wire::NoSuchSegment message;
    message.request_id = request;
    message.segment = segment;
    return message;
}

inline wire::SegmentIsSealed segment_is_sealed(wire::RequestId request, const std::string& segment) {
    wire::SegmentIsSealed message;
    message.request_id = request;
    message.segment = segment;
    return message;
}

inline std::string illegal_name(const std::string& segment) {
    return "'" + segment.substr(0, 200) + "' is no name for a segment: 1 to " + std::to_string(kMaxSegmentNameBytes) +
           " printable ASCII characters without blanks";
}

}  // namespace millrace::segmentstore
