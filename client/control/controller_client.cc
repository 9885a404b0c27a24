// SPDX-License-Identifier: Apache-2.0
//
// Controller calls: protobuf in and out, statuses to errors, retries. The only file of the client
// that includes protobuf's headers.
#include "client/control/controller_client.h"

#include <algorithm>
#include <utility>

#include "client/segment/retry.h"
#include "proto/controller/controller.pb.h"
#include "proto/controller/methods.h"

namespace millrace::client {

namespace {

namespace pb = io::pravega::controller::stream::api::grpc::v1;

// Errors other than "cannot be reached" are not worth more.
constexpr int kAttemptsMax = 10;
constexpr std::size_t kNamesMax = 10'000'000;

pb::StreamInfo info_of(const StreamName& stream) {
    pb::StreamInfo info;
    info.set_scope(stream.scope);
    info.set_stream(stream.stream);
    info.set_accessoperation(pb::StreamInfo::NONE);
    return info;
}

pb::SegmentId id_of(const StreamName& stream, SegmentId segment) {
    pb::SegmentId id;
    *id.mutable_streaminfo() = info_of(stream);
    id.set_segmentid(segment.value);
    return id;
}

SegmentRange range_of(const pb::SegmentRange& range) {
    return {SegmentId{range.segmentid().segmentid()}, KeyRange{range.minkey(), range.maxkey()}};
}

void put_config(const StreamConfig& config, pb::StreamConfig& into) {
    pb::ScalingPolicy& scaling = *into.mutable_scalingpolicy();
    scaling.set_minnumsegments(config.min_segments);
    switch (config.scaling.by) {
        case ScalingPolicy::By::kHand: scaling.set_scaletype(pb::ScalingPolicy::FIXED_NUM_SEGMENTS); break;
        case ScalingPolicy::By::kEvents: scaling.set_scaletype(pb::ScalingPolicy::BY_RATE_IN_EVENTS_PER_SEC); break;
        case ScalingPolicy::By::kKibibytes: scaling.set_scaletype(pb::ScalingPolicy::BY_RATE_IN_KBYTES_PER_SEC); break;
    }
    scaling.set_targetrate(config.scaling.target_rate);
    scaling.set_scalefactor(config.scaling.split_max);
    into.clear_retentionpolicy();
    if (config.retention.by == RetentionPolicy::By::kNothing) return;
    pb::RetentionPolicy& retention = *into.mutable_retentionpolicy();
    retention.set_retentiontype(config.retention.by == RetentionPolicy::By::kBytes ? pb::RetentionPolicy::SIZE
                                                                                  : pb::RetentionPolicy::TIME);
    retention.set_retentionparam(config.retention.least);
    retention.set_retentionmax(config.retention.most);
}

// A policy of a kind that is not known here is shown as none.
StreamConfig config_of(const pb::StreamConfig& from) {
    StreamConfig config;
    const pb::ScalingPolicy& scaling = from.scalingpolicy();
    config.min_segments = scaling.minnumsegments();
    if (scaling.scaletype() == pb::ScalingPolicy::BY_RATE_IN_EVENTS_PER_SEC) config.scaling.by = ScalingPolicy::By::kEvents;
    if (scaling.scaletype() == pb::ScalingPolicy::BY_RATE_IN_KBYTES_PER_SEC) config.scaling.by = ScalingPolicy::By::kKibibytes;
    if (config.scaling.by != ScalingPolicy::By::kHand) {
        config.scaling.target_rate = scaling.targetrate();
        config.scaling.split_max = scaling.scalefactor();
    }
    const pb::RetentionPolicy& retention = from.retentionpolicy();
    if (retention.retentiontype() == pb::RetentionPolicy::SIZE) config.retention.by = RetentionPolicy::By::kBytes;
    if (retention.retentiontype() == pb::RetentionPolicy::TIME) config.retention.by = RetentionPolicy::By::kMilliseconds;
    if (config.retention.by != RetentionPolicy::By::kNothing) {
        config.retention.least = retention.retentionparam();
        config.retention.most = retention.retentionmax();
    }
    return config;
}

Error no_such_scope(const std::string& scope) {
    return Error{ErrorCode::kNotFound, "scope " + scope + " does not exist"};
}
Error no_such_stream(const StreamName& stream) {
    return Error{ErrorCode::kNotFound, "stream " + stream.to_string() + " does not exist"};
}
// By key; an error unless they tile the key space. None is fine.
Result<std::vector<SegmentRange>> tiling(const pb::SegmentRanges& reply, const std::string& controller,
                                         const StreamName& stream) {
    std::vector<SegmentRange> segments;
    for (const pb::SegmentRange& range : reply.segmentranges()) segments.push_back(range_of(range));
    std::sort(segments.begin(), segments.end(),
              [](const SegmentRange& a, const SegmentRange& b) { return a.range < b.range; });
    double end = 0.0;
    for (const SegmentRange& segment : segments) {
        if (segment.range.low != end || !(segment.range.high > segment.range.low)) break;
        end = segment.range.high;
    }
    if (!segments.empty() && (end != 1.0 || segments.back().range.high != 1.0)) {
        return Error{ErrorCode::kInternal, "the segments that controller " + controller + " names for stream " +
                                               stream.to_string() + " do not cover the key space without gaps"};
    }
    return segments;
}

// Only workflows change something.
bool changes(Patience patience) { return patience.reply.count() > 0; }

Error not_offered(const std::string& controller, std::string_view call, const Error& answer) {
    return Error{ErrorCode::kUnsupported, "controller " + controller + " does not offer " + std::string{call} +
                                              "; is it one, and of a version that fits?" +
                                              (answer.detail().empty() ? "" : " It answered: " + answer.detail())};
}

Error refused(std::string_view what, int status) {
    return Error{ErrorCode::kInternal, "the controller failed to " + std::string{what} + " (status " +
                                           std::to_string(status) + "); try again"};
}

}  // namespace

ControllerClient::ControllerClient(Runtime runtime, std::unique_ptr<rpc::Channel> channel, Endpoint address,
                                   std::chrono::nanoseconds connect_timeout)
    : runtime_{runtime},
      channel_{std::move(channel)},
      address_{address.to_string()},
      connect_timeout_{connect_timeout} {}

Patience ControllerClient::briefly() const {
    return {std::min<std::chrono::nanoseconds>(connect_timeout_, std::chrono::milliseconds{200}),
            std::min<std::chrono::nanoseconds>(connect_timeout_, std::chrono::seconds{5})};
}

Task<Result<std::string>> ControllerClient::invoke(std::string_view name, std::string body, Patience patience) {
    const MonotonicTime end = runtime_.clock.now() + patience.tries;
    const Deadline reply_by{end + patience.reply};
    const std::string method = proto::controller_method(name);
    Backoff backoff;
    Fate fate = Fate::kNotApplied;  // of all attempts together
    for (int attempt = 1;; ++attempt) {
        auto reply = co_await channel_->call(method, body, reply_by);
        if (!reply && reply.error().fate() == Fate::kUnknown) fate = Fate::kUnknown;
        if (!reply && reply.error().is(ErrorCode::kUnsupported)) co_return not_offered(address_, name, reply.error());
        if (reply || !may_pass(reply.error()) || reply.error().is(ErrorCode::kCancelled)) co_return reply;
        const bool unreachable = reply.error().is(ErrorCode::kUnavailable);
        const auto pause = backoff.next();
        const bool late = runtime_.clock.now() + pause >= end;
        if (late || (!unreachable && attempt >= kAttemptsMax)) {
            if (unreachable || (reply.error().is(ErrorCode::kTimedOut) && reply_by.passed(runtime_.clock))) {
                co_return Error{ErrorCode::kUnavailable,
                                "controller " + address_ + " could not be reached for " +
                                    spell_duration(patience.tries + (unreachable ? std::chrono::nanoseconds{0} : patience.reply)) +
                                    ": " + reply.error().detail() +
                                    (fate == Fate::kUnknown && changes(patience) ? "; it may have been carried out all the same" : ""),
                                fate};
            }
            co_return std::move(reply).error().while_doing("controller " + address_);
        }
        co_await sleep_for(runtime_.clock, pause);
    }
}

template <class Reply, class Ask>
Task<Result<Reply>> ControllerClient::ask(std::string_view name, Ask request, Patience patience) {
    auto body = co_await invoke(name, request.SerializeAsString(), patience);
    if (!body) co_return std::move(body).error();
    Reply reply;
    if (!reply.ParseFromString(*body)) {
        co_return Error{ErrorCode::kBadRequest,
                        "controller " + address_ + " answered " + std::string{name} + " with bytes that are no reply",
                        Fate::kUnknown};
    }
    co_return reply;
}

template <class Reply, class Ask>
Task<Result<Reply>> ControllerClient::ask_about(StreamName stream, std::string_view name, Ask request,
                                                Patience patience) {
    auto reply = co_await ask<Reply>(name, std::move(request), patience);
    if (!reply && reply.error().is(ErrorCode::kNotFound)) co_return no_such_stream(stream);
    co_return reply;
}

Task<Result<bool>> ControllerClient::create_scope(std::string scope) {
    pb::ScopeInfo request;
    request.set_scope(scope);
    MR_CO_TRY(auto reply, co_await ask<pb::CreateScopeStatus>("createScope", std::move(request), for_workflow()));
    switch (reply.status()) {
        case pb::CreateScopeStatus::SUCCESS: co_return true;
        case pb::CreateScopeStatus::SCOPE_EXISTS: co_return false;
        case pb::CreateScopeStatus::INVALID_SCOPE_NAME:
            co_return Error{ErrorCode::kInvalidArgument, "'" + scope + "' is not a legal scope name"};
        default: co_return refused("create scope " + scope, reply.status());
    }
}

Task<Result<void>> ControllerClient::delete_scope(std::string scope) {
    pb::ScopeInfo request;
    request.set_scope(scope);
    MR_CO_TRY(auto reply, co_await ask<pb::DeleteScopeStatus>("deleteScope", std::move(request), for_workflow()));
    switch (reply.status()) {
        case pb::DeleteScopeStatus::SUCCESS: co_return ok();
        case pb::DeleteScopeStatus::SCOPE_NOT_FOUND: co_return no_such_scope(scope);
        case pb::DeleteScopeStatus::SCOPE_NOT_EMPTY:
            co_return Error{ErrorCode::kFailedPrecondition, "scope " + scope + " is not empty; delete what is in it before"};
        default: co_return refused("delete scope " + scope, reply.status());
    }
}

Task<Result<std::vector<std::string>>> ControllerClient::list_scopes() {
    std::vector<std::string> names;
    std::string token;
    while (names.size() < kNamesMax) {
        pb::ScopesRequest request;
        request.mutable_continuationtoken()->set_token(token);
        MR_CO_TRY(auto page, co_await ask<pb::ScopesResponse>("listScopes", std::move(request), normally()));
        if (page.scopes().empty()) break;
        names.insert(names.end(), page.scopes().begin(), page.scopes().end());
        token = page.continuationtoken().token();
    }
    co_return names;
}

Task<Result<bool>> ControllerClient::create_stream(StreamName stream, StreamConfig config) {
    pb::StreamConfig request;
    *request.mutable_streaminfo() = info_of(stream);
    put_config(config, request);
    MR_CO_TRY(auto reply, co_await ask<pb::CreateStreamStatus>("createStream", std::move(request), for_workflow()));
    switch (reply.status()) {
        case pb::CreateStreamStatus::SUCCESS: co_return true;
        case pb::CreateStreamStatus::STREAM_EXISTS: co_return false;
        case pb::CreateStreamStatus::SCOPE_NOT_FOUND: co_return no_such_scope(stream.scope);
        case pb::CreateStreamStatus::INVALID_STREAM_NAME:
            co_return Error{ErrorCode::kInvalidArgument, "'" + stream.stream + "' is not a legal stream name"};
        default: co_return refused("create stream " + stream.to_string(), reply.status());
    }
}

Task<Result<std::vector<std::string>>> ControllerClient::list_streams(std::string scope) {
    std::vector<std::string> names;
    std::string token;
    while (names.size() < kNamesMax) {
        pb::StreamsInScopeRequest request;
        request.mutable_scope()->set_scope(scope);
        request.mutable_continuationtoken()->set_token(token);
        auto page = co_await ask<pb::StreamsInScopeResponse>("listStreamsInScope", std::move(request), normally());
        if (!page) {
            if (page.error().is(ErrorCode::kNotFound)) co_return no_such_scope(scope);
            co_return std::move(page).error();
        }
        if (page->status() == pb::StreamsInScopeResponse::SCOPE_NOT_FOUND) co_return no_such_scope(scope);
        if (page->status() != pb::StreamsInScopeResponse::SUCCESS) {
            co_return refused("list the streams of " + scope, page->status());
        }
        if (page->streams().empty()) break;
        for (const pb::StreamInfo& stream : page->streams()) names.push_back(stream.stream());
        token = page->continuationtoken().token();
    }
    co_return names;
}

Task<Result<StreamConfig>> ControllerClient::configuration(StreamName stream) {
    MR_CO_TRY(const auto reply,
              co_await ask_about<pb::StreamConfig>(stream, "getStreamConfiguration", info_of(stream), normally()));
    co_return config_of(reply);
}

Task<Result<void>> ControllerClient::update_configuration(StreamName stream, StreamConfig config) {
    MR_CO_TRY(auto request,
              co_await ask_about<pb::StreamConfig>(stream, "getStreamConfiguration", info_of(stream), normally()));
    *request.mutable_streaminfo() = info_of(stream);
    put_config(config, request);
    MR_CO_TRY(const auto reply,
              co_await ask_about<pb::UpdateStreamStatus>(stream, "updateStream", std::move(request), for_workflow()));
    switch (reply.status()) {
        case pb::UpdateStreamStatus::SUCCESS: co_return ok();
        case pb::UpdateStreamStatus::STREAM_NOT_FOUND:
        case pb::UpdateStreamStatus::SCOPE_NOT_FOUND: co_return no_such_stream(stream);
        case pb::UpdateStreamStatus::STREAM_SEALED:
            co_return Error{ErrorCode::kSealed, "stream " + stream.to_string() + " is sealed; its configuration stays as it is"};
        default:
            co_return Error{ErrorCode::kFailedPrecondition, "the configuration of stream " + stream.to_string() +
                                                                " cannot be changed now: somebody else is changing it"};
    }
}

Task<Result<void>> ControllerClient::truncate(StreamName stream, std::map<SegmentId, std::int64_t> cut) {
    pb::StreamCut request;
    *request.mutable_streaminfo() = info_of(stream);
    for (const auto& [segment, offset] : cut) (*request.mutable_cut())[segment.value] = offset;
    MR_CO_TRY(const auto reply,
              co_await ask_about<pb::UpdateStreamStatus>(stream, "truncateStream", std::move(request), for_workflow()));
    switch (reply.status()) {
        case pb::UpdateStreamStatus::SUCCESS: co_return ok();
        case pb::UpdateStreamStatus::STREAM_NOT_FOUND:
        case pb::UpdateStreamStatus::SCOPE_NOT_FOUND: co_return no_such_stream(stream);
        case pb::UpdateStreamStatus::STREAM_SEALED:
            co_return Error{ErrorCode::kSealed, "stream " + stream.to_string() + " is sealed; it cannot be truncated"};
        default:
            co_return Error{ErrorCode::kFailedPrecondition,
                            "stream " + stream.to_string() +
                                " cannot be truncated there: the position lies before its head, beyond its end or where no reader "
                                "could be, or another truncation is under way"};
    }
}

Task<Result<void>> ControllerClient::seal(StreamName stream) {
    MR_CO_TRY(auto reply,
              co_await ask_about<pb::UpdateStreamStatus>(stream, "sealStream", info_of(stream), for_workflow()));
    switch (reply.status()) {
        case pb::UpdateStreamStatus::SUCCESS:
        case pb::UpdateStreamStatus::STREAM_SEALED: co_return ok();
        case pb::UpdateStreamStatus::STREAM_NOT_FOUND:
        case pb::UpdateStreamStatus::SCOPE_NOT_FOUND: co_return no_such_stream(stream);
        default: co_return refused("seal stream " + stream.to_string(), reply.status());
    }
}

Task<Result<void>> ControllerClient::remove(StreamName stream) {
    MR_CO_TRY(auto reply,
              co_await ask_about<pb::DeleteStreamStatus>(stream, "deleteStream", info_of(stream), for_workflow()));
    switch (reply.status()) {
        case pb::DeleteStreamStatus::SUCCESS: co_return ok();
        case pb::DeleteStreamStatus::STREAM_NOT_FOUND: co_return no_such_stream(stream);
        case pb::DeleteStreamStatus::STREAM_NOT_SEALED:
            co_return Error{ErrorCode::kFailedPrecondition,
                            "stream " + stream.to_string() + " is not sealed; seal it before deleting it"};
        default: co_return refused("delete stream " + stream.to_string(), reply.status());
    }
}

Task<Result<StreamEpoch>> ControllerClient::start_scale(StreamName stream, std::vector<SegmentId> sealed,
                                                        std::vector<KeyRange> ranges) {
    pb::ScaleRequest request;
    *request.mutable_streaminfo() = info_of(stream);
    for (const SegmentId segment : sealed) request.add_sealedsegments(segment.value);
    for (const KeyRange& range : ranges) {
        auto* entry = request.add_newkeyranges();
        entry->set_start(range.low);
        entry->set_end(range.high);
    }
    request.set_scaletimestamp(runtime_.clock.wall_now().time_since_epoch().count());
    MR_CO_TRY(auto reply, co_await ask_about<pb::ScaleResponse>(stream, "scale", std::move(request), for_workflow()));
    switch (reply.status()) {
        case pb::ScaleResponse::STARTED: co_return StreamEpoch{reply.epoch()};
        case pb::ScaleResponse::PRECONDITION_FAILED:
            co_return Error{ErrorCode::kFailedPrecondition,
                            "stream " + stream.to_string() +
                                " cannot be scaled so: a segment is no longer current, or fewer segments than the "
                                "stream's minimum would be left"};
        default:
            co_return Error{ErrorCode::kFailedPrecondition,
                            "the controller refused to scale stream " + stream.to_string() +
                                ": another scale is under way, the stream is being sealed, or the ranges do not fit"};
    }
}

Task<Result<bool>> ControllerClient::scale_done(StreamName stream, StreamEpoch epoch) {
    pb::ScaleStatusRequest request;
    *request.mutable_streaminfo() = info_of(stream);
    request.set_epoch(epoch.number());
    MR_CO_TRY(auto reply,
              co_await ask_about<pb::ScaleStatusResponse>(stream, "checkScale", std::move(request), normally()));
    switch (reply.status()) {
        case pb::ScaleStatusResponse::IN_PROGRESS: co_return false;
        case pb::ScaleStatusResponse::SUCCESS: co_return true;
        default:
            co_return Error{ErrorCode::kInternal,
                            "the controller cannot say whether stream " + stream.to_string() + " has left epoch " +
                                to_string(epoch),
                            Fate::kUnknown};
    }
}

Task<Result<std::vector<SegmentRange>>> ControllerClient::current_segments(StreamName stream, Patience patience) {
    MR_CO_TRY(auto reply,
              co_await ask_about<pb::SegmentRanges>(stream, "getCurrentSegments", info_of(stream), patience));
    co_return tiling(reply, address_, stream);
}

Task<Result<std::vector<SegmentRange>>> ControllerClient::epoch_segments(StreamName stream, StreamEpoch epoch) {
    pb::GetEpochSegmentsRequest request;
    *request.mutable_streaminfo() = info_of(stream);
    request.set_epoch(epoch.number());
    auto reply = co_await ask<pb::SegmentRanges>("getEpochSegments", std::move(request), normally());
    if (!reply && reply.error().is(ErrorCode::kNotFound)) {
        co_return Error{ErrorCode::kNotFound, "stream " + stream.to_string() + " does not exist, or has no epoch " + to_string(epoch)};
    }
    if (!reply) co_return std::move(reply).error();
    co_return tiling(*reply, address_, stream);
}

Task<Result<std::map<SegmentId, std::int64_t>>> ControllerClient::head(StreamName stream) {
    pb::GetSegmentsRequest request;
    *request.mutable_streaminfo() = info_of(stream);
    MR_CO_TRY(auto reply, co_await ask_about<pb::SegmentsAtTime>(stream, "getSegments", std::move(request), normally()));
    std::map<SegmentId, std::int64_t> offsets;
    for (const auto& location : reply.segments()) {
        // Negative: found again as a successor when its predecessors have been read.
        if (location.offset() >= 0) offsets.emplace(SegmentId{location.segmentid().segmentid()}, location.offset());
    }
    co_return offsets;
}

Task<Result<std::vector<Successor>>> ControllerClient::successors(StreamName stream, SegmentId segment,
                                                                  Patience patience) {
    MR_CO_TRY(auto reply, co_await ask_about<pb::SuccessorResponse>(stream, "getSegmentsImmediatelyFollowing",
                                                                    id_of(stream, segment), patience));
    std::vector<Successor> successors;
    for (const auto& entry : reply.segments()) {
        Successor successor{range_of(entry.segment()), {}};
        for (const std::int64_t id : entry.value()) successor.predecessors.push_back(SegmentId{id});
        if (successor.segment.id <= segment) {
            co_return Error{ErrorCode::kInternal, "controller " + address_ + " names " +
                                                      segment_name(stream, successor.segment.id) + " as successor of " +
                                                      segment_name(stream, segment) + ", which is not older"};
        }
        successors.push_back(std::move(successor));
    }
    std::sort(successors.begin(), successors.end(), [](const Successor& a, const Successor& b) {
        return a.segment.range < b.segment.range;
    });
    co_return successors;
}

Task<Result<Endpoint>> ControllerClient::segment_endpoint(StreamName stream, SegmentId segment, Patience patience) {
    MR_CO_TRY(auto reply, co_await ask_about<pb::NodeUri>(stream, "getURI", id_of(stream, segment), patience));
    if (reply.endpoint().empty() || reply.port() <= 0 || reply.port() > 65535) {
        co_return Error{ErrorCode::kUnavailable, "controller " + address_ + " knows no segment store for " +
                                                     segment_name(stream, segment)};
    }
    co_return Endpoint{reply.endpoint(), static_cast<std::uint16_t>(reply.port())};
}

}  // namespace millrace::client
