// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/grpc/grpc_rpc.h"

#include "common/rpc/grpc/grpc_channel.h"
#include "common/rpc/grpc/grpc_server.h"

namespace millrace::rpc {

namespace {

class GrpcRpc final : public Rpc {
public:
    explicit GrpcRpc(Runtime runtime) : runtime_{runtime} {}

    Result<std::unique_ptr<Server>> serve(Endpoint listen, std::map<std::string, Handler> handlers,
                                          Handler otherwise) override {
        return start_grpc_server(runtime_, std::move(listen), std::move(handlers), std::move(otherwise));
    }
    std::unique_ptr<Channel> channel(Endpoint target) override {
        if (!poller_) poller_ = std::make_shared<Poller>(std::make_unique<grpc::CompletionQueue>());
        return make_grpc_channel(runtime_, poller_, std::move(target));
    }

private:
    Runtime runtime_;
    std::shared_ptr<Poller> poller_;  // of all channels
};

}  // namespace

std::unique_ptr<Rpc> make_grpc_rpc(Runtime runtime) { return std::make_unique<GrpcRpc>(runtime); }

}  // namespace millrace::rpc
