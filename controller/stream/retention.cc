// SPDX-License-Identifier: Apache-2.0
#include "controller/stream/retention.h"

#include <algorithm>

#include "common/base/check.h"

namespace millrace::controller::stream {

namespace {

// So many cuts within what stays: a stream keeps at most a 64th more than it has to, beside what comes in one period.
constexpr std::int64_t kCutsWithin = 64;

}  // namespace

std::int64_t left_by(const RetentionPolicy& policy, const CutMark& cut, const CutMark& end) {
    const std::int64_t left =
        policy.by == RetentionPolicy::By::kTime ? end.time_ms - cut.time_ms : end.bytes - cut.bytes;
    return std::max<std::int64_t>(left, 0);
}

std::optional<std::size_t> choose_cut(const RetentionPolicy& policy, const std::vector<CutMark>& cuts, const CutMark& end) {
    if (policy.least > 0) {
        for (std::size_t i = cuts.size(); i-- > 0;) {
            if (left_by(policy, cuts[i], end) >= policy.least) return i;
        }
        return std::nullopt;
    }
    // How much lies before the oldest is not known: it alone is no reason to truncate anywhere.
    std::size_t fits = 0;
    while (fits < cuts.size() && left_by(policy, cuts[fits], end) > policy.most) ++fits;
    return fits == 0 || fits == cuts.size() ? std::nullopt : std::optional{fits};
}

bool worth_a_cut(const RetentionPolicy& policy, const std::optional<CutMark>& newest, const CutMark& end) {
    if (!newest) return true;
    // By the time of the newest one no further cut would be due for as long as the clock was set back by.
    if (policy.by == RetentionPolicy::By::kTime && newest->time_ms > end.time_ms) return true;
    const std::int64_t stays = policy.least > 0 ? policy.least : policy.most;
    return left_by(policy, *newest, end) >= stays / kCutsWithin;
}

std::size_t least_missed(const RetentionPolicy& policy, const std::vector<CutMark>& cuts) {
    MR_CHECK(cuts.size() >= 3);
    std::size_t found = 1;
    for (std::size_t i = 2; i + 1 < cuts.size(); ++i) {
        const auto apart = [&](std::size_t at) { return left_by(policy, cuts[at - 1], cuts[at + 1]); };
        if (apart(i) < apart(found)) found = i;
    }
    return found;
}

}  // namespace millrace::controller::stream
