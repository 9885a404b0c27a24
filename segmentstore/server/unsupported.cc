// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/server/unsupported.h"

#include <algorithm>
#include <iterator>

#include "common/base/binary.h"

namespace millrace::segmentstore {

namespace {

constexpr std::int32_t kConditionalAppend = 5;
constexpr std::int32_t kConditionalBlockEnd = 89;

struct KnownCode {
    std::int32_t code;
    std::string_view name;
};
// All of these start with their request id.
constexpr KnownCode kStartWithRequestId[] = {
    {32, "UpdateSegmentPolicy"},
    {34, "GetSegmentAttribute"},
    {36, "UpdateSegmentAttribute"},
    {38, "TruncateSegment"},
    {40, "CreateTransientSegment"},
    {41, "LocateOffset"},
    {58, "MergeSegments"},
    {68, "GetTableSegmentInfo"},
    {70, "CreateTableSegment"},
    {71, "DeleteTableSegment"},
    {74, "UpdateTableEntries"},
    {76, "RemoveTableKeys"},
    {78, "ReadTable"},
    {83, "ReadTableKeys"},
    {85, "ReadTableEntries"},
    {88, "ReadTableEntriesDelta"},
    {90, "MergeSegmentsBatch"},
};

// Both conditional appends: writer, event number, expected offset, [event type,] length, data, request id.
std::optional<wire::RequestId> conditional_request_id(ByteView payload, bool has_event_type) {
    BigEndianReader in{payload};
    in.bytes(16 + 8 + 8 + (has_event_type ? 4 : 0));
    const std::int32_t length = in.i32();
    if (in.failed() || length < 0) return std::nullopt;
    in.bytes(static_cast<std::size_t>(length));
    if (in.failed()) return std::nullopt;
    if (in.remaining() == 0) return -1;  // before the field existed
    const std::int64_t id = in.i64();
    if (in.failed()) return std::nullopt;
    return id;
}

}  // namespace

std::optional<UnsupportedRequest> unsupported_request(const wire::Frame& frame) {
    const auto code = static_cast<std::int32_t>(frame.type);
    if (code == kConditionalAppend || code == kConditionalBlockEnd) {
        const auto id = conditional_request_id(frame.payload.view(), code == kConditionalAppend);
        if (!id) return std::nullopt;
        return UnsupportedRequest{code == kConditionalAppend ? "ConditionalAppend" : "ConditionalBlockEnd", *id};
    }
    const auto known = std::find_if(std::begin(kStartWithRequestId), std::end(kStartWithRequestId),
                                    [code](const KnownCode& k) { return k.code == code; });
    if (known == std::end(kStartWithRequestId) || frame.payload.size() < 8) return std::nullopt;
    return UnsupportedRequest{known->name, BigEndianReader{frame.payload.view()}.i64()};
}

bool is_append_family(wire::FrameType type) {
    const auto code = static_cast<std::int32_t>(type);
    return code == kConditionalAppend || code == kConditionalBlockEnd;
}

}  // namespace millrace::segmentstore
