// SPDX-License-Identifier: Apache-2.0
//
// What all parts of a client share: the seams, the controller, segment locations and the pooled
// connections. Works on any runtime, a simulated one too.
// Thread rule: executor-confined, except what is constant after construction.
// Lifetime: close() must have completed before destruction; it outlives writers and readers.
#pragma once

#include <chrono>
#include <memory>

#include "client/bridge/blocking_call.h"
#include "client/client_mutations.h"
#include "client/control/controller_client.h"
#include "client/segment/retry.h"
#include "client/segment/segment_pool.h"
#include "common/runtime/gate.h"
#include "common/runtime/runtime.h"

namespace millrace::client {

struct Timeouts {
    std::chrono::nanoseconds connect{};
    std::chrono::nanoseconds retry{};  // 0: for ever
};

class ClientCore {
public:
    // `home.thread` runs the runtime's executor.
    ClientCore(Runtime runtime_in, Home home_in, std::unique_ptr<rpc::Channel> channel, Endpoint controller_address,
               Timeouts timeouts_in, ClientMutations mutations_in = {})
        : runtime{runtime_in},
          home{home_in},
          timeouts{timeouts_in},
          mutations{mutations_in},
          controller{runtime_in, std::move(channel), std::move(controller_address), timeouts_in.connect},
          locations{controller},
          pool{runtime_in, locations, connections} {}

    Task<void> close() {
        gate.shut();
        co_await pool.close();
        co_await gate.close();
        co_await controller.close();
    }

    const Runtime runtime;
    const Home home;
    const Timeouts timeouts;
    const ClientMutations mutations;
    ControllerClient controller;
    Locations locations;
    // Without a bound of its own: writers and readers bound what they have on the way. Received bytes land in memory that is used
    // again; an allocator gives large pieces back to the kernel, and touching them anew costs more than copying into them.
    transport::ConnectionResources connections{.received = {}, .pool = BufferPool{}, .counters = {}};
    SegmentPool pool;
    // For what ends after its owner has let go of it.
    Gate gate;
};

}  // namespace millrace::client
