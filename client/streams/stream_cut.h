// SPDX-License-Identifier: Apache-2.0
//
// A reader's position as a stream cut of the protocol (docs/protocol/controller.md). They differ where a merge waits
// for the end of a segment: of the keys that come from others, a position names nothing, or a segment that has been
// read to its end; a cut names for every key what is next, which is the segment that waits, with a negative offset.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "client/control/controller_client.h"

namespace millrace::client {

// Keys that no segment of a position is being read for: what is next for them follows on segments that the position
// names.
// `ranges`: of all segments of the position.
std::vector<KeyRange> keys_that_wait(const std::map<SegmentId, KeyRange>& ranges);

// `successors`: of all segments of the position, in any order, also more than once; not looked at when no key waits.
std::map<SegmentId, std::int64_t> stream_cut(std::map<SegmentId, std::int64_t> offsets,
                                             const std::map<SegmentId, KeyRange>& ranges,
                                             const std::vector<Successor>& successors);

}  // namespace millrace::client
