// SPDX-License-Identifier: Apache-2.0
//
// Where a stream is truncated by its retention policy (docs/guarantees.md, "Retention"). The controller takes cuts at the
// stream's end, now and then, and later truncates at one of them. What that leaves is what came after the cut: by time, what
// was written since it was taken; by size, the bytes written since.
// Lists of marks are in the order in which their cuts were taken. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::controller::stream {

struct RetentionPolicy {
    enum class By : std::uint8_t { kTime, kSize };
    By by = By::kTime;
    // Milliseconds or bytes that stay at least, and at most. 0: no such bound; one of them is there.
    std::int64_t least = 0;
    std::int64_t most = 0;
    bool operator==(const RetentionPolicy&) const = default;
};

// What is known of a cut.
struct CutMark {
    // Wall time: what lies before the cut was written before. Ahead of the present when the clock was set back since; the cut
    // counts as taken just now then.
    std::int64_t time_ms = 0;
    // Written to the stream before the cut, counted from an unknown begin.
    std::int64_t bytes = 0;
    bool operator==(const CutMark&) const = default;
};

// What a truncation at `cut` leaves, as the policy counts, when the stream ends at `end`. Not negative.
std::int64_t left_by(const RetentionPolicy& policy, const CutMark& cut, const CutMark& end);

// Which of the cuts to truncate at, if any: the newest that leaves the least that must stay; if any of those that do leaves
// no more than may stay, that one does. Without a least, once the oldest leaves more than may stay: the oldest that does not.
std::optional<std::size_t> choose_cut(const RetentionPolicy& policy, const std::vector<CutMark>& cuts, const CutMark& end);

// Whether `end` is far enough from the newest cut to be worth one of its own: many cuts lie within what stays, so that
// what goes late is little in comparison.
bool worth_a_cut(const RetentionPolicy& policy, const std::optional<CutMark>& newest, const CutMark& end);

// The cut that is missed least, neither the oldest nor the newest: its neighbours are closest to each other.
// REQUIRES: there are at least three.
std::size_t least_missed(const RetentionPolicy& policy, const std::vector<CutMark>& cuts);

}  // namespace millrace::controller::stream
