// SPDX-License-Identifier: Apache-2.0
#include "cli/null_controller.h"

#include <utility>

#include "proto/controller/controller.pb.h"
#include "proto/controller/methods.h"

namespace millrace::cli {
namespace {

namespace pb = io::pravega::controller::stream::api::grpc::v1;

Task<Result<std::string>> answer_segments(rpc::Request request) {
    pb::StreamInfo stream;
    if (!stream.ParseFromString(request.body)) co_return Error{ErrorCode::kInvalidArgument, "not a StreamInfo"};
    pb::SegmentRanges reply;
    pb::SegmentRange& only = *reply.add_segmentranges();
    *only.mutable_segmentid()->mutable_streaminfo() = std::move(stream);
    only.set_maxkey(1.0);
    co_return reply.SerializeAsString();
}

Task<Result<std::string>> refuse(rpc::Request request) {
    co_return Error{ErrorCode::kUnsupported, request.method + " is more than a null controller knows"};
}

}  // namespace

Result<std::unique_ptr<NullController>> NullController::start(rpc::Rpc& rpc, Endpoint listen, Endpoint segment_store) {
    pb::NodeUri uri;
    uri.set_endpoint(segment_store.host);
    uri.set_port(segment_store.port);
    std::map<std::string, rpc::Handler> handlers;
    handlers.emplace(proto::controller_method("getCurrentSegments"), answer_segments);
    handlers.emplace(proto::controller_method("getURI"),
                     [reply = uri.SerializeAsString()](rpc::Request) -> Task<Result<std::string>> { co_return reply; });
    // Of a cluster without authentication; clients of Pravega ask all the same.
    handlers.emplace(proto::controller_method("getDelegationToken"), [](rpc::Request) -> Task<Result<std::string>> {
        co_return pb::DelegationToken{}.SerializeAsString();
    });
    MR_TRY(auto server, rpc.serve(std::move(listen), std::move(handlers), refuse));
    return std::make_unique<NullController>(std::move(server));
}

}  // namespace millrace::cli
