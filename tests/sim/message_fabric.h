// SPDX-License-Identifier: Apache-2.0
//
// What carries the messages of all nodes. For the world and the nodes; see message_network.h.
// Thread rule: the world's thread.
#pragma once

#include <memory>
#include <string>

#include "common/runtime/random.h"
#include "tests/sim/conditions.h"
#include "tests/sim/message_network.h"
#include "tests/sim/sim_clock.h"

namespace millrace::sim {

class MessageFabric {
public:
    struct Seams {
        Executor executor;
        SimClock& clock;
        Trace& trace;
        std::uint64_t seed;
        const Conditions& conditions;
    };
    class Impl;

    explicit MessageFabric(Seams seams);
    ~MessageFabric();

    MessageOptions& options();
    std::unique_ptr<MessageSession> attach(std::string host);
    // Ends every receive() that is outstanding.
    void shut_down();

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::sim
