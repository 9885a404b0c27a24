// SPDX-License-Identifier: Apache-2.0
//
// A container's state in long-term storage, and what names it. The body's checksum is checked by who reads it, so the
// decoder sees everything.
#include <algorithm>

#include "segmentstore/container/snapshot.h"
#include "tests/fuzz/allocation_bound.h"
#include "tests/fuzz/entries.h"
#include "tests/fuzz/input.h"

namespace millrace::fuzz {
namespace {

using container::Snapshot;

ByteBuffer encoded_body(const Snapshot& snapshot) {
    ByteBuffer body;
    container::encode_snapshot_head(snapshot.head, body);
    for (const auto& segment : snapshot.segments) container::encode_snapshot_segment(segment, body);
    for (const auto& object : snapshot.objects) container::encode_snapshot_object(object, body);
    return body;
}

void check_snapshot_body(ByteView bytes) {
    const auto decoded = container::decode_snapshot(own_buffer(bytes).view());
    if (!decoded) {
        check_refusal(decoded.error());
        return;
    }
    MR_CHECK(decoded->head.segments == decoded->segments.size() && decoded->head.objects == decoded->objects.size());
    MR_CHECK(std::ranges::equal(encoded_body(*decoded), bytes));
}

}  // namespace

void snapshot(ByteView input) {
    const AllocationBound bound{64 * 1024 + 32 * input.size()};
    check_snapshot_body(input);
    const ByteBuffer own = own_buffer(input);
    if (const auto anchor = container::decode_anchor(own.view())) {
        MR_CHECK(std::ranges::equal(container::encode_anchor(*anchor).view(), own));
    } else {
        check_refusal(anchor.error());
    }
    if (const auto end = container::decode_snapshot_end(own.view())) {
        const ByteBuffer again = container::encode_snapshot_end(end->first, end->second);
        MR_CHECK(std::ranges::equal(again, own.view().first(again.size())));
    } else {
        check_refusal(end.error());
    }
}

}  // namespace millrace::fuzz
