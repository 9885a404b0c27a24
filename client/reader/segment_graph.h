// SPDX-License-Identifier: Apache-2.0
//
// Which segments of a stream are being read, which may begin, and what a position has to name so
// that another reader can go on from it. Pure: knows ids only.
// A segment begins when all its predecessors have been read to their end; that keeps the events of a
// key in order across splits and merges.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "client/client_mutations.h"
#include "common/model/segment_name.h"

namespace millrace::client {

class SegmentGraph {
public:
    // The segments that reading begins with. What came before them counts as read.
    explicit SegmentGraph(const std::vector<SegmentId>& first, ClientMutations mutations = {});

    struct Next {
        SegmentId segment;
        std::vector<SegmentId> predecessors;
        bool wanted = true;  // false: lies behind the end of what is to be read
    };
    struct Change {
        std::vector<SegmentId> begin;   // to be read from now on, from their first byte
        std::vector<SegmentId> forget;  // a position need not name them any more
    };
    // `segment` has been read to its end (or as far as wanted), and these came after it.
    Change ended(SegmentId segment, const std::vector<Next>& successors);

    bool knows(SegmentId segment) const { return nodes_.contains(segment) || pending_.contains(segment); }
    // No segment is being read any more.
    bool finished() const { return active_ == 0; }
    std::size_t active() const { return active_; }

private:
    struct Node {
        bool ended = false;
        // Named at the start: its predecessors are not known, and may be among the others.
        bool first = false;
        std::vector<SegmentId> predecessors;
        std::vector<SegmentId> successors;
    };

    bool is_read(SegmentId predecessor) const;
    bool may_forget(SegmentId segment, const Node& node) const;

    ClientMutations mutations_;
    std::map<SegmentId, Node> nodes_;                       // what a position names
    std::map<SegmentId, std::vector<SegmentId>> pending_;  // waiting for their predecessors
    std::set<SegmentId> unwanted_;
    std::size_t active_ = 0;
};

}  // namespace millrace::client
