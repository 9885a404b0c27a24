// SPDX-License-Identifier: Apache-2.0
//
// Replies that say no. How a message is laid out: message.h.
#pragma once

#include <cstdint>
#include <string>

#include "common/model/ids.h"
#include "common/wire/messages/message.h"

namespace millrace::wire {

struct WrongHost {
    RequestId request_id = 0;
    std::string segment;
    std::string correct_host;
    std::string server_stack_trace;  // since 6

    static constexpr FrameType kType = FrameType::kWrongHost;
    bool operator==(const WrongHost&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("correct_host", m.correct_host);
        if (v.since(6)) v("server_stack_trace", m.server_stack_trace);
    }
};

struct SegmentIsSealed {
    RequestId request_id = 0;
    std::string segment;
    std::string server_stack_trace;  // since 6
    std::int64_t offset = -1;  // since 8; the offset read, or the event number that failed

    static constexpr FrameType kType = FrameType::kSegmentIsSealed;
    bool operator==(const SegmentIsSealed&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        if (v.since(6)) v("server_stack_trace", m.server_stack_trace);
        if (v.since(8)) v("offset", m.offset);
    }
};

struct SegmentAlreadyExists {
    RequestId request_id = 0;
    std::string segment;
    std::string server_stack_trace;  // since 6

    static constexpr FrameType kType = FrameType::kSegmentAlreadyExists;
    bool operator==(const SegmentAlreadyExists&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        if (v.since(6)) v("server_stack_trace", m.server_stack_trace);
    }
};

struct NoSuchSegment {
    RequestId request_id = 0;
    std::string segment;
    std::string server_stack_trace;  // since 6
    std::int64_t offset = -1;  // since 8; reads must echo theirs

    static constexpr FrameType kType = FrameType::kNoSuchSegment;
    bool operator==(const NoSuchSegment&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        if (v.since(6)) v("server_stack_trace", m.server_stack_trace);
        if (v.since(8)) v("offset", m.offset);
    }
};

struct InvalidEventNumber {
    WriterId writer_id;
    RequestId request_id = 0;
    std::string server_stack_trace;  // since 6
    std::int64_t event_number = -1;  // since 16

    static constexpr FrameType kType = FrameType::kInvalidEventNumber;
    bool operator==(const InvalidEventNumber&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("writer_id", m.writer_id);
        v("request_id", m.request_id);
        if (v.since(6)) v("server_stack_trace", m.server_stack_trace);
        if (v.since(16)) v("event_number", m.event_number);
    }
};

struct SegmentIsTruncated {
    RequestId request_id = 0;
    std::string segment;
    std::int64_t start_offset = 0;
    std::string server_stack_trace;  // since 6
    std::int64_t offset = -1;  // since 8

    static constexpr FrameType kType = FrameType::kSegmentIsTruncated;
    bool operator==(const SegmentIsTruncated&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("start_offset", m.start_offset);
        if (v.since(6)) v("server_stack_trace", m.server_stack_trace);
        if (v.since(8)) v("offset", m.offset);
    }
};

struct OperationUnsupported {
    RequestId request_id = 0;
    std::string operation_name;
    std::string server_stack_trace;  // since 6

    static constexpr FrameType kType = FrameType::kOperationUnsupported;
    bool operator==(const OperationUnsupported&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("operation_name", m.operation_name);
        if (v.since(6)) v("server_stack_trace", m.server_stack_trace);
    }
};

struct AuthTokenCheckFailed {
    RequestId request_id = 0;
    std::string server_stack_trace;  // since 6
    std::int32_t error_code = -1;  // since 9; -1 unspecified, 0 check failed, 1 expired

    static constexpr FrameType kType = FrameType::kAuthTokenCheckFailed;
    bool operator==(const AuthTokenCheckFailed&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        if (v.since(6)) v("server_stack_trace", m.server_stack_trace);
        if (v.since(9)) v("error_code", m.error_code);
    }
};

struct ErrorMessage {
    RequestId request_id = 0;
    std::string segment;
    std::string message;
    std::int32_t error_code = -1;  // -1 unspecified, 0 illegal argument

    static constexpr FrameType kType = FrameType::kErrorMessage;
    bool operator==(const ErrorMessage&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("message", m.message);
        v("error_code", m.error_code);
    }
};

struct TableSegmentNotEmpty {
    RequestId request_id = 0;
    std::string segment;
    std::string server_stack_trace;

    static constexpr FrameType kType = FrameType::kTableSegmentNotEmpty;
    bool operator==(const TableSegmentNotEmpty&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("server_stack_trace", m.server_stack_trace);
    }
};

struct TableKeyDoesNotExist {
    RequestId request_id = 0;
    std::string segment;
    std::string server_stack_trace;

    static constexpr FrameType kType = FrameType::kTableKeyDoesNotExist;
    bool operator==(const TableKeyDoesNotExist&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("server_stack_trace", m.server_stack_trace);
    }
};

struct TableKeyBadVersion {
    RequestId request_id = 0;
    std::string segment;
    std::string server_stack_trace;

    static constexpr FrameType kType = FrameType::kTableKeyBadVersion;
    bool operator==(const TableKeyBadVersion&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("server_stack_trace", m.server_stack_trace);
    }
};

}  // namespace millrace::wire
