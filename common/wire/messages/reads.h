// SPDX-License-Identifier: Apache-2.0
//
// Reading a segment's bytes. How a message is laid out: message.h.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/bytes.h"
#include "common/wire/messages/message.h"

namespace millrace::wire {

struct ReadSegment {
    std::string segment;
    std::int64_t offset = 0;
    std::int32_t suggested_length = 0;
    std::string delegation_token;
    RequestId request_id = -1;  // since 8

    static constexpr FrameType kType = FrameType::kReadSegment;
    bool operator==(const ReadSegment&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("segment", m.segment);
        v("offset", m.offset);
        v("suggested_length", m.suggested_length);
        v.token("delegation_token", m.delegation_token);
        if (v.since(8)) v("request_id", m.request_id);
    }
};

struct SegmentRead {
    std::string segment;
    std::int64_t offset = 0;
    bool at_tail = false;
    bool end_of_segment = false;
    Bytes data;
    RequestId request_id = -1;  // since 8

    static constexpr FrameType kType = FrameType::kSegmentRead;
    bool operator==(const SegmentRead&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("segment", m.segment);
        v("offset", m.offset);
        v("at_tail", m.at_tail);
        v("end_of_segment", m.end_of_segment);
        v("data", m.data);
        if (v.since(8)) v("request_id", m.request_id);
    }
};

// Where an event starts at or after an offset. Only of peers from wire version 17 on, and only if
// we announce that.
struct LocateOffset {
    RequestId request_id = 0;
    std::string segment;
    std::int64_t target_offset = 0;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kLocateOffset;
    bool operator==(const LocateOffset&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("target_offset", m.target_offset);
        v.token("delegation_token", m.delegation_token);
    }
};

struct OffsetLocated {
    RequestId request_id = 0;
    std::string segment;
    std::int64_t offset = 0;

    static constexpr FrameType kType = FrameType::kOffsetLocated;
    bool operator==(const OffsetLocated&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("offset", m.offset);
    }
};

}  // namespace millrace::wire
