// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/rpc/sim_rpc.h"

#include "tests/sim/rpc/sim_rpc_ends.h"

namespace millrace::sim {

SimRpc::SimRpc(World& world, Node& node, std::shared_ptr<const RpcFaults> faults)
    : world_{world},
      node_{node},
      runtime_{node.runtime()},
      messages_{node.messages()},
      faults_{faults ? std::move(faults) : std::make_shared<const RpcFaults>()} {}

Result<std::unique_ptr<rpc::Server>> SimRpc::serve(Endpoint listen, std::map<std::string, rpc::Handler> handlers,
                                                   rpc::Handler otherwise) {
    const std::string& host = listen.host;
    if (host != node_.name() && host != "localhost" && host != "127.0.0.1" && host != "0.0.0.0" && host != "::") {
        return Error{ErrorCode::kInvalidArgument, "cannot listen on " + listen.to_string() + ": not an address of this machine"};
    }
    MR_TRY(auto socket, messages_.open(listen.port));
    const Endpoint local{host, socket->local().port};
    return make_sim_server({runtime_, world_.fork_seed(), faults_}, std::move(socket), local, std::move(handlers),
                           std::move(otherwise));
}

std::unique_ptr<rpc::Channel> SimRpc::channel(Endpoint target) {
    return make_sim_channel({runtime_, world_.fork_seed(), faults_}, messages_.open(0), std::move(target));
}

}  // namespace millrace::sim
