// SPDX-License-Identifier: Apache-2.0
//
// Reader groups: a configuration that their readers share, and a stream for their state. A group and its stream are
// made in one transaction and deleted by one workflow, that of the stream.
#include <limits>
#include <set>

#include "common/telemetry/log.h"
#include "controller/service/decisions.h"
#include "controller/service/service.h"
#include "controller/service/uuid.h"
#include "controller/store/records.h"
#include "controller/stream/companions.h"

namespace millrace::controller::service {

namespace {

using records::ReaderGroupConfigRecord;
using records::ReaderGroupRecord;
using stream::ReaderGroupName;

// Of a piece of the state stream in long-term storage: readers need its tail only.
constexpr std::int64_t kStateRolloverBytes = 4 * 1024 * 1024;
// Two configurations, and all of a stream's record, fit a value of the metadata store.
constexpr std::size_t kGroupConfigBytesMax = 200 * 1024;

Error bad_group(const std::string& why) { return {ErrorCode::kInvalidArgument, "reader group: " + why}; }

Result<void> add_positions(const google::protobuf::RepeatedPtrField<pb::StreamCut>& cuts,
                           google::protobuf::RepeatedPtrField<records::StreamPositionRecord>& positions) {
    std::set<StreamName> seen;
    for (const pb::StreamCut& cut : cuts) {
        MR_TRY(const StreamName name, to_name(cut.streaminfo()));
        if (!seen.insert(name).second) return bad_group("it has two stream cuts of " + name.to_string());
        records::StreamPositionRecord& position = *positions.Add();
        position.set_scope(name.scope);
        position.set_stream(name.stream);
        *position.mutable_cut() = to_cut(cut.cut());
    }
    return ok();
}

Result<ReaderGroupConfigRecord> to_group_config(const pb::ReaderGroupConfiguration& config) {
    if (!pb::ReaderGroupConfiguration::RetentionType_IsValid(config.retentiontype())) {
        return bad_group("retentionType " + std::to_string(config.retentiontype()) + " is not known");
    }
    if (config.grouprefreshtimemillis() < 0) return bad_group("groupRefreshTimeMillis cannot be negative");
    if (config.automaticcheckpointintervalmillis() < -1)
        return bad_group("automaticCheckpointIntervalMillis is less than -1");
    if (config.maxoutstandingcheckpointrequest() < 1)
        return bad_group("maxOutstandingCheckpointRequest is less than 1");
    if (config.rolloversizebytes() < 0) return bad_group("rolloverSizeBytes cannot be negative");
    if (config.startingstreamcuts().empty()) return bad_group("it reads no stream");
    ReaderGroupConfigRecord record;
    record.set_group_refresh_ms(config.grouprefreshtimemillis());
    record.set_automatic_checkpoint_ms(config.automaticcheckpointintervalmillis());
    record.set_max_outstanding_checkpoints(config.maxoutstandingcheckpointrequest());
    record.set_retention_type(static_cast<std::uint32_t>(config.retentiontype()));
    record.set_rollover_bytes(config.rolloversizebytes());
    MR_TRY_VOID(add_positions(config.startingstreamcuts(), *record.mutable_starting()));
    MR_TRY_VOID(add_positions(config.endingstreamcuts(), *record.mutable_ending()));
    if (record.ByteSizeLong() > kGroupConfigBytesMax) {
        return bad_group("its configuration has " + std::to_string(record.ByteSizeLong()) + " bytes; at most " +
                         std::to_string(kGroupConfigBytesMax));
    }
    return record;
}

pb::StreamCut from_position(const records::StreamPositionRecord& position) {
    pb::StreamCut cut;
    *cut.mutable_streaminfo() = to_info({position.scope(), position.stream()});
    const int named = std::min(position.cut().segments_size(), position.cut().offsets_size());
    for (int i = 0; i < named; ++i) (*cut.mutable_cut())[position.cut().segments(i)] = position.cut().offsets(i);
    return cut;  // also an empty one: clients compare what they gave with what they get
}

Result<pb::ReaderGroupConfiguration> from_group(const ReaderGroupName& name, const ReaderGroupRecord& record) {
    if (record.id().size() != kUuidBytes) {
        return Error{ErrorCode::kCorrupt, "the record of reader group '" + name.to_string() + "' has no id"};
    }
    const ReaderGroupConfigRecord& stored = record.config();
    pb::ReaderGroupConfiguration config;
    config.set_scope(name.scope);
    config.set_readergroupname(name.group);
    config.set_grouprefreshtimemillis(stored.group_refresh_ms());
    config.set_automaticcheckpointintervalmillis(stored.automatic_checkpoint_ms());
    config.set_maxoutstandingcheckpointrequest(stored.max_outstanding_checkpoints());
    config.set_retentiontype(static_cast<std::int32_t>(stored.retention_type()));
    config.set_generation(record.generation());
    config.set_readergroupid(uuid_text(record.id()));
    for (const auto& position : stored.starting()) *config.add_startingstreamcuts() = from_position(position);
    for (const auto& position : stored.ending()) *config.add_endingstreamcuts() = from_position(position);
    config.set_rolloversizebytes(stored.rollover_bytes());
    return config;
}

bool legal(const ReaderGroupName& name) {
    return check_internal_name("scope", name.scope).ok() && check_user_name("reader group", name.group).ok();
}

Error no_uuid(const std::string& text) { return bad_group("its id '" + text.substr(0, 80) + "' is no UUID"); }

}  // namespace

// ---- Create ----

Task<Result<pb::CreateReaderGroupResponse>> Service::create_reader_group(pb::ReaderGroupConfiguration request) {
    pb::CreateReaderGroupResponse reply;
    const ReaderGroupName name{request.scope(), request.readergroupname()};
    if (!check_user_name("reader group", name.group)) {
        reply.set_status(pb::CreateReaderGroupResponse::INVALID_RG_NAME);
        co_return reply;
    }
    const auto no_scope = [&reply] {
        reply.set_status(pb::CreateReaderGroupResponse::SCOPE_NOT_FOUND);
        return reply;
    };
    if (!check_internal_name("scope", name.scope)) co_return no_scope();
    ReaderGroupRecord record;
    MR_CO_TRY(*record.mutable_config(), to_group_config(request));
    const std::string none(kUuidBytes, '\0');
    const std::optional<std::string> id = request.readergroupid().empty() ? none : parse_uuid(request.readergroupid());
    if (!id) co_return no_uuid(request.readergroupid());
    if (request.generation() < -1 || request.generation() == std::numeric_limits<std::int64_t>::max()) {
        co_return bad_group("generation " + std::to_string(request.generation()) + " cannot be");
    }
    record.set_id(*id);
    record.set_generation(request.generation());
    if (*id == none) {  // the client leaves it to us
        record.set_id(random_uuid(runtime_.random));
        record.set_generation(0);
    }
    records::ConfigRecord state_config;
    state_config.set_min_segments(1);
    state_config.set_rollover_bytes(kStateRolloverBytes);
    const StreamRecord new_state = new_stream(state_config);
    const StreamName state_name = stream::state_of(name);

    const Deadline deadline = workflow_deadline();
    std::optional<Error> last;
    for (int attempt = 0; attempt < kStreamAttempts; ++attempt) {
        const Result<store::StoredReaderGroup> group = co_await store_.reader_group(name);
        if (!group && !group.error().is(ErrorCode::kNotFound)) co_return group.error();
        Result<store::StoredStream> state = co_await store_.load(state_name);
        if (!state && !state.error().is(ErrorCode::kNotFound)) co_return std::move(state).error();
        if (state && (state->record.state() == StreamRecord::CREATING || state->record.has_remove())) {
            MR_CO_TRY_VOID(co_await engine_.settled(state_name, deadline));
            continue;
        }
        if (group) {
            MR_CO_TRY(*reply.mutable_config(), from_group(name, group->record));
            reply.set_status(pb::CreateReaderGroupResponse::SUCCESS);
            co_return reply;
        }
        const Result<void> made = state ? co_await store_.adopt_reader_group(name, record, std::move(*state))
                                        : co_await store_.create_reader_group(name, record, new_state);
        if (!made && made.error().is(ErrorCode::kNotFound)) co_return no_scope();
        if (!made && !made.error().is(ErrorCode::kAlreadyExists) && !decide_again(made.error())) co_return made.error();
        if (made)
            MR_LOG_INFO("reader group created", {"group", name.to_string()});
        else
            last = made.error();
        // Then it is there, and its stream is being made.
    }
    co_return gave_up(state_name, last);
}

// ---- Get and update ----

Task<Result<pb::ReaderGroupConfigResponse>> Service::get_reader_group_config(pb::ReaderGroupInfo request) {
    pb::ReaderGroupConfigResponse reply;
    reply.mutable_config();  // also when there is none: clients look into it
    const ReaderGroupName name{request.scope(), request.readergroup()};
    if (!legal(name)) {
        reply.set_status(pb::ReaderGroupConfigResponse::RG_NOT_FOUND);
        co_return reply;
    }
    const Result<store::StoredReaderGroup> group = co_await store_.reader_group(name);
    if (!group && !group.error().is(ErrorCode::kNotFound)) co_return group.error();
    if (group) {
        MR_CO_TRY(*reply.mutable_config(), from_group(name, group->record));
    }
    reply.set_status(group ? pb::ReaderGroupConfigResponse::SUCCESS : pb::ReaderGroupConfigResponse::RG_NOT_FOUND);
    co_return reply;
}

Task<Result<pb::UpdateReaderGroupResponse>> Service::update_reader_group(pb::ReaderGroupConfiguration request) {
    pb::UpdateReaderGroupResponse reply;
    const auto answer = [&reply](pb::UpdateReaderGroupResponse::Status status, std::int64_t generation) {
        reply.set_status(status);
        reply.set_generation(generation);
        return reply;
    };
    const ReaderGroupName name{request.scope(), request.readergroupname()};
    if (!legal(name)) co_return answer(pb::UpdateReaderGroupResponse::RG_NOT_FOUND, request.generation());
    MR_CO_TRY(const ReaderGroupConfigRecord config, to_group_config(request));
    const std::optional<std::string> id = parse_uuid(request.readergroupid());
    if (!id) co_return no_uuid(request.readergroupid());

    std::optional<Error> last;
    for (int attempt = 0; attempt < kStreamAttempts; ++attempt) {
        Result<store::StoredReaderGroup> group = co_await store_.reader_group(name);
        if (!group) {
            if (!group.error().is(ErrorCode::kNotFound)) co_return std::move(group).error();
            co_return answer(pb::UpdateReaderGroupResponse::RG_NOT_FOUND, request.generation());
        }
        const std::int64_t generation = group->record.generation();
        const bool ours = group->record.id() == *id;
        // An earlier try of this call may have made the change and lost its answer.
        if (ours && generation > request.generation() && generation - 1 == request.generation() &&
            group->record.config().SerializeAsString() == config.SerializeAsString()) {
            co_return answer(pb::UpdateReaderGroupResponse::SUCCESS, generation);
        }
        if (!ours || generation != request.generation() || generation == std::numeric_limits<std::int64_t>::max()) {
            co_return answer(pb::UpdateReaderGroupResponse::INVALID_CONFIG, request.generation());
        }
        ReaderGroupRecord now = group->record;
        *now.mutable_config() = config;
        now.set_generation(generation + 1);
        const Result<void> updated = co_await store_.update_reader_group(name, std::move(*group), std::move(now));
        if (updated) {
            MR_LOG_INFO("reader group updated", {"group", name.to_string()}, {"generation", generation + 1});
            co_return answer(pb::UpdateReaderGroupResponse::SUCCESS, generation + 1);
        }
        if (!decide_again(updated.error())) co_return updated.error();
        last = updated.error();
    }
    co_return gave_up(stream::state_of(name), last);
}

// ---- Delete ----

Task<Result<pb::DeleteReaderGroupStatus>> Service::delete_reader_group(pb::ReaderGroupInfo request) {
    pb::DeleteReaderGroupStatus reply;
    const auto answer = [&reply](pb::DeleteReaderGroupStatus::Status status) {
        reply.set_status(status);
        return reply;
    };
    const ReaderGroupName name{request.scope(), request.readergroup()};
    if (!legal(name)) co_return answer(pb::DeleteReaderGroupStatus::RG_NOT_FOUND);
    const std::optional<std::string> id = parse_uuid(request.readergroupid());
    if (!id) co_return no_uuid(request.readergroupid());
    const StreamName state_name = stream::state_of(name);

    const Deadline deadline = workflow_deadline();
    bool begun = false;  // this call saw it go
    std::optional<Error> last;
    for (int attempt = 0; attempt < kStreamAttempts; ++attempt) {
        Result<store::StoredReaderGroup> group = co_await store_.reader_group(name);
        if (!group && !group.error().is(ErrorCode::kNotFound)) co_return std::move(group).error();
        if (!group || group->record.id() != *id) {
            co_return answer(begun ? pb::DeleteReaderGroupStatus::SUCCESS : pb::DeleteReaderGroupStatus::RG_NOT_FOUND);
        }
        Result<store::StoredStream> state = co_await store_.load(state_name);
        if (!state && !state.error().is(ErrorCode::kNotFound)) co_return std::move(state).error();
        if (state && !store::may_begin_removal(state->record)) {
            begun = begun || state->record.remove().with_reader_group();
            MR_CO_TRY_VOID(co_await engine_.settled(state_name, deadline));
            continue;
        }
        Result<void> stored;
        if (state) {
            StreamRecord now = state->record;
            const Intent intent = now.state() == StreamRecord::CREATING ? Intent::kAsItIs : Intent::kBegins;
            store::begin_removal(now);
            now.mutable_remove()->set_with_reader_group(true);
            stored = co_await store_.update(state_name, std::move(*state), std::move(now), intent);
        } else {
            // Somebody deleted its stream before it.
            stored = co_await store_.remove_reader_group(name, std::move(*group));
        }
        if (!stored) {
            if (!decide_again(stored.error())) co_return stored.error();
            last = stored.error();
            continue;
        }
        begun = true;
        MR_LOG_INFO("reader group is being deleted", {"group", name.to_string()});
    }
    co_return gave_up(state_name, last);
}

}  // namespace millrace::controller::service
