// SPDX-License-Identifier: Apache-2.0
//
// Stream cuts looked up in a stream's history. All of these read the records of every epoch between the oldest and
// the newest segment that is asked for.
// Thread rule: that of the store. Lifetime: the store outlives the calls.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "controller/store/stream_store.h"
#include "controller/stream/cut.h"

namespace millrace::controller::store {

using SharedStream = std::shared_ptr<const StoredStream>;

// The newest epoch that clients may have met: the current one, or the one that a running scale has told them of.
std::int32_t newest_told_epoch(const records::StreamRecord& record);

// Segments that came with the epoch. kCorrupt: it is yet to come, and a record says otherwise.
Task<Result<std::vector<stream::Segment>>> created_in_epoch(StreamStore& store, StreamName name, SharedStream stream,
                                                            std::int32_t epoch);

// kInvalidArgument: the stream does not have its segments, or no reader can be there.
Task<Result<stream::Cut>> find_cut(StreamStore& store, StreamName name, SharedStream stream,
                                   records::StreamCutRecord cut);

// A cut from the stream's own record: the head, or one that was. Empty: the begin of epoch 0. kCorrupt.
Task<Result<stream::Cut>> accepted_cut(StreamStore& store, StreamName name, SharedStream stream,
                                       records::StreamCutRecord cut);

}  // namespace millrace::controller::store
