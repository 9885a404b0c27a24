// SPDX-License-Identifier: Apache-2.0
//
// The life of a segment. How a message is laid out: message.h.
#pragma once

#include <cstdint>
#include <string>

#include "common/model/ids.h"
#include "common/wire/messages/message.h"

namespace millrace::wire {

struct GetStreamSegmentInfo {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kGetStreamSegmentInfo;
    bool operator==(const GetStreamSegmentInfo&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
    }
};

struct StreamSegmentInfo {
    RequestId request_id = 0;
    std::string segment;
    bool exists = false;
    bool is_sealed = false;
    bool is_deleted = false;
    std::int64_t last_modified_ms = 0;  // wall time, ms since 1970
    std::int64_t write_offset = 0;  // = length
    std::int64_t start_offset = 0;  // since 2

    static constexpr FrameType kType = FrameType::kStreamSegmentInfo;
    bool operator==(const StreamSegmentInfo&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("exists", m.exists);
        v("is_sealed", m.is_sealed);
        v("is_deleted", m.is_deleted);
        v("last_modified_ms", m.last_modified_ms);
        v("write_offset", m.write_offset);
        if (v.since(2)) v("start_offset", m.start_offset);
    }
};

struct CreateSegment {
    RequestId request_id = 0;
    std::string segment;
    std::int32_t target_rate = 0;
    std::int8_t scale_type = 0;  // 0 none, 1 KB/s, 2 events/s
    std::string delegation_token;
    std::int64_t rollover_size_bytes = 0;  // since 14

    static constexpr FrameType kType = FrameType::kCreateSegment;
    bool operator==(const CreateSegment&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("target_rate", m.target_rate);
        v("scale_type", m.scale_type);
        v.token("delegation_token", m.delegation_token);
        if (v.since(14)) v("rollover_size_bytes", m.rollover_size_bytes);
    }
};

// Answered with a SegmentCreated that has the name the server chose.
struct CreateTransientSegment {
    RequestId request_id = 0;
    WriterId writer_id;
    std::string parent_segment;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kCreateTransientSegment;
    bool operator==(const CreateTransientSegment&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("writer_id", m.writer_id);
        v("parent_segment", m.parent_segment);
        v.token("delegation_token", m.delegation_token);
    }
};

struct SegmentCreated {
    RequestId request_id = 0;
    std::string segment;

    static constexpr FrameType kType = FrameType::kSegmentCreated;
    bool operator==(const SegmentCreated&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
    }
};

struct SealSegment {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kSealSegment;
    bool operator==(const SealSegment&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
    }
};

struct SegmentSealed {
    RequestId request_id = 0;
    std::string segment;

    static constexpr FrameType kType = FrameType::kSegmentSealed;
    bool operator==(const SegmentSealed&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
    }
};

struct TruncateSegment {
    RequestId request_id = 0;
    std::string segment;
    std::int64_t truncation_offset = 0;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kTruncateSegment;
    bool operator==(const TruncateSegment&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("truncation_offset", m.truncation_offset);
        v.token("delegation_token", m.delegation_token);
    }
};

struct SegmentTruncated {
    RequestId request_id = 0;
    std::string segment;

    static constexpr FrameType kType = FrameType::kSegmentTruncated;
    bool operator==(const SegmentTruncated&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
    }
};

struct DeleteSegment {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kDeleteSegment;
    bool operator==(const DeleteSegment&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
    }
};

struct SegmentDeleted {
    RequestId request_id = 0;
    std::string segment;

    static constexpr FrameType kType = FrameType::kSegmentDeleted;
    bool operator==(const SegmentDeleted&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
    }
};

struct UpdateSegmentPolicy {
    RequestId request_id = 0;
    std::string segment;
    std::int32_t target_rate = 0;
    std::int8_t scale_type = 0;  // 0 none, 1 KB/s, 2 events/s
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kUpdateSegmentPolicy;
    bool operator==(const UpdateSegmentPolicy&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("target_rate", m.target_rate);
        v("scale_type", m.scale_type);
        v.token("delegation_token", m.delegation_token);
    }
};

struct SegmentPolicyUpdated {
    RequestId request_id = 0;
    std::string segment;

    static constexpr FrameType kType = FrameType::kSegmentPolicyUpdated;
    bool operator==(const SegmentPolicyUpdated&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
    }
};

}  // namespace millrace::wire
