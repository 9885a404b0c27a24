// SPDX-License-Identifier: Apache-2.0
//
// Stream cuts: truncation, and what clients ask about cuts.
#include <map>
#include <memory>

#include "common/rpc/rpc.h"
#include "common/telemetry/log.h"
#include "controller/service/decisions.h"
#include "controller/service/service.h"
#include "controller/store/cuts.h"
#include "controller/store/records.h"
#include "controller/workflow/for_all.h"

namespace millrace::controller::service {

namespace {

// Before the newest segments that clients may know of.
Result<stream::Cut> newest_cut(const StreamRecord& record) {
    const bool next_is_told = store::newest_told_epoch(record) > static_cast<std::int32_t>(record.current().epoch());
    const stream::Epoch newest = next_is_told ? store::epoch_of_scale(record) : store::to_epoch(record.current());
    MR_TRY_VOID(stream::check_tiles(newest.segments));
    return stream::Cut::before(newest);
}

}  // namespace

// ---- Truncate ----

Task<Result<bool>> Service::has_bytes_before(StreamName name, stream::Cut cut, Deadline deadline) {
    std::map<std::string, std::int64_t> offsets;
    std::vector<std::string> segments;
    for (const stream::CutEntry& entry : cut.entries()) {
        if (entry.offset <= 0) continue;
        segments.push_back(segment_name(name, entry.segment.id));
        offsets.emplace(segments.back(), entry.offset);
    }
    auto lacking = std::make_shared<bool>(false);
    MR_CO_TRY_VOID(co_await workflow::for_all(
        std::move(segments), [this, offsets, lacking, deadline](std::string segment) -> Task<Result<void>> {
            MR_CO_TRY(const std::int64_t length, co_await segments_.length(segment, deadline));
            if (offsets.at(segment) > length) *lacking = true;
            co_return ok();
        }));
    co_return !*lacking;
}

Task<Result<pb::UpdateStreamStatus>> Service::truncate_stream(pb::StreamCut request) {
    pb::UpdateStreamStatus reply;
    const auto answer = [&reply](pb::UpdateStreamStatus::Status status) {
        reply.set_status(status);
        return reply;
    };
    const Result<StreamName> checked = to_name(request.streaminfo());
    if (!checked) co_return answer(pb::UpdateStreamStatus::STREAM_NOT_FOUND);
    const StreamName name = *checked;
    const auto refused = [&](const std::string& why) {
        MR_LOG_INFO("truncation refused", {"stream", name.to_string()}, {"reason", why});
        return answer(pb::UpdateStreamStatus::FAILURE);
    };
    const records::StreamCutRecord wanted = to_cut(request.cut());

    const Deadline deadline = workflow_deadline();
    std::optional<Error> last;
    for (int attempt = 0; attempt < kStreamAttempts; ++attempt) {
        Result<store::StoredStream> stream = co_await store_.load(name);
        if (!stream) {
            if (stream.error().is(ErrorCode::kNotFound)) co_return answer(pb::UpdateStreamStatus::STREAM_NOT_FOUND);
            co_return std::move(stream).error();
        }
        const StreamRecord& record = stream->record;
        if (record.state() == StreamRecord::SEALED) co_return answer(pb::UpdateStreamStatus::STREAM_SEALED);
        const bool same = same_cut(record.head(), wanted);
        // One that nobody asked for is waited for, as any other change is.
        if (record.has_truncate() && !record.truncate().by_policy() && !same) {
            co_return refused("another truncation is running");
        }
        if (busy(record)) {
            // Also the very same truncation, which an earlier try may have begun.
            MR_CO_TRY_VOID(co_await engine_.settled(name, deadline));
            continue;
        }
        if (wanted.segments_size() > 0 && same) co_return answer(pb::UpdateStreamStatus::SUCCESS);

        const auto shared = std::make_shared<const store::StoredStream>(*stream);
        MR_CO_TRY(const stream::Cut head, co_await store::accepted_cut(store_, name, shared, record.head()));
        const Result<stream::Cut> cut = co_await store::find_cut(store_, name, shared, wanted);
        if (!cut) {
            if (!cut.error().is(ErrorCode::kInvalidArgument)) co_return cut.error();
            co_return refused(cut.error().detail());
        }
        if (cut->entries().size() > max_segments(name)) co_return refused(too_many(name, cut->entries().size()));
        if (!cut->at_or_after(head)) co_return refused("the cut lies before the head of the stream");
        // A segment never gets shorter, so that this stays true.
        MR_CO_TRY(const bool has_bytes, co_await has_bytes_before(name, *cut, deadline));
        if (!has_bytes) co_return refused("a segment ends before the cut");

        StreamRecord now = record;
        store::begin_truncation(now, wanted);
        MR_CO_TRY(const bool done, co_await carry_out(name, std::move(*stream), std::move(now), deadline, last));
        if (!done) continue;
        MR_LOG_INFO("stream truncated", {"stream", name.to_string()});
        co_return answer(pb::UpdateStreamStatus::SUCCESS);
    }
    co_return gave_up(name, last);
}

// ---- Questions ----

Task<Result<pb::StreamCutValidityResponse>> Service::is_stream_cut_valid(pb::StreamCut request) {
    MR_CO_TRY(const StreamName name, to_name(request.streaminfo()));
    MR_CO_TRY(const std::shared_ptr<const store::StoredStream> stream, co_await visible(name));
    const Result<stream::Cut> cut = co_await store::find_cut(store_, name, stream, to_cut(request.cut()));
    if (!cut && !cut.error().is(ErrorCode::kInvalidArgument)) co_return cut.error();
    pb::StreamCutValidityResponse reply;
    reply.set_response(cut.ok());
    co_return reply;
}

Task<Result<pb::StreamCutRangeResponse>> Service::get_segments_between(pb::StreamCutRange request) {
    MR_CO_TRY(const StreamName name, to_name(request.streaminfo()));
    if (request.from().empty() && request.to().empty()) {
        co_return Error{ErrorCode::kInvalidArgument, "both stream cuts are empty"};
    }
    MR_CO_TRY(const std::shared_ptr<const store::StoredStream> stream, co_await visible(name));
    // Without the first one from the begin of epoch 0, without the second one up to the newest segments that clients
    // know of.
    MR_CO_TRY(const stream::Cut from, request.from().empty()
                                          ? co_await store::accepted_cut(store_, name, stream, {})
                                          : co_await store::find_cut(store_, name, stream, to_cut(request.from())));
    MR_CO_TRY(const stream::Cut to, request.to().empty()
                                        ? newest_cut(stream->record)
                                        : co_await store::find_cut(store_, name, stream, to_cut(request.to())));
    // What stands for a missing one is the begin of its segments, which says nothing of the places in them.
    const bool both = !request.from().empty() && !request.to().empty();
    if (both && !to.at_or_after(from)) {
        co_return Error{ErrorCode::kInvalidArgument, "the second stream cut lies before the first"};
    }

    pb::StreamCutRangeResponse reply;
    std::size_t bytes = 0;
    for (std::int32_t epoch = from.first_epoch().number(); epoch <= to.last_epoch().number(); ++epoch) {
        MR_CO_TRY(const std::vector<stream::Segment> created,
                  co_await store::created_in_epoch(store_, name, stream, epoch));
        for (const stream::Segment& segment : created) {
            const stream::Reading at_begin = from.reading(segment);
            const stream::Reading at_end = to.reading(segment);
            if (at_begin == stream::Reading::kDone || at_end == stream::Reading::kAhead) continue;
            pb::SegmentId& id = *reply.add_segments();
            id = to_id(name, segment.id);
            bytes += id.ByteSizeLong() + 5;  // with its tag and length
            if (bytes > rpc::kMaxMessageBytes) {
                co_return Error{ErrorCode::kTooLarge,
                                "there are more segments between these stream cuts than fit a reply"};
            }
        }
    }
    co_return reply;
}

}  // namespace millrace::controller::service
