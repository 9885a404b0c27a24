// SPDX-License-Identifier: Apache-2.0
//
// Appending whole segments to another: transactions and large events. How a message is laid out: message.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/model/ids.h"
#include "common/wire/messages/message.h"

namespace millrace::wire {

// Names in a MergeSegmentsBatch: more are refused, because each takes far more memory than room in a frame.
inline constexpr std::size_t kMaxMergedSegments = 65'536;

// A change that is made together with a merge, or stops it.
struct AttributeUpdate {
    AttributeId attribute_id;
    std::int8_t update_type = 0;  // 0 none, 1 replace, 2 if greater, 3 add, 4 if equal to old_value
    std::int64_t new_value = 0;
    std::int64_t old_value = 0;

    static constexpr std::size_t kLeastBytes = 33;
    bool operator==(const AttributeUpdate&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("attribute_id", m.attribute_id);
        v("update_type", m.update_type);
        v("new_value", m.new_value);
        v("old_value", m.old_value);
    }
};

struct MergedSegment {
    std::string source;
    std::int64_t new_target_write_offset = 0;

    static constexpr std::size_t kLeastBytes = 10;
    bool operator==(const MergedSegment&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("source", m.source);
        v("new_target_write_offset", m.new_target_write_offset);
    }
};

struct MergeSegments {
    RequestId request_id = 0;
    std::string target;
    std::string source;
    std::string delegation_token;
    std::vector<AttributeUpdate> attribute_updates;  // since 13

    static constexpr FrameType kType = FrameType::kMergeSegments;
    bool operator==(const MergeSegments&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("target", m.target);
        v("source", m.source);
        v.token("delegation_token", m.delegation_token);
        if (v.since(13)) v.list("attribute_updates", m.attribute_updates);
    }
};

struct SegmentsMerged {
    RequestId request_id = 0;
    std::string target;
    std::string source;
    std::int64_t new_target_write_offset = -1;  // since 9

    static constexpr FrameType kType = FrameType::kSegmentsMerged;
    bool operator==(const SegmentsMerged&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("target", m.target);
        v("source", m.source);
        if (v.since(9)) v("new_target_write_offset", m.new_target_write_offset);
    }
};

struct MergeSegmentsBatch {
    RequestId request_id = 0;
    std::string target;
    std::vector<std::string> sources;  // at most kMaxMergedSegments
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kMergeSegmentsBatch;
    bool operator==(const MergeSegmentsBatch&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("target", m.target);
        v.list("sources", m.sources, kMaxMergedSegments);
        v.token("delegation_token", m.delegation_token);
    }
};

struct SegmentsBatchMerged {
    RequestId request_id = 0;
    std::string target;
    std::vector<MergedSegment> merged;

    static constexpr FrameType kType = FrameType::kSegmentsBatchMerged;
    bool operator==(const SegmentsBatchMerged&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("target", m.target);
        v.list("merged", m.merged);
    }
};

}  // namespace millrace::wire
