// SPDX-License-Identifier: Apache-2.0
//
// Beginning and forgetting segments.
#include "client/reader/segment_graph.h"

#include <algorithm>

#include "common/base/check.h"

namespace millrace::client {

SegmentGraph::SegmentGraph(const std::vector<SegmentId>& first, ClientMutations mutations) : mutations_{mutations} {
    for (const SegmentId segment : first) {
        Node& node = nodes_[segment];
        node.first = true;
    }
    active_ = nodes_.size();
}

bool SegmentGraph::is_read(SegmentId predecessor) const {
    if (const auto found = nodes_.find(predecessor); found != nodes_.end()) return found->second.ended;
    if (pending_.contains(predecessor)) return false;
    // Never heard of. Ancestors have smaller epochs, so it can still turn up only while something of
    // an earlier epoch is being read or waits; otherwise it lies before where reading began.
    for (const auto& [id, node] : nodes_) {
        if (!node.ended && id.epoch() < predecessor.epoch()) return false;
    }
    for (const auto& [id, predecessors] : pending_) {
        if (id.epoch() < predecessor.epoch()) return false;
    }
    return true;
}

bool SegmentGraph::may_forget(SegmentId segment, const Node& node) const {
    if (!node.ended || node.successors.empty()) return false;
    if (mutations_.forget_segments_early) return true;
    for (const SegmentId successor : node.successors) {
        // One that has not begun is found again only through this segment.
        if (pending_.contains(successor) || unwanted_.contains(successor)) return false;
    }
    // While a predecessor is named, a reader that goes on from there hears of this segment again, and
    // must find it named too, or it would read it twice.
    if (node.first) {
        for (const auto& [id, other] : nodes_) {
            if (id.epoch() < segment.epoch()) return false;
        }
        return true;
    }
    return std::none_of(node.predecessors.begin(), node.predecessors.end(),
                        [this](SegmentId predecessor) { return nodes_.contains(predecessor); });
}

SegmentGraph::Change SegmentGraph::ended(SegmentId segment, const std::vector<Next>& successors) {
    Node& node = nodes_.at(segment);
    MR_CHECK(!node.ended);
    node.ended = true;
    --active_;
    for (const Next& next : successors) {
        node.successors.push_back(next.segment);
        if (!next.wanted) unwanted_.insert(next.segment);
        else if (!knows(next.segment)) pending_.emplace(next.segment, next.predecessors);
    }

    Change change;
    // Ascending: what begins now can only hold back what is younger.
    for (auto it = pending_.begin(); it != pending_.end();) {
        const auto& [id, predecessors] = *it;
        const bool all_read =
            std::all_of(predecessors.begin(), predecessors.end(), [this](SegmentId p) { return is_read(p); });
        if (!all_read && !mutations_.begin_successors_early) {
            ++it;
            continue;
        }
        Node& begun = nodes_[id];
        begun.predecessors = predecessors;
        ++active_;
        change.begin.push_back(id);
        it = pending_.erase(it);
    }

    // Ascending again: forgetting a segment may allow it for its successors.
    for (auto it = nodes_.begin(); it != nodes_.end();) {
        if (may_forget(it->first, it->second)) {
            change.forget.push_back(it->first);
            it = nodes_.erase(it);
        } else {
            ++it;
        }
    }
    return change;
}

}  // namespace millrace::client
