// SPDX-License-Identifier: Apache-2.0
//
// Replacing some segments of a stream by others: what is allowed, and what comes out
// (docs/protocol/controller.md, "Scale"). Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "controller/stream/epoch.h"

namespace millrace::controller::stream {

struct ScaleRequest {
    std::vector<SegmentId> sealed;    // in any order, repeats count once
    std::vector<KeyRange> ranges;     // of the replacements, in any order
};

enum class ScaleRefusal : std::uint8_t {
    kPrecondition,  // a segment is not current, or too few would remain
    kFailure,       // the ranges do not fit
};

struct ScaleRefused {
    ScaleRefusal refusal;
    std::string why;
};

struct ScalePlan {
    std::vector<SegmentId> sealed;  // ascending
    std::vector<Segment> created;   // in the order asked for
    Epoch next;                     // the epoch that results
};

// `next_number` is above every number the stream's name ever used; `requested_ms` is raised above the
// time of `current` if it is not later.
std::variant<ScalePlan, ScaleRefused> plan_scale(const Epoch& current, const ScaleRequest& request,
                                                 std::size_t min_segments, std::uint32_t next_number,
                                                 std::int64_t requested_ms);

// Whether the request asks for what `sealed` and `created` of a running scale do.
bool same_scale(const ScaleRequest& request, const std::vector<SegmentId>& sealed, const std::vector<Segment>& created);

// The epoch that results from replacing `sealed` by `created`.
Epoch epoch_after(const Epoch& current, const std::vector<SegmentId>& sealed, const std::vector<Segment>& created,
                  std::int64_t created_ms);

}  // namespace millrace::controller::stream
