// SPDX-License-Identifier: Apache-2.0
//
// Appends and their replies. How a message is laid out: message.h.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/bytes.h"
#include "common/model/ids.h"
#include "common/wire/messages/message.h"

namespace millrace::wire {

struct SetupAppend {
    RequestId request_id = 0;
    WriterId writer_id;
    std::string segment;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kSetupAppend;
    bool operator==(const SetupAppend&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("writer_id", m.writer_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
    }
};

struct AppendSetup {
    RequestId request_id = 0;
    std::string segment;
    WriterId writer_id;
    std::int64_t last_event_number = kNoEventNumber;

    static constexpr FrameType kType = FrameType::kAppendSetup;
    bool operator==(const AppendSetup&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("writer_id", m.writer_id);
        v("last_event_number", m.last_event_number);
    }
};

struct AppendBlock {
    WriterId writer_id;
    Bytes data;

    static constexpr FrameType kType = FrameType::kAppendBlock;
    bool operator==(const AppendBlock&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("writer_id", m.writer_id);
        v.rest("data", m.data);
    }
};

struct AppendBlockEnd {
    WriterId writer_id;
    std::int32_t size_of_whole_events = 0;
    Bytes data;
    std::int32_t num_events = 0;
    std::int64_t last_event_number = 0;
    RequestId request_id = -1;  // since 8

    static constexpr FrameType kType = FrameType::kAppendBlockEnd;
    bool operator==(const AppendBlockEnd&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("writer_id", m.writer_id);
        v("size_of_whole_events", m.size_of_whole_events);
        v("data", m.data);
        v("num_events", m.num_events);
        v("last_event_number", m.last_event_number);
        if (v.since(8)) v("request_id", m.request_id);
    }
};

// Nested at the end of an AppendBlock; alone it is ignored. `length` zero bytes.
struct Padding {
    std::int32_t length = 0;

    static constexpr FrameType kType = FrameType::kPadding;
    bool operator==(const Padding&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v.zeros("length", m.length);
    }
};

// Only nested at the end of an AppendBlock: the first bytes of an append that did not fit.
struct PartialEvent {
    Bytes data;

    static constexpr FrameType kType = FrameType::kPartialEvent;
    bool operator==(const PartialEvent&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v.rest("data", m.data);
    }
};

// One event that is stored only if the segment then ends at `expected_offset`. `event` is what is
// stored: the event with its header of 8 bytes (event.h). REQUIRES when encoded: just that.
struct ConditionalAppend {
    WriterId writer_id;
    std::int64_t event_number = 0;
    std::int64_t expected_offset = 0;
    Bytes event;
    RequestId request_id = -1;  // since 8

    static constexpr FrameType kType = FrameType::kConditionalAppend;
    bool operator==(const ConditionalAppend&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("writer_id", m.writer_id);
        v("event_number", m.event_number);
        v("expected_offset", m.expected_offset);
        v.event("event", m.event);
        if (v.since(8)) v("request_id", m.request_id);
    }
};

// The same for bytes that are stored as they are.
struct ConditionalBlockEnd {
    WriterId writer_id;
    std::int64_t event_number = 0;
    std::int64_t expected_offset = 0;
    Bytes data;
    RequestId request_id = 0;

    static constexpr FrameType kType = FrameType::kConditionalBlockEnd;
    bool operator==(const ConditionalBlockEnd&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("writer_id", m.writer_id);
        v("event_number", m.event_number);
        v("expected_offset", m.expected_offset);
        v("data", m.data);
        v("request_id", m.request_id);
    }
};

struct DataAppended {
    WriterId writer_id;
    std::int64_t event_number = 0;
    std::int64_t previous_event_number = -1;  // since 3
    RequestId request_id = -1;  // since 8
    std::int64_t current_segment_write_offset = -1;  // since 9

    static constexpr FrameType kType = FrameType::kDataAppended;
    bool operator==(const DataAppended&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("writer_id", m.writer_id);
        v("event_number", m.event_number);
        if (v.since(3)) v("previous_event_number", m.previous_event_number);
        if (v.since(8)) v("request_id", m.request_id);
        if (v.since(9)) v("current_segment_write_offset", m.current_segment_write_offset);
    }
};

struct ConditionalCheckFailed {
    WriterId writer_id;
    std::int64_t event_number = 0;
    RequestId request_id = -1;  // since 8

    static constexpr FrameType kType = FrameType::kConditionalCheckFailed;
    bool operator==(const ConditionalCheckFailed&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("writer_id", m.writer_id);
        v("event_number", m.event_number);
        if (v.since(8)) v("request_id", m.request_id);
    }
};

}  // namespace millrace::wire
