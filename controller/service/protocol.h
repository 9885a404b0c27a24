// SPDX-License-Identifier: Apache-2.0
//
// Between the protocol's messages and our values. Pure; any thread.
#pragma once

#include "controller/stream/epoch.h"
#include "proto/controller/controller.pb.h"
#include "proto/records/controller.pb.h"

namespace millrace::controller::service {

namespace pb = io::pravega::controller::stream::api::grpc::v1;

// Checked as names that clients may use for themselves: those of users, or beginning with '_'.
// kInvalidArgument names the culprit.
Result<StreamName> to_name(const pb::StreamInfo& info);

pb::StreamInfo to_info(const StreamName& name);
pb::SegmentId to_id(const StreamName& name, SegmentId id);
pb::SegmentRange to_range(const StreamName& name, const stream::Segment& segment);

// By segment. Nothing is checked.
records::StreamCutRecord to_cut(const google::protobuf::Map<std::int64_t, std::int64_t>& cut);
// The same cut.
bool same_cut(const records::StreamCutRecord& a, const records::StreamCutRecord& b);

// The most segments that a stream of this name may have: every list of them fits a reply.
std::size_t max_segments(const StreamName& name);

// kInvalidArgument says what is wrong with the configuration.
Result<records::ConfigRecord> to_config(const pb::StreamConfig& config);
pb::StreamConfig from_config(const StreamName& name, const records::ConfigRecord& config);

}  // namespace millrace::controller::service
