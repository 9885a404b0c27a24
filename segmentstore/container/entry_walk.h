// SPDX-License-Identifier: Apache-2.0
//
// Part of entry.h: the template that walks a run of appends inside one entry.
#pragma once

#include <algorithm>

#include "segmentstore/container/entry.h"

namespace millrace::container {

template <class F>
Result<void> walk_run(const Extent& extent, SegmentKey segment, const Bytes& body, F&& piece) {
    const auto wrong = [&] {
        return Error{ErrorCode::kCorrupt, "log entry " + to_string(extent.entry) + " does not hold segment " +
                                              to_string(segment) + " at offset " + std::to_string(extent.offset)};
    };
    if (extent.raw()) {
        if (extent.position() > body.size() || extent.length > body.size() - extent.position()) return wrong();
        piece(extent.offset, body.slice(extent.position(), extent.length));
        return ok();
    }
    std::size_t at = extent.position();
    std::uint32_t left = extent.length;
    std::int64_t offset = extent.offset;
    while (left > 0) {
        if (at >= body.size()) return wrong();
        const ByteView rest = body.view().subspan(at);
        const auto head = peek_append(rest);
        if (!head || head->segment != segment) {  // another segment's operation lies between ours
            const auto other = decode_operation_header(rest);
            if (!other) return wrong();
            at += other->total_bytes;
            continue;
        }
        if (head->offset != offset) return wrong();
        const std::size_t begin = at + kAppendHeadBytes;
        const std::size_t here = std::min<std::size_t>(head->total_bytes - kAppendHeadBytes, body.size() - begin);
        if (here > left) return wrong();
        if (here > 0) piece(offset, body.slice(begin, here));
        offset += static_cast<std::int64_t>(here);
        left -= static_cast<std::uint32_t>(here);
        at = begin + here;
    }
    return ok();
}

}  // namespace millrace::container
