// SPDX-License-Identifier: Apache-2.0
//
// The fake network: byte streams between processes by host name. Bytes arrive in order, after a
// random time, in random pieces; buffers are bounded, so a writer waits for its reader.
// Hosts: a node's name from anywhere; "127.0.0.1" and "localhost" are the node itself.
//
// Faults that correct code must survive: a connection that breaks at any byte, with what was under
// way lost and nobody told how much arrived; refused connections; a partition, which breaks what
// crosses it only after a while, and lets connects run into their deadline; the death of a peer's
// process. Not simulated: one-way partitions, name resolution that fails. Thread rule: the world's
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/runtime/network.h"
#include "common/runtime/random.h"
#include "tests/sim/sim_clock.h"

namespace millrace::sim {

struct NetworkOptions {
    std::chrono::microseconds latency_min{10};
    std::chrono::microseconds latency_max{500};
    // What one direction of a stream holds before its writer waits.
    std::size_t buffer_bytes = 64 * 1024;
    // One write in so many breaks its connection. 0: never.
    std::uint32_t break_one_in = 0;
};

// The Network of one process. After die() its streams and listeners are closed, and the other sides
// learn of it a little later.
class NetworkSession : public Network {
public:
    virtual void die() = 0;
};

class NetworkFabric {
public:
    struct Seams {
        Executor executor;
        SimClock& clock;
        Trace& trace;
        std::uint64_t seed;
    };
    class Impl;

    explicit NetworkFabric(Seams seams);
    ~NetworkFabric();

    NetworkOptions& options();

    std::unique_ptr<NetworkSession> attach(std::string host);

    // Breaks every connection between the two hosts (which may be the same one) now.
    void cut(const std::string& a, const std::string& b);
    // Nothing gets through until it is healed.
    void partition(const std::string& a, const std::string& b);
    void heal(const std::string& a, const std::string& b);
    void heal_all();
    // Ends every call that is outstanding. For the world.
    void shut_down();

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::sim
