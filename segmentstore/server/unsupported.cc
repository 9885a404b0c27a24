// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/server/unsupported.h"

#include <algorithm>
#include <iterator>

#include "common/base/binary.h"

namespace millrace::segmentstore {

namespace {

struct KnownCode {
    std::int32_t code;
    std::string_view name;
};
// All of these start with their request id.
constexpr KnownCode kStartWithRequestId[] = {
    {32, "UpdateSegmentPolicy"},
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

}  // namespace

std::optional<UnsupportedRequest> unsupported_request(const wire::Frame& frame) {
    const auto code = static_cast<std::int32_t>(frame.type);
    const auto known = std::find_if(std::begin(kStartWithRequestId), std::end(kStartWithRequestId),
                                    [code](const KnownCode& k) { return k.code == code; });
    if (known == std::end(kStartWithRequestId) || frame.payload.size() < 8) return std::nullopt;
    return UnsupportedRequest{known->name, BigEndianReader{frame.payload.view()}.i64()};
}

}  // namespace millrace::segmentstore
