// SPDX-License-Identifier: Apache-2.0
//
// The two ends of SimRpc. Thread rule: the world's thread.
#pragma once

#include "tests/sim/message_network.h"
#include "tests/sim/rpc/sim_rpc.h"

namespace millrace::sim {

struct RpcSeams {
    Runtime runtime;
    std::uint64_t seed;
    std::shared_ptr<const RpcFaults> faults;
};

std::unique_ptr<rpc::Channel> make_sim_channel(RpcSeams seams, Result<std::unique_ptr<MessageSocket>> socket, Endpoint target);
std::unique_ptr<rpc::Server> make_sim_server(RpcSeams seams, std::unique_ptr<MessageSocket> socket, Endpoint local,
                                             std::map<std::string, rpc::Handler> handlers, rpc::Handler otherwise);

}  // namespace millrace::sim
