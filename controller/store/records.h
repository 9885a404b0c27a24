// SPDX-License-Identifier: Apache-2.0
//
// Between stored records and the values that the rules work on. Pure; any thread.
#pragma once

#include <optional>
#include <vector>

#include "controller/stream/epoch.h"
#include "controller/stream/retention.h"
#include "controller/stream/scale.h"
#include "controller/stream/state.h"
#include "proto/records/controller.pb.h"

namespace millrace::controller::store {

stream::State to_state(records::StreamRecord::State state);

records::SegmentRecord to_record(const stream::Segment& segment);
stream::Segment to_segment(const records::SegmentRecord& record);
std::vector<stream::Segment> to_segments(const google::protobuf::RepeatedPtrField<records::SegmentRecord>& records);
std::vector<SegmentId> to_ids(const google::protobuf::RepeatedField<std::int64_t>& ids);

// Of a record that was read: what every later step relies on. kCorrupt says what is wrong.
Result<void> check_sound(const records::StreamRecord& record);

Result<void> check_sound(const records::RetentionSetRecord& record);

// In full. `sealed`: what the epoch replaced.
records::EpochRecord to_record(const stream::Epoch& epoch, const std::vector<SegmentId>& sealed);
// REQUIRES: the record is full.
stream::Epoch to_epoch(const records::EpochRecord& record);

// The form in which an epoch that is over is kept: in full at the begin of a chunk, otherwise only
// what it created and sealed.
records::EpochRecord to_history(const records::EpochRecord& full);
// The epoch after `before`, from its full record or difference. kCorrupt when they do not fit.
Result<stream::Epoch> follow(const stream::Epoch& before, const records::EpochRecord& record);

// The segments that the epoch itself created.
std::vector<stream::Segment> segments_created_in(const records::EpochRecord& record);

// Whether a deletion can begin now: nothing else is going on, except perhaps that the stream is being created.
bool may_begin_removal(const records::StreamRecord& record);
// The stream counts as sealed from now on, if it was made at all. REQUIRES: may_begin_removal().
void begin_removal(records::StreamRecord& record);

// Of a stream that was not looked at yet.
records::RetentionSetRecord no_cuts(const records::StreamRecord& stream);

// Empty: there is none, or it has no bounds and asks for nothing.
std::optional<stream::RetentionPolicy> retention_policy(const records::ConfigRecord& config);
// Whether the stream is truncated by a policy from time to time; it is in the list of those then. A sealed one keeps what it has.
bool has_retention(const records::StreamRecord& record);

// The stream begins to move its head to `cut`. REQUIRES: it carries out nothing.
void begin_truncation(records::StreamRecord& record, records::StreamCutRecord cut);

// Whether the current epoch has as many segments as the configuration asks for.
bool fits_config(const records::StreamRecord& record);

// The stream begins to carry the scale out. REQUIRES: it is ACTIVE and carries out nothing.
void begin_scale(records::StreamRecord& record, const stream::ScalePlan& plan);
// The epoch that a stream's running scale leads to. REQUIRES: record.has_scale().
stream::Epoch epoch_of_scale(const records::StreamRecord& record);

}  // namespace millrace::controller::store
