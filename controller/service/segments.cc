// SPDX-License-Identifier: Apache-2.0
//
// What clients ask about the segments of a stream.
#include "controller/service/service.h"

#include <algorithm>

#include "controller/store/cuts.h"
#include "controller/store/records.h"

namespace millrace::controller::service {

namespace {

using records::StreamRecord;

std::int32_t current_epoch(const StreamRecord& record) { return static_cast<std::int32_t>(record.current().epoch()); }

}  // namespace

Task<Result<std::shared_ptr<const store::StoredStream>>> Service::visible(StreamName name) {
    MR_CO_TRY(store::StoredStream stream, co_await existing(name));
    if (stream.record.state() == StreamRecord::CREATING) {
        co_return Error{ErrorCode::kInternal, "stream '" + name.to_string() + "' is still being created: try again"};
    }
    co_return std::make_shared<const store::StoredStream>(std::move(stream));
}

Task<Result<pb::SegmentRanges>> Service::get_current_segments(pb::StreamInfo request) {
    MR_CO_TRY(const StreamName name, to_name(request));
    MR_CO_TRY(const std::shared_ptr<const store::StoredStream> stream, co_await visible(name));
    pb::SegmentRanges reply;
    if (stream->record.state() == StreamRecord::SEALED) co_return reply;
    for (const stream::Segment& segment : store::to_epoch(stream->record.current()).segments) {
        *reply.add_segmentranges() = to_range(name, segment);
    }
    co_return reply;
}

Task<Result<pb::SegmentRanges>> Service::get_epoch_segments(pb::GetEpochSegmentsRequest request) {
    MR_CO_TRY(const StreamName name, to_name(request.streaminfo()));
    if (request.epoch() < 0) {
        co_return Error{ErrorCode::kInvalidArgument, "epoch " + std::to_string(request.epoch()) + " is negative"};
    }
    MR_CO_TRY(const std::shared_ptr<const store::StoredStream> stream, co_await visible(name));
    MR_CO_TRY(const stream::Epoch epoch, co_await store_.epoch(name, stream, request.epoch()));
    pb::SegmentRanges reply;
    for (const stream::Segment& segment : epoch.segments) *reply.add_segmentranges() = to_range(name, segment);
    co_return reply;
}

// The head of the stream, whatever the time stamp says.
Task<Result<pb::SegmentsAtTime>> Service::get_segments(pb::GetSegmentsRequest request) {
    MR_CO_TRY(const StreamName name, to_name(request.streaminfo()));
    MR_CO_TRY(const std::shared_ptr<const store::StoredStream> stream, co_await visible(name));
    MR_CO_TRY(const stream::Cut head, co_await store::accepted_cut(store_, name, stream, stream->record.head()));
    pb::SegmentsAtTime reply;
    for (const stream::CutEntry& entry : head.entries()) {
        auto& location = *reply.add_segments();
        *location.mutable_segmentid() = to_id(name, entry.segment.id);
        location.set_offset(entry.offset);
    }
    co_return reply;
}

Task<Result<std::optional<std::int32_t>>> Service::sealed_in(StreamName name,
                                                             std::shared_ptr<const store::StoredStream> stream,
                                                             SegmentId segment) {
    const std::int32_t current = current_epoch(stream->record);
    const Error unknown{ErrorCode::kNotFound, "stream '" + name.to_string() + "' never had a segment " +
                                                  std::to_string(segment.value)};
    if (segment.epoch().number() < 0 || segment.epoch().number() > current) co_return unknown;
    for (const auto& record : stream->record.current().segments()) {
        if (store::to_segment(record).id == segment) co_return std::nullopt;
    }
    // Newest first would be quicker for most callers, but only the way up meets it for certain.
    for (std::int32_t epoch = segment.epoch().number() + 1; epoch <= current; ++epoch) {
        MR_CO_TRY(const std::shared_ptr<const records::EpochRecord> record,
                  co_await store_.epoch_record(name, stream, epoch));
        for (const std::int64_t id : record->sealed()) {
            if (id == segment.value) co_return epoch;
        }
    }
    co_return unknown;
}

Task<Result<pb::SuccessorResponse>> Service::get_successors(pb::SegmentId request) {
    MR_CO_TRY(const StreamName name, to_name(request.streaminfo()));
    MR_CO_TRY(const std::shared_ptr<const store::StoredStream> stream, co_await visible(name));
    const SegmentId segment{request.segmentid()};
    MR_CO_TRY(const std::optional<std::int32_t> sealed, co_await sealed_in(name, stream, segment));

    std::vector<stream::Successor> found;
    if (sealed) {
        MR_CO_TRY(const stream::Epoch before, co_await store_.epoch(name, stream, *sealed - 1));
        MR_CO_TRY(const stream::Epoch after, co_await store_.epoch(name, stream, *sealed));
        if (before.find(segment) == nullptr) {
            co_return Error{ErrorCode::kCorrupt, "epoch " + to_string(before.epoch) + " of '" + name.to_string() +
                                                     "' lacks segment " + std::to_string(segment.value)};
        }
        found = stream::successors(before, after, segment);
    } else if (stream->record.has_scale() && stream->record.scale().published()) {
        // The segment store may report it sealed at any moment, so its successors are told already.
        const std::vector<SegmentId> going = store::to_ids(stream->record.scale().sealed());
        if (std::find(going.begin(), going.end(), segment) != going.end()) {
            found = stream::successors(store::to_epoch(stream->record.current()), store::epoch_of_scale(stream->record),
                                       segment);
        }
    }

    // Empty: the segment is current, or it ended with its stream.
    pb::SuccessorResponse reply;
    for (const stream::Successor& successor : found) {
        auto& entry = *reply.add_segments();
        *entry.mutable_segment() = to_range(name, successor.segment);
        for (const SegmentId id : successor.predecessors) entry.add_value(id.value);
    }
    co_return reply;
}

// Answers for every name, also of segments that the controller knows nothing of.
Task<Result<pb::NodeUri>> Service::get_uri(pb::SegmentId) {
    pb::NodeUri reply;
    reply.set_endpoint(places_.segment_store.host);
    reply.set_port(places_.segment_store.port);
    co_return reply;
}

Task<Result<pb::SegmentValidityResponse>> Service::is_segment_valid(pb::SegmentId request) {
    MR_CO_TRY(const StreamName name, to_name(request.streaminfo()));
    MR_CO_TRY(const std::shared_ptr<const store::StoredStream> stream, co_await visible(name));
    pb::SegmentValidityResponse reply;
    if (stream->record.state() != StreamRecord::SEALED) {
        const stream::Epoch current = store::to_epoch(stream->record.current());
        reply.set_response(current.find(SegmentId{request.segmentid()}) != nullptr);
    }
    co_return reply;
}

}  // namespace millrace::controller::service
