// SPDX-License-Identifier: Apache-2.0
//
// The fake network: byte streams between processes by host name. Bytes arrive in order, after a
// random time, in random pieces. Both ends have a bounded buffer: what the reader does not take fills the
// receiver's, then the sender's, then the writer waits.
// Hosts: a node's name from anywhere; "127.0.0.1" and "localhost" are the node itself.
//
// Faults that correct code must survive:
// - a connection that breaks at any byte, with what was under way lost, also what had arrived unread,
//   and nobody told how much;
// - a partition, of both directions or one: what crosses it breaks only after a while, at each end in its own time
//   or at one only, and not at all if it heals first; connects hang until their deadline;
// - a connection that goes dead in silence: half open, writes still accepted until the buffer is full;
// - clogging: one direction stands still for a while, then goes on where it was; delays, short and long;
// - connects refused, connects that hang; the death of a peer's process, told by an end of stream, a
//   reset or nothing for a while; a reset because the peer closed with bytes unread.
// Not simulated: flipped bits, name resolution that fails.
// Thread rule: the world's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/runtime/network.h"
#include "common/runtime/random.h"
#include "tests/sim/message_fabric.h"
#include "tests/sim/sim_clock.h"

namespace millrace::sim {

// Chances are "one in so many", 0: never.
struct NetworkOptions {
    std::chrono::microseconds latency_min{10};
    std::chrono::microseconds latency_max{500};
    // One piece under way in so many takes spike_max at the most instead.
    std::uint32_t spike_one_in = 0;
    std::chrono::milliseconds spike_max{1000};
    // What one direction of a stream holds at each end.
    std::size_t send_buffer_bytes = 32 * 1024;
    std::size_t receive_buffer_bytes = 32 * 1024;
    // One write in so many breaks its connection, or makes it go dead in silence.
    std::uint32_t break_one_in = 0;
    std::uint32_t silence_one_in = 0;
    // One connect in so many.
    std::uint32_t refuse_one_in = 0;
    std::uint32_t hang_one_in = 0;
    // How long an end of a connection that nothing passes waits before it breaks.
    std::chrono::milliseconds give_up_min{1};
    std::chrono::milliseconds give_up_max{3000};
};

// How a process ends: killed, with a kernel that closes its connections, or with its machine.
enum class Death : std::uint8_t { kKill, kPowerCut };

// The Network of one process. After die() its streams and listeners are closed, and the other sides
// learn of it a little later: by an end of stream (a kill only), a reset, or a silence that ends.
class NetworkSession : public Network {
public:
    virtual void die(Death death) = 0;
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
    MessageOptions& message_options();

    // `clock` is the process' own: deadlines are in its time.
    std::unique_ptr<NetworkSession> attach(std::string host, Clock& clock);
    std::unique_ptr<MessageSession> attach_messages(std::string host);

    // Breaks every connection between the two hosts (which may be the same one) now.
    void cut(const std::string& a, const std::string& b);
    // Every connection between them goes dead in silence.
    void silence(const std::string& a, const std::string& b);
    // Nothing gets through until it is healed; messages under way are lost.
    void partition(const std::string& a, const std::string& b);
    void partition_one_way(const std::string& from, const std::string& to);
    void heal(const std::string& a, const std::string& b);
    // Nothing leaves `from` for `to` for so long, then all of it.
    void clog(const std::string& from, const std::string& to, std::chrono::nanoseconds duration);
    // Everything from `from` to `to` takes so much longer, until heal_all() or zero.
    void slow(const std::string& from, const std::string& to, std::chrono::nanoseconds by);
    // A host without power neither sends nor receives nor refuses.
    void set_down(const std::string& host, bool down);
    // Ends partitions, clogs and slowness; options stay as they are.
    void heal_all();
    // Ends every call that is outstanding. For the world.
    void shut_down();

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::sim
