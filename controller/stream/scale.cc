// SPDX-License-Identifier: Apache-2.0
#include "controller/stream/scale.h"

#include <algorithm>
#include <optional>
#include <set>

namespace millrace::controller::stream {

namespace {

std::vector<SegmentId> sorted_unique(std::vector<SegmentId> ids) {
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

std::string range_text(const KeyRange& range) {
    return "[" + std::to_string(range.low) + ", " + std::to_string(range.high) + ")";
}

// Neighbours that touch become one. Empty: two of them overlap, or one is empty.
std::optional<std::vector<KeyRange>> merged(std::vector<KeyRange> ranges) {
    for (const KeyRange& range : ranges) {
        if (!(range.low < range.high)) return std::nullopt;  // also what is not a number
    }
    std::sort(ranges.begin(), ranges.end(), [](const KeyRange& a, const KeyRange& b) { return a.low < b.low; });
    std::vector<KeyRange> result;
    for (const KeyRange& range : ranges) {
        if (!result.empty() && range.low < result.back().high) return std::nullopt;
        if (!result.empty() && range.low == result.back().high) result.back().high = range.high;
        else result.push_back(range);
    }
    return result;
}

ScaleRefused failure(std::string why) { return {ScaleRefusal::kFailure, std::move(why)}; }
ScaleRefused precondition(std::string why) { return {ScaleRefusal::kPrecondition, std::move(why)}; }

}  // namespace

std::variant<ScalePlan, ScaleRefused> plan_scale(const Epoch& current, const ScaleRequest& request,
                                                 std::size_t min_segments, std::uint32_t next_number,
                                                 std::int64_t requested_ms) {
    ScalePlan plan;
    plan.sealed = sorted_unique(request.sealed);
    if (plan.sealed.empty()) return failure("no segment to seal was named");
    if (request.ranges.empty()) return failure("no new range was named");

    std::vector<KeyRange> old_ranges;
    for (const SegmentId id : plan.sealed) {
        const Segment* const segment = current.find(id);
        if (segment == nullptr) {
            return precondition("segment " + std::to_string(id.value) + " is not in the current epoch " +
                                to_string(current.epoch));
        }
        old_ranges.push_back(segment->range);
    }

    for (const KeyRange& range : request.ranges) {
        if (!(range.low < range.high)) return failure("the range " + range_text(range) + " is empty");
    }
    const auto wanted = merged(request.ranges);
    if (!wanted) return failure("two of the new ranges overlap");
    const auto covered = merged(old_ranges);
    MR_CHECK(covered.has_value());
    if (*wanted != *covered) return failure("the new ranges do not cover exactly the keys of the sealed segments");

    const std::size_t count = current.segments.size() - plan.sealed.size() + request.ranges.size();
    if (count < min_segments) {
        return precondition(std::to_string(count) + " segments would remain; the stream's least is " +
                            std::to_string(min_segments));
    }
    if (count > kMaxSegments) {
        return failure(std::to_string(count) + " segments would result; the most is " + std::to_string(kMaxSegments));
    }

    if (current.epoch.number() >= kMaxEpoch) {
        return failure("the stream is in epoch " + to_string(current.epoch) + ", the last that its history has room for");
    }

    const StreamEpoch epoch = millrace::next(current.epoch);
    std::uint32_t number = next_number;
    for (const Segment& segment : current.segments) {
        number = std::max(number, static_cast<std::uint32_t>(segment.id.number()) + 1);
    }
    for (const KeyRange& range : request.ranges) {
        // -0.0 equals 0.0 and covers the same keys, but not every reader of the reply compares numbers.
        const KeyRange created{range.low + 0.0, range.high};
        plan.created.push_back({SegmentId::of(static_cast<std::int32_t>(number++), epoch), created});
    }
    plan.next = epoch_after(current, plan.sealed, plan.created, std::max(requested_ms, current.created_ms + 1));
    return plan;
}

bool same_scale(const ScaleRequest& request, const std::vector<SegmentId>& sealed, const std::vector<Segment>& created) {
    if (sorted_unique(request.sealed) != sorted_unique(sealed)) return false;
    std::vector<KeyRange> wanted = request.ranges;
    std::vector<KeyRange> running;
    for (const Segment& segment : created) running.push_back(segment.range);
    const auto by_low = [](const KeyRange& a, const KeyRange& b) { return a.low < b.low; };
    std::sort(wanted.begin(), wanted.end(), by_low);
    std::sort(running.begin(), running.end(), by_low);
    return wanted == running;
}

Epoch epoch_after(const Epoch& current, const std::vector<SegmentId>& sealed, const std::vector<Segment>& created,
                  std::int64_t created_ms) {
    Epoch result;
    result.epoch = millrace::next(current.epoch);
    result.reference = result.epoch;
    result.created_ms = created_ms;
    const std::set<SegmentId> gone{sealed.begin(), sealed.end()};
    for (const Segment& segment : current.segments) {
        if (!gone.contains(segment.id)) result.segments.push_back(segment);
    }
    result.segments.insert(result.segments.end(), created.begin(), created.end());
    std::sort(result.segments.begin(), result.segments.end(),
              [](const Segment& a, const Segment& b) { return a.range.low < b.range.low; });
    return result;
}

}  // namespace millrace::controller::stream
