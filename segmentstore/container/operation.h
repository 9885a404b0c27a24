// SPDX-License-Identifier: Apache-2.0
//
// What a container's log says: operations, and their bytes (docs/formats/container.md). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/base/strong_id.h"
#include "common/model/ids.h"
#include "common/model/segment_name.h"
#include "segmentstore/container/tiered_map.h"
#include "segmentstore/log/durable_log.h"

namespace millrace::container {

// Position of an operation in its container's history: the first is Lsn{1}. Lsn{0} is "before
// everything": always committed.
using Lsn = StrongId<std::uint64_t, struct LsnTag>;

// A segment within its container: the LSN of its creation. Never reused, so a re-created name never
// meets the bytes of its predecessor.
using SegmentKey = StrongId<std::uint64_t, struct SegmentKeyTag>;

enum class OperationType : std::uint8_t {
    kCreateSegment = 1,
    kAppend = 2,
    kSealSegment = 3,
    kDeleteSegment = 4,
    kTruncateSegment = 5,
    kSetAttribute = 6,
    kObjectPlanned = 7,
    kWindowTiered = 8,
};

// 128 bits chosen by a client. Writers' ids are attributes too: their value is the number of the last event.
using AttributeId = WriterId;
// The value of an attribute that was never set.
inline constexpr std::int64_t kNoAttributeValue = kNoEventNumber;

// What the creator said about scaling; kept and handed on, not acted upon here.
struct ScalePolicy {
    std::int32_t target_rate = 0;
    std::int8_t scale_type = 0;
    std::int64_t rollover_size_bytes = 0;
    bool operator==(const ScalePolicy&) const = default;
};

struct CreateSegment {
    SegmentKey segment;
    std::string name;
    ScalePolicy policy;
    bool operator==(const CreateSegment&) const = default;
};
// The bytes appended follow the operation's head.
struct Append {
    SegmentKey segment;
    std::int64_t offset = 0;
    WriterId writer;
    std::int64_t event_number = 0;
    std::int32_t event_count = 0;
    bool operator==(const Append&) const = default;
};
struct SealSegment {
    SegmentKey segment;
    std::int64_t length = 0;
    bool operator==(const SealSegment&) const = default;
};
struct DeleteSegment {
    SegmentKey segment;
    bool operator==(const DeleteSegment&) const = default;
};
// Bytes before `start_offset` are gone.
struct TruncateSegment {
    SegmentKey segment;
    std::int64_t start_offset = 0;
    bool operator==(const TruncateSegment&) const = default;
};
struct SetAttribute {
    SegmentKey segment;
    AttributeId attribute;
    std::int64_t value = 0;
    bool operator==(const SetAttribute&) const = default;
};

// The owner is about to write this object of long-term storage: a successor knows from it what may be there.
struct ObjectPlanned {
    ObjectId object;
    bool snapshot = false;
    bool operator==(const ObjectPlanned&) const = default;
};
// Where operations begin anew in the log: at the start of entry `index`, after operation `lsn`.
struct LogPosition {
    log::Index index{1};
    Lsn lsn;
    bool operator==(const LogPosition&) const = default;
};
// The bytes of all appends before `cursor` are in long-term storage; those that were not there before are listed.
struct WindowTiered {
    struct Run {
        SegmentKey segment;
        std::int64_t offset = 0;
        std::uint64_t position = 0;
        std::uint32_t length = 0;
        std::uint32_t crc = 0;
        bool operator==(const Run&) const = default;
    };
    ObjectId object;
    LogPosition cursor;
    std::vector<Run> runs;  // of one segment in the order of offsets
    bool operator==(const WindowTiered&) const = default;
};

struct Operation {
    using What = std::variant<CreateSegment, Append, SealSegment, DeleteSegment, TruncateSegment, SetAttribute, ObjectPlanned,
                              WindowTiered>;
    std::int64_t wall_ms = 0;  // ms since 1970, never falling within a container
    What what;
    bool operator==(const Operation&) const = default;
};

// Type, total length, checksum.
inline constexpr std::size_t kOperationHeaderBytes = 9;
// Everything of an Append before its data.
inline constexpr std::size_t kAppendHeadBytes = kOperationHeaderBytes + 8 + 8 + 8 + 16 + 8 + 4;
inline constexpr std::size_t kMaxOperationBytes = 17 * 1024 * 1024;

// Writes all of the operation but `data` to `head`; the checksum covers `data`, which only an Append
// has. REQUIRES: the whole is at most kMaxOperationBytes, a name at most kMaxSegmentNameBytes.
void encode_operation(const Operation& operation, std::span<const Bytes> data, ByteBuffer& head);

struct OperationHeader {
    std::uint8_t type = 0;
    std::uint32_t total_bytes = 0;  // header and data included
    std::uint32_t checksum = 0;
};
// `bytes` starts with a header. kCorrupt: too short for one, or an impossible length.
Result<OperationHeader> decode_operation_header(ByteView bytes);

struct DecodedOperation {
    Operation operation;
    std::size_t data_begin = 0;  // where an Append's data starts; the total length for others
};
// `bytes` is exactly one operation. kCorrupt: checksum or layout do not fit; kUnsupported: its type
// is unknown.
Result<DecodedOperation> decode_operation(ByteView bytes);

// Only the parts of an Append that a reader of entries needs, without its checksum (the log has
// verified the entry). Empty when `bytes` does not start with the whole head of an Append.
struct AppendHead {
    std::uint32_t total_bytes = 0;
    SegmentKey segment;
    std::int64_t offset = 0;
};
std::optional<AppendHead> peek_append(ByteView bytes);

}  // namespace millrace::container
