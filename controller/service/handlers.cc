// SPDX-License-Identifier: Apache-2.0
#include "controller/service/handlers.h"

#include <algorithm>
#include <utility>

#include "proto/controller/methods.h"

namespace millrace::controller::service {

namespace {

constexpr Access kAccess[] = {
    {"getControllerServerList", Permission::kNone, Resource::kNone},
    {"createStream", Permission::kReadUpdate, Resource::kScope},
    {"updateStream", Permission::kReadUpdate, Resource::kStream},
    {"truncateStream", Permission::kReadUpdate, Resource::kStream},
    {"sealStream", Permission::kReadUpdate, Resource::kStream},
    {"deleteStream", Permission::kReadUpdate, Resource::kStream},
    {"getCurrentSegments", Permission::kReadUpdate, Resource::kStream},  // read, when no token is asked for
    {"getEpochSegments", Permission::kReadUpdate, Resource::kStream},
    {"getSegments", Permission::kReadUpdate, Resource::kStream},  // read, when no token is asked for
    {"getSegmentsImmediatlyFollowing", Permission::kRead, Resource::kStream},
    {"getSegmentsImmediatelyFollowing", Permission::kRead, Resource::kStream},
    {"getSegmentsBetween", Permission::kRead, Resource::kStream},
    {"scale", Permission::kReadUpdate, Resource::kStream},
    {"checkScale", Permission::kRead, Resource::kStream},
    {"getURI", Permission::kRead, Resource::kStream},
    {"isSegmentValid", Permission::kRead, Resource::kStream},
    {"isStreamCutValid", Permission::kRead, Resource::kStream},
    {"createTransaction", Permission::kReadUpdate, Resource::kStream},
    {"commitTransaction", Permission::kReadUpdate, Resource::kStream},
    {"abortTransaction", Permission::kReadUpdate, Resource::kStream},
    {"pingTransaction", Permission::kReadUpdate, Resource::kStream},
    {"checkTransactionState", Permission::kRead, Resource::kStream},
    {"listCompletedTransactions", Permission::kRead, Resource::kStream},
    {"createScope", Permission::kReadUpdate, Resource::kRoot},
    {"listScopes", Permission::kRead, Resource::kRoot},
    {"checkScopeExists", Permission::kRead, Resource::kScope},
    {"checkStreamExists", Permission::kRead, Resource::kStream},
    {"listStreamsInScope", Permission::kRead, Resource::kScope},
    {"deleteScope", Permission::kReadUpdate, Resource::kRoot},
    {"deleteScopeRecursive", Permission::kReadUpdate, Resource::kRoot},
    {"getDelegationToken", Permission::kReadUpdate, Resource::kStream},  // less, as the operation asks
    {"removeWriter", Permission::kReadUpdate, Resource::kStream},
    {"noteTimestampFromWriter", Permission::kReadUpdate, Resource::kStream},
    {"createKeyValueTable", Permission::kReadUpdate, Resource::kScope},
    {"getCurrentSegmentsKeyValueTable", Permission::kReadUpdate, Resource::kKeyValueTable},
    {"listKeyValueTablesInScope", Permission::kRead, Resource::kScope},
    {"getKeyValueTableConfiguration", Permission::kRead, Resource::kKeyValueTable},
    {"deleteKeyValueTable", Permission::kReadUpdate, Resource::kKeyValueTable},
    {"listSubscribers", Permission::kReadUpdate, Resource::kStream},
    {"updateSubscriberStreamCut", Permission::kReadUpdate, Resource::kStream},
    {"createReaderGroup", Permission::kRead, Resource::kScope},
    {"getReaderGroupConfig", Permission::kRead, Resource::kScope},
    {"deleteReaderGroup", Permission::kRead, Resource::kScope},
    {"updateReaderGroup", Permission::kRead, Resource::kScope},
    {"getStreamConfiguration", Permission::kRead, Resource::kStream},
    {"listStreamsInScopeForTag", Permission::kRead, Resource::kScope},
};

template <class Request, class Reply>
rpc::Handler handler(Service& service, Task<Result<Reply>> (Service::*call)(Request)) {
    return [&service, call](rpc::Request request) -> Task<Result<std::string>> {
        Request message;
        const std::size_t size = request.body.size();
        // The message may be here for minutes; its bytes need not.
        if (!message.ParseFromString(std::exchange(request.body, {}))) {
            co_return Error{ErrorCode::kInvalidArgument,
                            request.method + " needs a " + Request::descriptor()->name() + ", which these " +
                                std::to_string(size) + " bytes are not"};
        }
        MR_CO_TRY(const Reply reply, co_await (service.*call)(std::move(message)));
        co_return reply.SerializeAsString();
    };
}

}  // namespace

std::span<const Access> access_table() { return kAccess; }

std::map<std::string, rpc::Handler> handlers(Service& service) {
    std::map<std::string, rpc::Handler> all;
    const auto add = [&](std::string_view name, auto call) {
        all.emplace(proto::controller_method(name), handler(service, call));
    };
    add("getControllerServerList", &Service::get_controller_server_list);
    add("getDelegationToken", &Service::get_delegation_token);
    add("createScope", &Service::create_scope);
    add("deleteScope", &Service::delete_scope);
    add("checkScopeExists", &Service::check_scope_exists);
    add("listScopes", &Service::list_scopes);
    add("listStreamsInScope", &Service::list_streams_in_scope);
    add("createStream", &Service::create_stream);
    add("sealStream", &Service::seal_stream);
    add("deleteStream", &Service::delete_stream);
    add("checkStreamExists", &Service::check_stream_exists);
    add("getStreamConfiguration", &Service::get_stream_configuration);
    add("getCurrentSegments", &Service::get_current_segments);
    add("getEpochSegments", &Service::get_epoch_segments);
    add("getSegments", &Service::get_segments);
    add("getSegmentsImmediatlyFollowing", &Service::get_successors);
    add("getSegmentsImmediatelyFollowing", &Service::get_successors);
    add("getURI", &Service::get_uri);
    add("isSegmentValid", &Service::is_segment_valid);
    add("scale", &Service::scale);
    add("checkScale", &Service::check_scale);
    return all;
}

rpc::Handler otherwise() {
    return [](rpc::Request request) -> Task<Result<std::string>> {
        const std::string_view method = request.method;
        const std::string_view name = method.substr(method.rfind('/') + 1);
        const bool known = method == proto::controller_method(name) &&
                           std::find(proto::kControllerMethods.begin(), proto::kControllerMethods.end(), name) !=
                               proto::kControllerMethods.end();
        co_return Error{ErrorCode::kUnsupported,
                        known ? "this controller does not offer the call " + std::string{name} + " yet"
                              : "there is no call " + request.method + " in the controller's protocol"};
    };
}

}  // namespace millrace::controller::service
