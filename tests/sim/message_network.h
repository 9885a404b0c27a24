// SPDX-License-Identifier: Apache-2.0
//
// Messages between nodes, each on its own: the part of the fake network where losing, repeating and
// overtaking make sense. It shares hosts, partitions, clogs and delays with the byte streams (see
// sim_network.h and conditions.h); its own faults are drawn per message (MessageOptions).
//
//     auto socket = node.messages().open(700);           // of the process that lives now
//     (*socket)->send({"b", 700}, Bytes::copy_of("hello"));
//     auto message = co_await (*socket)->receive();      // kClosed after close() or the process' death
//
// A message is delivered whole and unchanged or not at all. It is never delivered to another process than
// the one whose socket it reaches: what is under way to a process that died may reach its successor
// at the same address, as on a real network.
//
// Faults that correct code must survive: messages lost, delivered twice (also long after), in
// another order, late; a partition in one direction; a receiver that is too slow (its queue is bounded,
// what does not fit is lost); silence instead of an answer. Not simulated: flipped bits.
// Thread rule: the world's thread.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/runtime/task.h"

namespace millrace::sim {

// Chances are "one in so many", 0: never. All zero: every message arrives once, in any order that
// latency makes (latency_min == latency_max: in the order of sending).
struct MessageOptions {
    std::chrono::microseconds latency_min{10};
    std::chrono::microseconds latency_max{500};
    std::uint32_t drop_one_in = 0;
    // A second copy arrives up to repeat_late_max later.
    std::uint32_t repeat_one_in = 0;
    std::chrono::milliseconds repeat_late_max{500};
    // Held back by up to reorder_late_max, so that later ones overtake it.
    std::uint32_t reorder_one_in = 0;
    std::chrono::milliseconds reorder_late_max{20};
    // What a socket holds for its reader; more is lost.
    std::size_t queue_max = 1024;
    // What the network holds; more is lost.
    std::size_t under_way_max = 100'000;
    // Longer ones are refused by send().
    std::size_t message_bytes_max = 16 * 1024 * 1024;
};

struct MessageAddress {
    std::string host;  // a node's name; "localhost" and "127.0.0.1" are the sender's own node
    std::uint16_t port = 0;

    std::string to_string() const { return host + ":" + std::to_string(port); }
    friend auto operator<=>(const MessageAddress&, const MessageAddress&) = default;
};

struct Message {
    // Who sent it; of a returned one, whom it was meant for.
    MessageAddress peer;
    Bytes bytes;
    // The network's word that nobody has a socket at that address (the machine is up and reachable):
    // `bytes` is what this socket sent, and no copy of it was delivered to anybody. Only a hint:
    // like any message it may be lost, so its absence says nothing.
    bool returned = false;
};

class MessageSocket {
public:
    virtual ~MessageSocket() = default;  // closes; no receive() may be outstanding

    // Never waits and never says whether it arrived. kTooLarge, kClosed; nothing was sent then.
    virtual Result<void> send(MessageAddress to, Bytes message) = 0;
    // The next one; one call at a time. kClosed after close() or the death of the process.
    virtual Task<Result<Message>> receive() = 0;
    virtual MessageAddress local() const = 0;
    virtual void close() = 0;
};

// The message network as one process sees it. After die() its sockets are closed and send nothing.
class MessageSession {
public:
    virtual ~MessageSession() = default;
    // Port 0: one is chosen. kInUse when a live socket of this host has the port.
    virtual Result<std::unique_ptr<MessageSocket>> open(std::uint16_t port) = 0;
    virtual void die() = 0;
};

}  // namespace millrace::sim
