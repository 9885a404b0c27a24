// SPDX-License-Identifier: Apache-2.0
//
// Numbers kept beside a segment's bytes. How a message is laid out: message.h.
#pragma once

#include <cstdint>
#include <string>

#include "common/model/ids.h"
#include "common/wire/messages/message.h"

namespace millrace::wire {

// What a segment answers that does not have the attribute.
inline constexpr std::int64_t kNoAttributeValue = INT64_MIN;

struct GetSegmentAttribute {
    RequestId request_id = 0;
    std::string segment;
    AttributeId attribute_id;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kGetSegmentAttribute;
    bool operator==(const GetSegmentAttribute&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("attribute_id", m.attribute_id);
        v.token("delegation_token", m.delegation_token);
    }
};

struct SegmentAttribute {
    RequestId request_id = 0;
    std::int64_t value = kNoAttributeValue;

    static constexpr FrameType kType = FrameType::kSegmentAttribute;
    bool operator==(const SegmentAttribute&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("value", m.value);
    }
};

struct UpdateSegmentAttribute {
    RequestId request_id = 0;
    std::string segment;
    AttributeId attribute_id;
    std::int64_t new_value = 0;
    std::int64_t expected_value = 0;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kUpdateSegmentAttribute;
    bool operator==(const UpdateSegmentAttribute&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("attribute_id", m.attribute_id);
        v("new_value", m.new_value);
        v("expected_value", m.expected_value);
        v.token("delegation_token", m.delegation_token);
    }
};

struct SegmentAttributeUpdated {
    RequestId request_id = 0;
    bool success = false;

    static constexpr FrameType kType = FrameType::kSegmentAttributeUpdated;
    bool operator==(const SegmentAttributeUpdated&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("success", m.success);
    }
};

}  // namespace millrace::wire
