// SPDX-License-Identifier: Apache-2.0
#include "controller/service/handlers.h"

#include <google/protobuf/stubs/logging.h>

#include <utility>

#include "proto/controller/methods.h"

namespace millrace::controller::service {

namespace {

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

std::map<std::string, rpc::Handler> handlers(Service& service) {
    // Text that is not UTF-8 is refused like other bytes that are not the message. The library would also write a line to
    // stderr for each, which anybody could fill a disk with.
    google::protobuf::SetLogHandler(nullptr);
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
    add("listStreamsInScopeForTag", &Service::list_streams_in_scope_for_tag);
    add("createStream", &Service::create_stream);
    add("updateStream", &Service::update_stream);
    add("truncateStream", &Service::truncate_stream);
    add("sealStream", &Service::seal_stream);
    add("deleteStream", &Service::delete_stream);
    add("checkStreamExists", &Service::check_stream_exists);
    add("createReaderGroup", &Service::create_reader_group);
    add("getReaderGroupConfig", &Service::get_reader_group_config);
    add("updateReaderGroup", &Service::update_reader_group);
    add("deleteReaderGroup", &Service::delete_reader_group);
    add("getStreamConfiguration", &Service::get_stream_configuration);
    add("getCurrentSegments", &Service::get_current_segments);
    add("getEpochSegments", &Service::get_epoch_segments);
    add("getSegments", &Service::get_segments);
    add("getSegmentsImmediatlyFollowing", &Service::get_successors);
    add("getSegmentsImmediatelyFollowing", &Service::get_successors);
    add("getSegmentsBetween", &Service::get_segments_between);
    add("getURI", &Service::get_uri);
    add("isSegmentValid", &Service::is_segment_valid);
    add("isStreamCutValid", &Service::is_stream_cut_valid);
    add("scale", &Service::scale);
    add("checkScale", &Service::check_scale);
    return all;
}

rpc::Handler otherwise() {
    return [](rpc::Request request) -> Task<Result<std::string>> {
        const proto::ControllerMethod* const method = proto::find_controller_method(request.method);
        if (method == nullptr) {
            co_return Error{ErrorCode::kUnsupported, "there is no call " + request.method + " in the controller's protocol"};
        }
        co_return Error{ErrorCode::kUnsupported,
                        "this version of the controller does not offer the call " + std::string{method->name}};
    };
}

}  // namespace millrace::controller::service
