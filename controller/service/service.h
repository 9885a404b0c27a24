// SPDX-License-Identifier: Apache-2.0
//
// The calls of the controller's protocol: check, decide, store an intent, wait for it, answer
// (docs/protocol/controller.md). A decision that loses a race is taken again on what is then stored. One whose write
// ends with unknown fate, which it does when the metadata cannot be reached for long, fails: nothing is guessed.
// Thread rule: one executor. Lifetime: no call may be running at destruction.
#pragma once

#include <chrono>
#include <optional>

#include "common/runtime/runtime.h"
#include "controller/service/protocol.h"
#include "controller/store/stream_store.h"
#include "controller/stream/cut.h"
#include "controller/workflow/engine.h"

namespace millrace::controller::service {

// How long a call waits for a workflow. The workflow goes on when the call has given up.
inline constexpr std::chrono::minutes kWorkflowWait{2};

struct Places {
    Endpoint controller;     // what discovery answers
    Endpoint segment_store;  // who owns every segment
};

class Service {
public:
    Service(Runtime runtime, store::StreamStore& store, segments::Segments& segments, workflow::Engine& engine, Places places)
        : runtime_{runtime}, store_{store}, segments_{segments}, engine_{engine}, places_{std::move(places)} {}

    // The real port is known only once the server listens.
    void set_controller_place(Endpoint controller) { places_.controller = std::move(controller); }

    Task<Result<pb::ServerResponse>> get_controller_server_list(pb::ServerRequest request);
    Task<Result<pb::DelegationToken>> get_delegation_token(pb::StreamInfo request);

    Task<Result<pb::CreateScopeStatus>> create_scope(pb::ScopeInfo request);
    Task<Result<pb::DeleteScopeStatus>> delete_scope(pb::ScopeInfo request);
    Task<Result<pb::ExistsResponse>> check_scope_exists(pb::ScopeInfo request);
    Task<Result<pb::ScopesResponse>> list_scopes(pb::ScopesRequest request);
    Task<Result<pb::StreamsInScopeResponse>> list_streams_in_scope(pb::StreamsInScopeRequest request);
    Task<Result<pb::StreamsInScopeResponse>> list_streams_in_scope_for_tag(pb::StreamsInScopeWithTagRequest request);

    Task<Result<pb::CreateStreamStatus>> create_stream(pb::StreamConfig request);
    Task<Result<pb::UpdateStreamStatus>> update_stream(pb::StreamConfig request);
    Task<Result<pb::UpdateStreamStatus>> truncate_stream(pb::StreamCut request);
    Task<Result<pb::UpdateStreamStatus>> seal_stream(pb::StreamInfo request);
    Task<Result<pb::DeleteStreamStatus>> delete_stream(pb::StreamInfo request);
    Task<Result<pb::ExistsResponse>> check_stream_exists(pb::StreamInfo request);
    Task<Result<pb::StreamConfig>> get_stream_configuration(pb::StreamInfo request);

    Task<Result<pb::CreateReaderGroupResponse>> create_reader_group(pb::ReaderGroupConfiguration request);
    Task<Result<pb::ReaderGroupConfigResponse>> get_reader_group_config(pb::ReaderGroupInfo request);
    Task<Result<pb::UpdateReaderGroupResponse>> update_reader_group(pb::ReaderGroupConfiguration request);
    Task<Result<pb::DeleteReaderGroupStatus>> delete_reader_group(pb::ReaderGroupInfo request);

    Task<Result<pb::SegmentRanges>> get_current_segments(pb::StreamInfo request);
    Task<Result<pb::SegmentRanges>> get_epoch_segments(pb::GetEpochSegmentsRequest request);
    Task<Result<pb::SegmentsAtTime>> get_segments(pb::GetSegmentsRequest request);
    Task<Result<pb::SuccessorResponse>> get_successors(pb::SegmentId request);
    Task<Result<pb::NodeUri>> get_uri(pb::SegmentId request);
    Task<Result<pb::SegmentValidityResponse>> is_segment_valid(pb::SegmentId request);

    Task<Result<pb::StreamCutValidityResponse>> is_stream_cut_valid(pb::StreamCut request);
    Task<Result<pb::StreamCutRangeResponse>> get_segments_between(pb::StreamCutRange request);

    Task<Result<pb::ScaleResponse>> scale(pb::ScaleRequest request);
    Task<Result<pb::ScaleStatusResponse>> check_scale(pb::ScaleStatusRequest request);

private:
    // Not of a stream that is gone.
    Task<Result<bool>> has_tag(StreamName name, std::string tag);
    Deadline workflow_deadline() const { return Deadline::after(runtime_.clock, kWorkflowWait); }
    std::int64_t now_ms() const { return runtime_.clock.wall_now().time_since_epoch().count(); }

    // A stream, which is made first if it is to keep the marks of another one: every reader of Java asks for those of each of
    // its streams, and few streams are read by any. kNotFound.
    Task<Result<store::StoredStream>> existing(StreamName name);
    Task<Result<void>> make_marks(StreamName name, StreamName marked);
    // A stream that clients may see. kNotFound; kInternal while it is being created, which clients retry.
    Task<Result<std::shared_ptr<const store::StoredStream>>> visible(StreamName name);
    records::StreamRecord new_stream(records::ConfigRecord config);
    // Stores `now`, an intent, for `was` and waits until it is carried out. False, and why in `last`: the stream changed
    // meanwhile, so that it has to be decided again.
    Task<Result<bool>> carry_out(StreamName name, store::StoredStream was, records::StreamRecord now, Deadline deadline,
                                 std::optional<Error>& last);
    // Whether every segment of the cut has the bytes that lie before it. An error: that cannot be found out now.
    Task<Result<bool>> has_bytes_before(StreamName name, stream::Cut cut, Deadline deadline);
    // In which epoch the segment was replaced. kNotFound: the stream never had it.
    Task<Result<std::optional<std::int32_t>>> sealed_in(StreamName name, std::shared_ptr<const store::StoredStream> stream,
                                                       SegmentId segment);

    Runtime runtime_;
    store::StreamStore& store_;
    segments::Segments& segments_;
    workflow::Engine& engine_;
    Places places_;
};

}  // namespace millrace::controller::service
