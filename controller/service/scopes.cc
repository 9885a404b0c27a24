// SPDX-License-Identifier: Apache-2.0
//
// Scopes, lists, and what is known without looking anything up.
#include "controller/service/service.h"

#include <algorithm>

#include "common/telemetry/log.h"

namespace millrace::controller::service {

Task<Result<pb::ServerResponse>> Service::get_controller_server_list(pb::ServerRequest) {
    pb::ServerResponse response;
    pb::NodeUri& node = *response.add_nodeuri();
    node.set_endpoint(places_.controller.host);
    node.set_port(places_.controller.port);
    co_return response;
}

Task<Result<pb::DelegationToken>> Service::get_delegation_token(pb::StreamInfo) {
    co_return pb::DelegationToken{};  // empty: nobody checks
}

Task<Result<pb::CreateScopeStatus>> Service::create_scope(pb::ScopeInfo request) {
    pb::CreateScopeStatus reply;
    if (!check_internal_name("scope", request.scope())) {
        reply.set_status(pb::CreateScopeStatus::INVALID_SCOPE_NAME);
        co_return reply;
    }
    records::ScopeRecord record;
    record.set_created_ms(now_ms());
    record.set_nonce(runtime_.random.next());
    const Result<void> created = co_await store_.create_scope(request.scope(), record);
    if (!created && !created.error().is(ErrorCode::kAlreadyExists)) co_return created.error();
    reply.set_status(created ? pb::CreateScopeStatus::SUCCESS : pb::CreateScopeStatus::SCOPE_EXISTS);
    if (created) MR_LOG_INFO("scope created", {"scope", request.scope()});
    co_return reply;
}

Task<Result<pb::DeleteScopeStatus>> Service::delete_scope(pb::ScopeInfo request) {
    pb::DeleteScopeStatus reply;
    if (!check_internal_name("scope", request.scope())) {
        reply.set_status(pb::DeleteScopeStatus::SCOPE_NOT_FOUND);
        co_return reply;
    }
    const Result<void> deleted = co_await store_.delete_scope(request.scope());
    if (deleted) {
        MR_LOG_INFO("scope deleted", {"scope", request.scope()});
        reply.set_status(pb::DeleteScopeStatus::SUCCESS);
    } else if (deleted.error().is(ErrorCode::kNotFound)) {
        reply.set_status(pb::DeleteScopeStatus::SCOPE_NOT_FOUND);
    } else if (deleted.error().is(ErrorCode::kFailedPrecondition)) {
        reply.set_status(pb::DeleteScopeStatus::SCOPE_NOT_EMPTY);
    } else {
        co_return deleted.error();
    }
    co_return reply;
}

Task<Result<pb::ExistsResponse>> Service::check_scope_exists(pb::ScopeInfo request) {
    pb::ExistsResponse reply;
    if (!check_internal_name("scope", request.scope())) co_return reply;
    const Result<records::ScopeRecord> scope = co_await store_.scope(request.scope());
    if (!scope && !scope.error().is(ErrorCode::kNotFound)) co_return scope.error();
    reply.set_exists(scope.ok());
    co_return reply;
}

Task<Result<pb::ScopesResponse>> Service::list_scopes(pb::ScopesRequest request) {
    MR_CO_TRY(const store::Page page, co_await store_.list_scopes(request.continuationtoken().token()));
    pb::ScopesResponse reply;
    for (const std::string& name : page.names) reply.add_scopes(name);
    reply.mutable_continuationtoken()->set_token(page.token);  // also behind the end
    co_return reply;
}

Task<Result<pb::StreamsInScopeResponse>> Service::list_streams_in_scope(pb::StreamsInScopeRequest request) {
    const std::string& scope = request.scope().scope();
    pb::StreamsInScopeResponse reply;
    reply.mutable_continuationtoken()->set_token(request.continuationtoken().token());
    if (!check_internal_name("scope", scope)) {
        reply.set_status(pb::StreamsInScopeResponse::SCOPE_NOT_FOUND);
        co_return reply;
    }
    Result<store::Page> page = co_await store_.list_streams(scope, request.continuationtoken().token());
    if (!page) {
        if (!page.error().is(ErrorCode::kNotFound)) co_return std::move(page).error();
        reply.set_status(pb::StreamsInScopeResponse::SCOPE_NOT_FOUND);
        co_return reply;
    }
    for (const std::string& name : page->names) *reply.add_streams() = to_info(StreamName{scope, name});
    reply.mutable_continuationtoken()->set_token(page->token);
    reply.set_status(pb::StreamsInScopeResponse::SUCCESS);
    co_return reply;
}

Task<Result<pb::StreamsInScopeResponse>> Service::list_streams_in_scope_for_tag(pb::StreamsInScopeWithTagRequest request) {
    pb::StreamsInScopeRequest all;
    *all.mutable_scope() = request.scope();
    *all.mutable_continuationtoken() = request.continuationtoken();
    while (true) {
        MR_CO_TRY(pb::StreamsInScopeResponse page, co_await list_streams_in_scope(all));
        // An empty page is the end of the list, whatever lies behind it: pages without the tag are passed over.
        if (page.streams_size() == 0) co_return page;
        pb::StreamsInScopeResponse tagged = page;
        tagged.clear_streams();
        for (const pb::StreamInfo& info : page.streams()) {
            MR_CO_TRY(const bool has, co_await has_tag(StreamName{info.scope(), info.stream()}, request.tag()));
            if (has) *tagged.add_streams() = info;
        }
        if (tagged.streams_size() > 0) co_return tagged;
        *all.mutable_continuationtoken() = page.continuationtoken();
    }
}

Task<Result<bool>> Service::has_tag(StreamName name, std::string tag) {
    const Result<store::StoredStream> stream = co_await store_.load(name);
    if (!stream && stream.error().is(ErrorCode::kNotFound)) co_return false;  // deleted meanwhile
    if (!stream && stream.error().is(ErrorCode::kCorrupt)) {
        // What is wrong with one stream keeps nobody from the others.
        MR_LOG_WARN("stream is not looked at for its tags", {"stream", name.to_string()}, {"reason", stream.error().to_string()});
        co_return false;
    }
    if (!stream) co_return stream.error();
    const auto& tags = stream->record.config().tags();
    co_return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

}  // namespace millrace::controller::service
