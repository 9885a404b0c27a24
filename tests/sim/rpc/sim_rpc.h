// SPDX-License-Identifier: Apache-2.0
//
// Calls between the nodes of a world, over its message network: whatever happens to messages there happens to
// requests and replies, and RpcFaults adds what only calls know.
//
//     sim::SimRpc rpc{world, node};               // of the process that lives now
//     auto server = rpc.serve({"a", 9090}, handlers, otherwise);
//     auto channel = rpc.channel({"a", 9090});
//
// As with the real library a call ends by its reply, its deadline, the channel's close(), or the knowledge that the other
// side no longer knows of it: the server's process is gone, or request or reply were lost (a connection that broke).
// The caller then knows nothing: Fate::kUnknown, and the handler may run still or later. Only a request that reached no
// socket at all certainly never left (kNotApplied). Codes, details and bounds are those of rpc/grpc.
// Handlers run on the server's executor; a handler whose call is over goes on to its end.
// Not simulated: what depends on gRPC's connections (back-off, streams per connection, keep-alive pings of its own).
// Thread rule: the world's thread. Servers and channels are closed before they are destroyed; they may outlive the SimRpc.
#pragma once

#include <cstdint>
#include <memory>

#include "common/rpc/rpc.h"
#include "tests/sim/world.h"

namespace millrace::sim {

// Chances are "one in so many", 0: never. Changed at any time; all of a process' calls obey.
struct RpcFaults {
    std::uint32_t lose_request_one_in = 0;
    std::uint32_t lose_reply_one_in = 0;  // the handler has run
    // Held back by up to late_max, maybe past the deadline.
    std::uint32_t late_request_one_in = 0;
    std::uint32_t late_reply_one_in = 0;
    std::chrono::milliseconds late_max{3000};
    // The handler runs once more for the same call, up to late_max later: as if an earlier attempt of a caller that
    // tried again had been stuck somewhere. Handlers that callers may try again have to stand it.
    std::uint32_t run_twice_one_in = 0;
    std::uint32_t double_reply_one_in = 0;

    // All chances zero.
    void heal() { *this = RpcFaults{}; }
};

class SimRpc final : public rpc::Rpc {
public:
    // Of the process that lives now on `node`. World and node outlive what it makes. `faults` may be shared.
    SimRpc(World& world, Node& node, std::shared_ptr<const RpcFaults> faults = {});

    // kInUse: the port is taken. kInvalidArgument: not an address of this node.
    Result<std::unique_ptr<rpc::Server>> serve(Endpoint listen, std::map<std::string, rpc::Handler> handlers,
                                               rpc::Handler otherwise) override;
    std::unique_ptr<rpc::Channel> channel(Endpoint target) override;

private:
    World& world_;
    Node& node_;
    Runtime runtime_;
    MessageSession& messages_;
    std::shared_ptr<const RpcFaults> faults_;
};

}  // namespace millrace::sim
