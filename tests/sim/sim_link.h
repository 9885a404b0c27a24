// SPDX-License-Identifier: Apache-2.0
//
// One simulated connection, and the fabric that moves its bytes: sender's buffer, wire, receiver's
// buffer, in both directions. Thread rule: the world's thread.
#pragma once

#include <array>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "common/runtime/signal.h"
#include "tests/sim/conditions.h"
#include "tests/sim/sim_network.h"

namespace millrace::sim {

// One direction of a connection.
struct Pipe {
    struct Piece {
        MonotonicTime arrives;  // on the wire
        ByteBuffer bytes;
        std::size_t taken = 0;  // by the reader
    };
    std::deque<Piece> queued;  // in the sender's buffer
    std::size_t queued_bytes = 0;
    std::deque<Piece> flight;  // on the wire, in order of arrival
    std::deque<Piece> received;
    // On the wire, in the receiver's buffer, or read without the sender knowing.
    std::size_t window_used = 0;
    std::size_t owed = 0;  // of window_used: read, but the way back was not open
    MonotonicTime last_arrival{};
    bool end_asked = false;  // the writer closed: the end follows what is queued
    std::optional<MonotonicTime> end_arrives;
    bool ended = false;
    // Wire events of an older number are void: what was under way went back into the queue.
    std::uint64_t generation = 0;
    bool waits_for_clog = false;
    Signal readable;
    Signal writable;
};

// A connection; side 0 connected, side 1 accepted.
struct Link {
    std::array<Pipe, 2> pipes;  // pipes[s] carries what side s writes
    std::array<std::string, 2> hosts;
    std::array<bool, 2> closed{};
    std::array<bool, 2> broken{};
    std::array<bool, 2> gives_up{};  // a timer runs after which this side breaks if nothing passes
    bool dead = false;               // nothing passes any more, and nobody is told
    std::uint64_t number = 0;

    void wake(int side) {
        pipes[1 - side].readable.notify_all();
        pipes[side].writable.notify_all();
    }
};
using LinkPtr = std::shared_ptr<Link>;

// Connections that wait for accept().
struct Backlog {
    static constexpr std::size_t kMax = 128;
    std::deque<LinkPtr> waiting;
    Signal arrived;
    bool closed = false;
};
using BacklogPtr = std::shared_ptr<Backlog>;
using Address = std::pair<std::string, std::uint16_t>;

class NetworkFabric::Impl : public std::enable_shared_from_this<NetworkFabric::Impl> {
public:
    explicit Impl(Seams seams);

    std::chrono::nanoseconds latency(const std::string& from, const std::string& to);
    bool strikes(std::uint32_t one_in) { return one_in > 0 && random.one_in(one_in); }
    void note(std::string_view what, const Link& link, std::uint64_t a = 0) {
        trace.note(clock.now(), what, link.hosts[0] + ">" + link.hosts[1], link.number, a);
    }
    void after(std::chrono::nanoseconds delay, UniqueFunction<void()> work) {
        clock.schedule(clock.now() + delay, executor, std::move(work));
    }
    // Whether bytes of `side` can reach the other side now (clogs aside).
    bool passes(const Link& link, int side) const {
        return !link.dead && !conditions.blocked(link.hosts[side], link.hosts[1 - side]);
    }

    LinkPtr make_link(const std::string& from, const std::string& to);
    std::vector<LinkPtr> links_between(const std::string& a, const std::string& b);
    std::vector<LinkPtr> all_links();

    // Puts what the window and the way allow from the sender's buffer on the wire.
    void pump(const LinkPtr& link, int side);
    // `count` bytes of `side`'s pipe were read.
    void acknowledge(const LinkPtr& link, int side, std::size_t count);
    // That side's process closes: in order, or with a reset when it leaves bytes unread.
    void close(const LinkPtr& link, int side);
    void break_side(const LinkPtr& link, int side);
    void break_later(const LinkPtr& link, int side, std::chrono::nanoseconds delay);
    void break_both(const LinkPtr& link);
    void silence(const LinkPtr& link);
    // The ways between hosts have become worse, or better.
    void ways_shut(const LinkPtr& link);
    void ways_opened();

    Executor executor;
    SimClock& clock;
    Trace& trace;
    SeededRandom random;
    NetworkOptions options;
    Conditions conditions;
    MessageFabric messages;
    Signal ways_changed;
    std::list<std::weak_ptr<Link>> links;
    std::map<Address, BacklogPtr> listeners;
    std::uint64_t last_link = 0;
    std::uint16_t last_port = 40000;

private:
    void deliver(const LinkPtr& link, int side, std::uint64_t generation);
    void settle(const LinkPtr& link, int side);
    void arm_give_up(const LinkPtr& link, int side);
    void wait_for_clog(const LinkPtr& link, int side, MonotonicTime until);

    std::size_t prune_links_at_ = 64;
};

}  // namespace millrace::sim
