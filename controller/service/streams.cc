// SPDX-License-Identifier: Apache-2.0
//
// The life of a stream: create, update, seal, delete; and what is known of it.
#include "common/telemetry/log.h"
#include "controller/service/decisions.h"
#include "controller/service/service.h"
#include "controller/store/records.h"
#include "controller/stream/companions.h"

namespace millrace::controller::service {

// ---- Create ----

StreamRecord Service::new_stream(records::ConfigRecord config) {
    StreamRecord record;
    record.set_state(StreamRecord::CREATING);
    record.set_created_ms(now_ms());
    record.set_nonce(runtime_.random.next());
    *record.mutable_config() = std::move(config);
    return record;
}

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
    const StreamRecord record = new_stream(config);

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

// ---- Update ----

Task<Result<pb::UpdateStreamStatus>> Service::update_stream(pb::StreamConfig request) {
    pb::UpdateStreamStatus reply;
    const auto answer = [&reply](pb::UpdateStreamStatus::Status status) {
        reply.set_status(status);
        return reply;
    };
    const Result<StreamName> checked = to_name(request.streaminfo());
    if (!checked) co_return answer(pb::UpdateStreamStatus::STREAM_NOT_FOUND);
    const StreamName name = *checked;
    MR_CO_TRY(const records::ConfigRecord config, to_config(request));
    const auto segments = static_cast<std::size_t>(config.min_segments());
    if (segments > max_segments(name)) co_return Error{ErrorCode::kInvalidArgument, too_many(name, segments)};

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
        const bool same = record.config().SerializeAsString() == config.SerializeAsString();
        if (record.has_update() && !same) co_return answer(pb::UpdateStreamStatus::FAILURE);
        if (busy(record)) {
            // Also the very same update, which an earlier try may have begun.
            MR_CO_TRY_VOID(co_await engine_.settled(name, deadline));
            continue;
        }
        StreamRecord now = record;
        *now.mutable_config() = config;
        const bool fits = store::fits_config(now);
        if (same && fits) co_return answer(pb::UpdateStreamStatus::SUCCESS);
        if (!fits && record.current().epoch() >= static_cast<std::uint32_t>(stream::kMaxEpoch)) {
            co_return answer(pb::UpdateStreamStatus::FAILURE);  // the scale that it takes has no place in the history
        }
        now.set_state(StreamRecord::UPDATING);
        now.mutable_update();
        MR_CO_TRY(const bool done, co_await carry_out(name, std::move(*stream), std::move(now), deadline, last));
        if (!done) continue;
        MR_LOG_INFO("stream updated", {"stream", name.to_string()});
        co_return answer(pb::UpdateStreamStatus::SUCCESS);
    }
    co_return gave_up(name, last);
}

Task<Result<bool>> Service::carry_out(StreamName name, store::StoredStream was, StreamRecord now, Deadline deadline,
                                      std::optional<Error>& last) {
    const Result<void> stored = co_await store_.update(name, std::move(was), std::move(now), Intent::kBegins);
    if (!stored) {
        if (!decide_again(stored.error())) co_return stored.error();
        last = stored.error();
        co_return false;
    }
    MR_CO_TRY_VOID(co_await engine_.settled(name, deadline));
    co_return true;
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
        MR_CO_TRY(const bool done, co_await carry_out(name, std::move(*stream), std::move(now), deadline, last));
        if (!done) continue;
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
        store::begin_removal(now);
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

// ---- Questions ----

Task<Result<pb::ExistsResponse>> Service::check_stream_exists(pb::StreamInfo request) {
    pb::ExistsResponse reply;
    const Result<StreamName> name = to_name(request);
    if (!name) co_return reply;
    Result<store::StoredStream> stream = co_await store_.load(*name);
    // Marks are as good as there.
    const std::optional<StreamName> marked = stream::marked_by(*name);
    if (!stream && stream.error().is(ErrorCode::kNotFound) && marked) stream = co_await store_.load(*marked);
    if (!stream && !stream.error().is(ErrorCode::kNotFound)) co_return stream.error();
    reply.set_exists(stream.ok());
    co_return reply;
}

Task<Result<pb::StreamConfig>> Service::get_stream_configuration(pb::StreamInfo request) {
    MR_CO_TRY(const StreamName name, to_name(request));
    MR_CO_TRY(const store::StoredStream stream, co_await existing(name));
    co_return from_config(name, stream.record.config());
}

}  // namespace millrace::controller::service
