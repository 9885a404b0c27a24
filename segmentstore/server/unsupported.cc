// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/server/unsupported.h"

#include <array>
#include <cstdint>

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

// By code, since every frame is looked up.
constexpr auto kNames = [] {
    std::array<std::string_view, 128> names;
    for (const KnownCode& known : kStartWithRequestId) names[static_cast<std::size_t>(known.code)] = known.name;
    return names;
}();

}  // namespace

std::optional<UnsupportedRequest> unsupported_request(const transport::FrameView& frame) {
    const auto code = static_cast<std::uint32_t>(frame.type);
    if (code >= kNames.size() || kNames[code].empty() || frame.payload.size() < 8) return std::nullopt;
    return UnsupportedRequest{kNames[code], BigEndianReader{frame.payload}.i64()};
}

}  // namespace millrace::segmentstore
