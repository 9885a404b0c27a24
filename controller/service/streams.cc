// SPDX-License-Identifier: Apache-2.0
//
// The life of a stream: create, scale, seal, delete.
#include "controller/service/service.h"

#include <algorithm>
#include <set>

#include "common/telemetry/log.h"
#include "controller/store/records.h"
#include "controller/stream/scale.h"

namespace millrace::controller::service {

namespace {

using records::StreamRecord;
using Intent = store::StreamStore::Intent;

// How often a decision is taken again because the record changed.
constexpr int kStreamAttempts = 16;

// Never after a change of unknown fate: it may have been made, and undone by somebody else.
bool decide_again(const Error& error) {
    return error.fate() != Fate::kUnknown && (error.is(ErrorCode::kVersionMismatch) || error.is(ErrorCode::kNotFound));
}

Error gave_up(const StreamName& name, const std::optional<Error>& last) {
    std::string detail = "stream '" + name.to_string() + "' could not be changed";
    if (last) detail += ": " + last->to_string();
    return {ErrorCode::kUnavailable, std::move(detail), Fate::kUnknown};
}

std::string too_many(const StreamName& name, std::size_t segments) {
    return "stream '" + name.to_string() + "' would have " + std::to_string(segments) +
           " segments; lists of more than " + std::to_string(max_segments(name)) +
           " do not fit a reply with names this long";
}

bool busy(const StreamRecord& record) {
    return record.state() == StreamRecord::CREATING || record.intent_case() != StreamRecord::INTENT_NOT_SET;
}

}  // namespace

// ---- Create ----

Task<Result<pb::CreateStreamStatus>> Service::create_stream(pb::StreamConfig request) {
    pb::CreateStreamStatus reply;
    const auto answer = [&reply](pb::CreateStreamStatus::Status status) {
        reply.set_status(status);
        return reply;
    };
    const StreamName name{request.streaminfo().scope(), request.streaminfo().stream()};
    if (!check_internal_name("stream", name.stream)) co_return answer(pb::CreateStreamStatus::INVALID_STREAM_NAME);
    if (!check_internal_name("scope", name.scope)) co_return answer(pb::CreateStreamStatus::SCOPE_NOT_FOUND);
    MR_CO_TRY(const records::ConfigRecord config, to_config(request));
    const auto segments = static_cast<std::size_t>(config.min_segments());
    if (segments > max_segments(name)) {
        co_return Error{ErrorCode::kInvalidArgument, too_many(name, segments)};
    }

    const Deadline deadline = workflow_deadline();
    StreamRecord record;
    record.set_state(StreamRecord::CREATING);
    record.set_created_ms(now_ms());
    record.set_nonce(runtime_.random.next());
    *record.mutable_config() = config;

    std::optional<Error> last;
    for (int attempt = 0; attempt < kStreamAttempts; ++attempt) {
        const Result<void> created = co_await store_.create(name, record, segments);
        if (created) {
            MR_CO_TRY_VOID(co_await engine_.settled(name, deadline));
            MR_LOG_INFO("stream created", {"stream", name.to_string()}, {"segments", segments});
            co_return answer(pb::CreateStreamStatus::SUCCESS);
        }
        if (created.error().is(ErrorCode::kNotFound)) co_return answer(pb::CreateStreamStatus::SCOPE_NOT_FOUND);
        last = created.error();
        if (!created.error().is(ErrorCode::kAlreadyExists)) {
            if (!decide_again(created.error())) co_return created.error();
            continue;
        }
        const Result<store::StoredStream> stored = co_await store_.load(name);
        if (!stored) {
            if (!stored.error().is(ErrorCode::kNotFound)) co_return stored.error();
            continue;  // deleted meanwhile
        }
        if (stored->record.state() != StreamRecord::CREATING && !stored->record.has_remove()) {
            co_return answer(pb::CreateStreamStatus::STREAM_EXISTS);
        }
        // Half-made ones are completed before anybody is told that they exist; and while one is being
        // deleted, its name is taken.
        MR_CO_TRY_VOID(co_await engine_.settled(name, deadline));
    }
    co_return gave_up(name, last);
}

// ---- Seal ----

Task<Result<pb::UpdateStreamStatus>> Service::seal_stream(pb::StreamInfo request) {
    pb::UpdateStreamStatus reply;
    const auto answer = [&reply](pb::UpdateStreamStatus::Status status) {
        reply.set_status(status);
        return reply;
    };
    const Result<StreamName> checked = to_name(request);
    if (!checked) co_return answer(pb::UpdateStreamStatus::STREAM_NOT_FOUND);
    const StreamName name = *checked;

    const Deadline deadline = workflow_deadline();
    std::optional<Error> last;
    for (int attempt = 0; attempt < kStreamAttempts; ++attempt) {
        Result<store::StoredStream> stream = co_await store_.load(name);
        if (!stream) {
            if (stream.error().is(ErrorCode::kNotFound)) co_return answer(pb::UpdateStreamStatus::STREAM_NOT_FOUND);
            co_return std::move(stream).error();
        }
        if (stream->record.state() == StreamRecord::SEALED) co_return answer(pb::UpdateStreamStatus::SUCCESS);
        if (busy(stream->record)) {
            // One change at a time. A seal that is under way is ours as well.
            MR_CO_TRY_VOID(co_await engine_.settled(name, deadline));
            continue;
        }
        StreamRecord now = stream->record;
        now.set_state(StreamRecord::SEALING);
        now.mutable_seal();
        const Result<void> stored = co_await store_.update(name, std::move(*stream), std::move(now), Intent::kBegins);
        if (!stored) {
            if (!decide_again(stored.error())) co_return stored.error();
            last = stored.error();
            continue;
        }
        MR_CO_TRY_VOID(co_await engine_.settled(name, deadline));
        MR_LOG_INFO("stream sealed", {"stream", name.to_string()});
        co_return answer(pb::UpdateStreamStatus::SUCCESS);
    }
    co_return gave_up(name, last);
}

// ---- Delete ----

Task<Result<pb::DeleteStreamStatus>> Service::delete_stream(pb::StreamInfo request) {
    pb::DeleteStreamStatus reply;
    const auto answer = [&reply](pb::DeleteStreamStatus::Status status) {
        reply.set_status(status);
        return reply;
    };
    const Result<StreamName> checked = to_name(request);
    if (!checked) co_return answer(pb::DeleteStreamStatus::STREAM_NOT_FOUND);
    const StreamName name = *checked;

    const Deadline deadline = workflow_deadline();
    std::optional<std::uint64_t> being_deleted;  // the nonce of the stream that this call saw go
    std::optional<Error> last;
    for (int attempt = 0; attempt < kStreamAttempts; ++attempt) {
        Result<store::StoredStream> stream = co_await store_.load(name);
        if (!stream && !stream.error().is(ErrorCode::kNotFound)) co_return std::move(stream).error();
        if (!stream || (being_deleted && stream->record.nonce() != *being_deleted)) {
            co_return answer(being_deleted ? pb::DeleteStreamStatus::SUCCESS : pb::DeleteStreamStatus::STREAM_NOT_FOUND);
        }
        if (stream->record.has_remove()) {
            being_deleted = stream->record.nonce();
            MR_CO_TRY_VOID(co_await engine_.settled(name, deadline));
            continue;
        }
        const StreamRecord::State state = stream->record.state();
        if (state != StreamRecord::SEALED && state != StreamRecord::CREATING) {
            co_return answer(pb::DeleteStreamStatus::STREAM_NOT_SEALED);
        }
        StreamRecord now = stream->record;
        now.mutable_remove();
        // A stream that is being created is in the list of intents already.
        const Intent intent = state == StreamRecord::SEALED ? Intent::kBegins : Intent::kAsItIs;
        const std::uint64_t nonce = stream->record.nonce();
        const Result<void> stored = co_await store_.update(name, std::move(*stream), std::move(now), intent);
        if (!stored) {
            if (!decide_again(stored.error())) co_return stored.error();
            last = stored.error();
            continue;
        }
        being_deleted = nonce;
        MR_LOG_INFO("stream is being deleted", {"stream", name.to_string()});
        MR_CO_TRY_VOID(co_await engine_.settled(name, deadline));
    }
    co_return gave_up(name, last);
}

// ---- Scale ----

Task<Result<pb::ScaleResponse>> Service::scale(pb::ScaleRequest request) {
    MR_CO_TRY(const StreamName name, to_name(request.streaminfo()));
    stream::ScaleRequest wanted;
    for (const std::int64_t id : request.sealedsegments()) wanted.sealed.push_back(SegmentId{id});
    std::set<double> starts;
    for (const auto& range : request.newkeyranges()) {
        wanted.ranges.push_back(KeyRange{range.start(), range.end()});
        if (!starts.insert(range.start()).second) {
            co_return Error{ErrorCode::kInvalidArgument, "two of the new ranges begin at " + std::to_string(range.start())};
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
        if (busy(record) || record.state() != StreamRecord::ACTIVE) {
            co_return refused(pb::ScaleResponse::FAILURE, epoch,
                              "the stream is " + std::string{to_string(store::to_state(record.state()))});
        }

        const stream::Epoch current = store::to_epoch(record.current());
        const std::int64_t requested_ms = std::min(request.scaletimestamp(), now_ms());
        const auto outcome = stream::plan_scale(current, wanted, static_cast<std::size_t>(record.config().min_segments()),
                                                record.next_number(), requested_ms);
        if (const auto* no = std::get_if<stream::ScaleRefused>(&outcome)) {
            co_return refused(no->refusal == stream::ScaleRefusal::kPrecondition ? pb::ScaleResponse::PRECONDITION_FAILED
                                                                                 : pb::ScaleResponse::FAILURE,
                              epoch, no->why);
        }
        const auto& plan = std::get<stream::ScalePlan>(outcome);
        if (plan.next.segments.size() > max_segments(name)) {
            co_return refused(pb::ScaleResponse::FAILURE, epoch, too_many(name, plan.next.segments.size()));
        }
        StreamRecord now = record;
        now.set_state(StreamRecord::SCALING);
        records::ScaleIntent& intent = *now.mutable_scale();
        for (const SegmentId id : plan.sealed) intent.add_sealed(id.value);
        std::uint32_t next_number = record.next_number();
        for (const stream::Segment& segment : plan.created) {
            *intent.add_created() = store::to_record(segment);
            next_number = std::max(next_number, static_cast<std::uint32_t>(segment.id.number()) + 1);
        }
        intent.set_created_ms(plan.next.created_ms);
        now.set_next_number(next_number);
        const Result<void> stored = co_await store_.update(name, std::move(stream), std::move(now), Intent::kBegins);
        if (stored) {
            MR_LOG_INFO("scale started", {"stream", name.to_string()}, {"epoch", epoch},
                        {"sealed", plan.sealed.size()}, {"created", plan.created.size()});
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
        case stream::ScaleStatus::kInProgress: reply.set_status(pb::ScaleStatusResponse::IN_PROGRESS); break;
        case stream::ScaleStatus::kSuccess: reply.set_status(pb::ScaleStatusResponse::SUCCESS); break;
        case stream::ScaleStatus::kInvalidInput: reply.set_status(pb::ScaleStatusResponse::INVALID_INPUT); break;
    }
    co_return reply;
}

}  // namespace millrace::controller::service
