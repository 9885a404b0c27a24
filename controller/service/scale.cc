// SPDX-License-Identifier: Apache-2.0
//
// Replacing segments of a stream by others, and whether that is over.
#include <algorithm>
#include <set>

#include "common/telemetry/log.h"
#include "controller/service/decisions.h"
#include "controller/service/service.h"
#include "controller/store/records.h"
#include "controller/stream/scale.h"

namespace millrace::controller::service {

Task<Result<pb::ScaleResponse>> Service::scale(pb::ScaleRequest request) {
    MR_CO_TRY(const StreamName name, to_name(request.streaminfo()));
    stream::ScaleRequest wanted;
    for (const std::int64_t id : request.sealedsegments()) wanted.sealed.push_back(SegmentId{id});
    std::set<double> starts;
    for (const auto& range : request.newkeyranges()) {
        wanted.ranges.push_back(KeyRange{range.start(), range.end()});
        if (!starts.insert(range.start()).second) {
            co_return Error{ErrorCode::kInvalidArgument,
                            "two of the new ranges begin at " + std::to_string(range.start())};
        }
    }

    pb::ScaleResponse reply;
    const auto started = [&](std::int32_t old_epoch, const std::vector<stream::Segment>& created) {
        reply.set_status(pb::ScaleResponse::STARTED);
        reply.set_epoch(old_epoch);
        for (const stream::Segment& segment : created) *reply.add_segments() = to_range(name, segment);
        return reply;
    };
    const auto refused = [&](pb::ScaleResponse::ScaleStreamStatus status, std::int32_t epoch, const std::string& why) {
        MR_LOG_INFO("scale refused", {"stream", name.to_string()}, {"reason", why});
        reply.set_status(status);
        reply.set_epoch(epoch);
        return reply;
    };

    const Deadline deadline = workflow_deadline();
    std::optional<Error> last;
    for (int attempt = 0; attempt < kStreamAttempts; ++attempt) {
        MR_CO_TRY(store::StoredStream stream, co_await store_.load(name));
        const StreamRecord& record = stream.record;
        const auto epoch = static_cast<std::int32_t>(record.current().epoch());
        if (record.has_scale()) {
            const auto created = store::to_segments(record.scale().created());
            if (stream::same_scale(wanted, store::to_ids(record.scale().sealed()), created)) {
                engine_.kick(name);
                co_return started(epoch, created);
            }
            co_return refused(pb::ScaleResponse::FAILURE, epoch, "another scale is running");
        }
        if (record.has_truncate() || record.has_update()) {
            MR_CO_TRY_VOID(co_await engine_.settled(name, deadline));
            continue;
        }
        if (busy(record) || record.state() != StreamRecord::ACTIVE) {
            co_return refused(pb::ScaleResponse::FAILURE, epoch,
                              "the stream is " + std::string{to_string(store::to_state(record.state()))});
        }

        const stream::Epoch current = store::to_epoch(record.current());
        const std::int64_t requested_ms = std::min(request.scaletimestamp(), now_ms());
        const auto outcome =
            stream::plan_scale(current, wanted, static_cast<std::size_t>(record.config().min_segments()),
                               record.next_number(), requested_ms);
        if (const auto* no = std::get_if<stream::ScaleRefused>(&outcome)) {
            co_return refused(no->refusal == stream::ScaleRefusal::kPrecondition
                                  ? pb::ScaleResponse::PRECONDITION_FAILED
                                  : pb::ScaleResponse::FAILURE,
                              epoch, no->why);
        }
        const auto& plan = std::get<stream::ScalePlan>(outcome);
        if (plan.next.segments.size() > max_segments(name)) {
            co_return refused(pb::ScaleResponse::FAILURE, epoch, too_many(name, plan.next.segments.size()));
        }
        StreamRecord now = record;
        store::begin_scale(now, plan);
        const Result<void> stored = co_await store_.update(name, std::move(stream), std::move(now), Intent::kBegins);
        if (stored) {
            MR_LOG_INFO("scale started", {"stream", name.to_string()}, {"epoch", epoch}, {"sealed", plan.sealed.size()},
                        {"created", plan.created.size()});
            engine_.kick(name);
            co_return started(epoch, plan.created);
        }
        if (!decide_again(stored.error())) co_return stored.error();
        last = stored.error();
    }
    co_return gave_up(name, last);
}

Task<Result<pb::ScaleStatusResponse>> Service::check_scale(pb::ScaleStatusRequest request) {
    pb::ScaleStatusResponse reply;
    const Result<StreamName> name = to_name(request.streaminfo());
    if (!name) {
        reply.set_status(pb::ScaleStatusResponse::INVALID_INPUT);
        co_return reply;
    }
    const Result<store::StoredStream> stream = co_await store_.load(*name);
    if (!stream) {
        reply.set_status(stream.error().is(ErrorCode::kNotFound) ? pb::ScaleStatusResponse::INVALID_INPUT
                                                                 : pb::ScaleStatusResponse::INTERNAL_ERROR);
        co_return reply;
    }
    const StreamRecord& record = stream->record;
    std::optional<StreamEpoch> transition;
    if (record.has_scale()) transition = StreamEpoch{static_cast<std::int32_t>(record.current().epoch()) + 1};
    switch (stream::scale_status(request.epoch(), StreamEpoch{static_cast<std::int32_t>(record.current().epoch())},
                                 StreamEpoch{static_cast<std::int32_t>(record.current().reference_epoch())},
                                 store::to_state(record.state()), transition)) {
        case stream::ScaleStatus::kInProgress:
            reply.set_status(pb::ScaleStatusResponse::IN_PROGRESS);
            break;
        case stream::ScaleStatus::kSuccess:
            reply.set_status(pb::ScaleStatusResponse::SUCCESS);
            break;
        case stream::ScaleStatus::kInvalidInput:
            reply.set_status(pb::ScaleStatusResponse::INVALID_INPUT);
            break;
    }
    co_return reply;
}

}  // namespace millrace::controller::service
