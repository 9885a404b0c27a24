// SPDX-License-Identifier: Apache-2.0
//
// The messages of the data port as values, fields in wire order (docs/protocol/wire.md, with the
// meaning of each). Encoders always write the newest layout; decoders take a missing trailing field
// marked "since N" as its default here and ignore extra trailing bytes. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/model/ids.h"
#include "common/wire/frame.h"

namespace millrace::wire {

// Opaque to the server, echoed bit for bit; not unique per request.
using RequestId = std::int64_t;

struct Hello {
    std::int32_t high_version = 16;
    std::int32_t low_version = 5;
    bool operator==(const Hello&) const = default;
};
struct KeepAlive {
    bool operator==(const KeepAlive&) const = default;
};
// Nested at the end of an AppendBlock; alone it is ignored. `length` zero bytes.
struct Padding {
    std::int32_t length = 0;
    bool operator==(const Padding&) const = default;
};
// Only nested at the end of an AppendBlock: the first bytes of an append that did not fit.
struct PartialEvent {
    Bytes data;
    bool operator==(const PartialEvent&) const = default;
};

struct SetupAppend {
    RequestId request_id = 0;
    WriterId writer_id;
    std::string segment;
    std::string delegation_token;
    bool operator==(const SetupAppend&) const = default;
};
struct AppendSetup {
    RequestId request_id = 0;
    std::string segment;
    WriterId writer_id;
    std::int64_t last_event_number = kNoEventNumber;
    bool operator==(const AppendSetup&) const = default;
};
struct AppendBlock {
    WriterId writer_id;
    Bytes data;
    bool operator==(const AppendBlock&) const = default;
};
struct AppendBlockEnd {
    WriterId writer_id;
    std::int32_t size_of_whole_events = 0;
    Bytes data;
    std::int32_t num_events = 0;
    std::int64_t last_event_number = 0;
    RequestId request_id = -1;  // since 8
    bool operator==(const AppendBlockEnd&) const = default;
};
struct DataAppended {
    WriterId writer_id;
    std::int64_t event_number = 0;
    std::int64_t previous_event_number = -1;         // since 3
    RequestId request_id = -1;                       // since 8
    std::int64_t current_segment_write_offset = -1;  // since 9
    bool operator==(const DataAppended&) const = default;
};

struct ReadSegment {
    std::string segment;
    std::int64_t offset = 0;
    std::int32_t suggested_length = 0;
    std::string delegation_token;
    RequestId request_id = -1;  // since 8
    bool operator==(const ReadSegment&) const = default;
};
struct SegmentRead {
    std::string segment;
    std::int64_t offset = 0;
    bool at_tail = false;
    bool end_of_segment = false;
    Bytes data;
    RequestId request_id = -1;  // since 8
    bool operator==(const SegmentRead&) const = default;
};

struct GetStreamSegmentInfo {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;
    bool operator==(const GetStreamSegmentInfo&) const = default;
};
struct StreamSegmentInfo {
    RequestId request_id = 0;
    std::string segment;
    bool exists = false;
    bool is_sealed = false;
    bool is_deleted = false;
    std::int64_t last_modified_ms = 0;  // wall time, ms since 1970
    std::int64_t write_offset = 0;      // = length
    std::int64_t start_offset = 0;      // since 2
    bool operator==(const StreamSegmentInfo&) const = default;
};
struct CreateSegment {
    RequestId request_id = 0;
    std::string segment;
    std::int32_t target_rate = 0;
    std::int8_t scale_type = 0;  // 0 none, 1 KB/s, 2 events/s
    std::string delegation_token;
    std::int64_t rollover_size_bytes = 0;  // since 14
    bool operator==(const CreateSegment&) const = default;
};
struct SegmentCreated {
    RequestId request_id = 0;
    std::string segment;
    bool operator==(const SegmentCreated&) const = default;
};
struct SealSegment {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;
    bool operator==(const SealSegment&) const = default;
};
struct SegmentSealed {
    RequestId request_id = 0;
    std::string segment;
    bool operator==(const SegmentSealed&) const = default;
};
struct DeleteSegment {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;
    bool operator==(const DeleteSegment&) const = default;
};
struct SegmentDeleted {
    RequestId request_id = 0;
    std::string segment;
    bool operator==(const SegmentDeleted&) const = default;
};

struct WrongHost {
    RequestId request_id = 0;
    std::string segment;
    std::string correct_host;
    std::string server_stack_trace;  // since 6
    bool operator==(const WrongHost&) const = default;
};
struct SegmentIsSealed {
    RequestId request_id = 0;
    std::string segment;
    std::string server_stack_trace;  // since 6
    std::int64_t offset = -1;        // since 8; the offset read, or the event number that failed
    bool operator==(const SegmentIsSealed&) const = default;
};
struct SegmentAlreadyExists {
    RequestId request_id = 0;
    std::string segment;
    std::string server_stack_trace;  // since 6
    bool operator==(const SegmentAlreadyExists&) const = default;
};
struct NoSuchSegment {
    RequestId request_id = 0;
    std::string segment;
    std::string server_stack_trace;  // since 6
    std::int64_t offset = -1;        // since 8; reads must echo theirs
    bool operator==(const NoSuchSegment&) const = default;
};
struct InvalidEventNumber {
    WriterId writer_id;
    RequestId request_id = 0;
    std::string server_stack_trace;  // since 6
    std::int64_t event_number = -1;  // since 16
    bool operator==(const InvalidEventNumber&) const = default;
};
struct SegmentIsTruncated {
    RequestId request_id = 0;
    std::string segment;
    std::int64_t start_offset = 0;
    std::string server_stack_trace;  // since 6
    std::int64_t offset = -1;        // since 8
    bool operator==(const SegmentIsTruncated&) const = default;
};
struct OperationUnsupported {
    RequestId request_id = 0;
    std::string operation_name;
    std::string server_stack_trace;  // since 6
    bool operator==(const OperationUnsupported&) const = default;
};
struct AuthTokenCheckFailed {
    RequestId request_id = 0;
    std::string server_stack_trace;  // since 6
    std::int32_t error_code = -1;    // since 9: -1 unspecified, 0 check failed, 1 expired
    bool operator==(const AuthTokenCheckFailed&) const = default;
};
struct ErrorMessage {
    RequestId request_id = 0;
    std::string segment;
    std::string message;
    std::int32_t error_code = -1;  // -1 unspecified, 0 illegal argument
    bool operator==(const ErrorMessage&) const = default;
};

using Message =
    std::variant<Hello, KeepAlive, Padding, PartialEvent, SetupAppend, AppendSetup, AppendBlock, AppendBlockEnd,
                 DataAppended, ReadSegment, SegmentRead, GetStreamSegmentInfo, StreamSegmentInfo, CreateSegment,
                 SegmentCreated, SealSegment, SegmentSealed, DeleteSegment, SegmentDeleted, WrongHost, SegmentIsSealed,
                 SegmentAlreadyExists, NoSuchSegment, InvalidEventNumber, SegmentIsTruncated, OperationUnsupported,
                 AuthTokenCheckFailed, ErrorMessage>;

FrameType type_of(const Message& message);

namespace detail {
template <class T, class Variant>
inline constexpr bool is_alternative = false;
template <class T, class... Alternatives>
inline constexpr bool is_alternative<T, std::variant<Alternatives...>> = (std::is_same_v<T, Alternatives> || ...);
}  // namespace detail

// Any one of the alternatives of Message.
template <class T>
concept MessageType = detail::is_alternative<T, Message>;

// Payloads keep sharing the frame's memory. kUnsupported: a type code that we do not know;
// kBadRequest: the payload does not hold what its type says, or the type never stands alone (Event).
// Strings become valid UTF-8 whatever arrives: malformed bytes are kBadRequest, half surrogate pairs
// become U+FFFD.
Result<Message> decode(const Frame& frame);

// Appends the whole frame, header included. Strings that take more than 65,535 bytes when encoded
// are cut after the last character that fits; invalid UTF-8 is sent as U+FFFD.
// REQUIRES: a payload of at most kMaxSentPayload.
void encode(const Message& message, ByteBuffer& out);
// The same, without the way through a variant.
template <MessageType T>
void encode(const T& message, ByteBuffer& out);

// For large payloads: everything before and everything after `data`, so that the bytes themselves
// are sent from where they lie.
void encode_segment_read_around(const SegmentRead& message, ByteBuffer& before, ByteBuffer& after);
// Everything before the data of an AppendBlock; `data_bytes` bytes follow and nothing else.
void encode_append_block_before(const WriterId& writer, std::size_t data_bytes, ByteBuffer& before);

}  // namespace millrace::wire
