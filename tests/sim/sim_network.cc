// SPDX-License-Identifier: Apache-2.0
//
// What a process sees of the fake network: Network, Listener and ByteStream.
#include "tests/sim/sim_network.h"

#include <algorithm>
#include <list>

#include "common/runtime/rare.h"
#include "tests/sim/sim_link.h"

namespace millrace::sim {

namespace {

using FabricPtr = std::shared_ptr<NetworkFabric::Impl>;

bool is_local_name(const std::string& host) {
    return host == "127.0.0.1" || host == "localhost" || host == "::1" || host == "0.0.0.0" ||
           host == "::";
}

class SimStream final : public ByteStream {
public:
    SimStream(FabricPtr fabric, LinkPtr link, int side)
        : fabric_{std::move(fabric)}, link_{std::move(link)}, side_{side} {}
    ~SimStream() override { close(); }

    Task<Result<std::size_t>> read_some(MutableByteView into) override {
        const FabricPtr fabric = fabric_;
        const LinkPtr link = link_;
        const int side = side_;
        Pipe& pipe = link->pipes[1 - side];
        for (;;) {
            if (link->closed[side]) co_return closed_here(*link, side);
            if (!pipe.received.empty()) break;
            if (link->broken[side]) co_return reset(*link, side);
            if (pipe.ended) co_return std::size_t{0};
            co_await pipe.readable.wait();
        }
        // Now and then less than there is: readers must not rely on the sizes of writes.
        Pipe::Piece& piece = pipe.received.front();
        std::size_t count = std::min(into.size(), piece.bytes.size() - piece.taken);
        if (count > 1 && fabric->random.one_in(4)) count = fabric->random.between(1, count);
        std::memcpy(into.data(), piece.bytes.data() + piece.taken, count);
        piece.taken += count;
        if (piece.taken == piece.bytes.size()) pipe.received.pop_front();
        fabric->note("received", *link, count);
        fabric->acknowledge(link, 1 - side, count);
        co_return count;
    }

    Task<Result<void>> write(std::span<const ByteView> pieces) override {
        const FabricPtr fabric = fabric_;
        const LinkPtr link = link_;
        const int side = side_;
        Pipe& pipe = link->pipes[side];
        if (fabric->strikes(fabric->options.break_one_in)) {
            MR_PROBE("sim.network.broken");
            fabric->after(fabric->latency(link->hosts[side], link->hosts[1 - side]), [fabric, link] {
                fabric->note("breaks", *link);
                fabric->break_both(link);
            });
        }
        if (fabric->strikes(fabric->options.silence_one_in)) fabric->silence(link);
        for (ByteView piece : pieces) {
            while (!piece.empty()) {
                if (link->closed[side]) co_return closed_here(*link, side);
                if (link->broken[side]) co_return reset(*link, side);
                MR_CHECK(!pipe.end_asked);  // end_writing() says that no write follows
                const std::size_t room = fabric->options.send_buffer_bytes -
                                         std::min(fabric->options.send_buffer_bytes, pipe.queued_bytes);
                if (room == 0) {
                    MR_PROBE("sim.network.writer_waits");
                    co_await pipe.writable.wait();
                    continue;
                }
                Pipe::Piece queued;
                queued.bytes.append(piece.first(std::min(piece.size(), room)));
                piece = piece.subspan(queued.bytes.size());
                fabric->note("sent", *link, queued.bytes.size());
                pipe.queued_bytes += queued.bytes.size();
                pipe.queued.push_back(std::move(queued));
                fabric->pump(link, side);
            }
        }
        // Gives the reader a turn even when nothing had to wait.
        co_await yield();
        if (link->closed[side]) co_return closed_here(*link, side);
        co_return ok();
    }

    void end_writing() override {
        Pipe& pipe = link_->pipes[side_];
        if (link_->closed[side_] || link_->broken[side_] || pipe.end_asked) return;
        fabric_->note("ended", *link_, static_cast<std::uint64_t>(side_));
        pipe.end_asked = true;
        fabric_->pump(link_, side_);
    }

    void close() override { fabric_->close(link_, side_); }

    std::string peer() const override {
        return link_->hosts[1 - side_] + ":" + std::to_string(link_->number);
    }

private:
    static Error closed_here(const Link& link, int side) {
        return Error{ErrorCode::kClosed, "stream to " + link.hosts[1 - side] + " is closed"};
    }
    static Error reset(const Link& link, int side) {
        return Error{ErrorCode::kUnavailable, "connection reset by " + link.hosts[1 - side]};
    }
    FabricPtr fabric_;
    LinkPtr link_;
    int side_;
};

// What die() must end.
struct NetworkProcess {
    bool alive = true;
    std::list<std::pair<std::weak_ptr<Link>, int>> links;
    std::list<std::weak_ptr<Backlog>> backlogs;

    void add_link(const LinkPtr& link, int side) {
        if (links.size() >= prune_at) {
            std::erase_if(links, [](const auto& entry) { return entry.first.expired(); });
            prune_at = 2 * links.size() + 16;
        }
        links.emplace_back(link, side);
    }

private:
    std::size_t prune_at = 16;
};
using ProcessPtr = std::shared_ptr<NetworkProcess>;

class SimListener final : public Listener {
public:
    SimListener(FabricPtr fabric, ProcessPtr process, BacklogPtr backlog, Endpoint local,
                Address address)
        : fabric_{std::move(fabric)},
          process_{std::move(process)},
          backlog_{std::move(backlog)},
          local_{std::move(local)},
          address_{std::move(address)} {}
    ~SimListener() override { close(); }

    Task<Result<std::unique_ptr<ByteStream>>> accept() override {
        const FabricPtr fabric = fabric_;
        const ProcessPtr process = process_;
        const BacklogPtr backlog = backlog_;
        for (;;) {
            if (backlog->closed) co_return Error{ErrorCode::kClosed, "listener is closed"};
            if (!backlog->waiting.empty()) break;
            co_await backlog->arrived.wait();
        }
        LinkPtr link = std::move(backlog->waiting.front());
        backlog->waiting.pop_front();
        process->add_link(link, 1);
        fabric->note("accepted", *link);
        std::unique_ptr<ByteStream> stream =
            std::make_unique<SimStream>(fabric, std::move(link), 1);
        co_return std::move(stream);
    }

    Endpoint local() const override { return local_; }

    void close() override {
        if (backlog_->closed) return;
        backlog_->closed = true;
        const auto found = fabric_->listeners.find(address_);
        if (found != fabric_->listeners.end() && found->second == backlog_)
            fabric_->listeners.erase(found);
        for (const LinkPtr& link : backlog_->waiting) fabric_->break_side(link, 1);
        backlog_->waiting.clear();
        backlog_->arrived.notify_all();
    }

private:
    FabricPtr fabric_;
    ProcessPtr process_;
    BacklogPtr backlog_;
    Endpoint local_;
    Address address_;
};

class SimNetworkSession final : public NetworkSession {
public:
    SimNetworkSession(FabricPtr fabric, std::string host, Clock& clock)
        : fabric_{std::move(fabric)}, host_{std::move(host)}, clock_{clock} {}

    void die(Death death) override {
        process_->alive = false;
        for (auto& [weak, side] : process_->links) {
            if (const LinkPtr link = weak.lock()) abandon(link, side, death == Death::kKill);
        }
        process_->links.clear();
        for (auto& weak : process_->backlogs) {
            const BacklogPtr backlog = weak.lock();
            if (!backlog) continue;
            backlog->closed = true;
            for (const LinkPtr& link : backlog->waiting) abandon(link, 1, false);
            backlog->waiting.clear();
            backlog->arrived.notify_all();
            std::erase_if(fabric_->listeners,
                          [&](const auto& entry) { return entry.second == backlog; });
        }
        process_->backlogs.clear();
        fabric_->ways_changed.notify_all();
    }

    Task<Result<std::unique_ptr<ByteStream>>> connect(Endpoint endpoint,
                                                      Deadline deadline) override {
        const FabricPtr fabric = fabric_;
        const ProcessPtr process = process_;
        Clock& clock = clock_;
        const std::string from = host_;
        const std::string to = is_local_name(endpoint.host) ? from : endpoint.host;
        // The kernel would give up after two minutes.
        const MonotonicTime end = std::min(deadline.when(), clock.now() + std::chrono::minutes{2});
        const bool hangs = fabric->strikes(fabric->options.hang_one_in);
        if (hangs) MR_PROBE("sim.network.connect_hangs");
        const MonotonicTime answered = clock.now() + fabric->latency(from, to);
        bool reached = false;
        if (!hangs && answered <= end) {
            co_await sleep_until(clock, answered);
            // The kernel tries again until the ways are open in both directions.
            for (;;) {
                if (!process->alive) co_return Error{ErrorCode::kClosed, "process is dead"};
                const MonotonicTime clogged =
                    std::max(fabric->conditions.clogged_until(from, to), fabric->conditions.clogged_until(to, from));
                const bool blocked = fabric->conditions.blocked(from, to) || fabric->conditions.blocked(to, from);
                reached = !blocked && clogged <= fabric->clock.now();
                if (reached || clock.now() >= end) break;
                MR_PROBE("sim.network.connect_blocked");
                if (blocked) {
                    (void)co_await fabric->ways_changed.wait_until(clock, end);
                } else {
                    const auto wait = clogged - fabric->clock.now();
                    co_await sleep_until(clock, std::min(end, clock.now() + wait));
                }
            }
        } else {
            while (process->alive && clock.now() < end)
                (void)co_await fabric->ways_changed.wait_until(clock, end);
        }
        if (!process->alive) co_return Error{ErrorCode::kClosed, "process is dead"};
        if (!reached) {
            co_return Error{ErrorCode::kUnavailable,
                            "connect to " + endpoint.to_string() + ": not answered in time"};
        }
        const auto listener = fabric->listeners.find(Address{to, endpoint.port});
        const bool refuses = fabric->strikes(fabric->options.refuse_one_in);
        if (refuses) MR_PROBE("sim.network.connect_refused");
        if (refuses || listener == fabric->listeners.end() ||
            listener->second->waiting.size() >= Backlog::kMax) {
            co_return Error{ErrorCode::kUnavailable,
                            "connect to " + endpoint.to_string() + ": connection refused"};
        }
        LinkPtr link = fabric->make_link(from, to);
        process->add_link(link, 0);
        listener->second->waiting.push_back(link);
        listener->second->arrived.notify_one();
        fabric->note("connected", *link, endpoint.port);
        std::unique_ptr<ByteStream> stream =
            std::make_unique<SimStream>(fabric, std::move(link), 0);
        co_return std::move(stream);
    }

    Task<Result<std::unique_ptr<Listener>>> listen(Endpoint endpoint) override {
        if (!process_->alive) co_return Error{ErrorCode::kClosed, "process is dead"};
        if (!is_local_name(endpoint.host) && endpoint.host != host_) {
            co_return Error{ErrorCode::kInvalidArgument,
                            "listen on " + endpoint.to_string() + ": not an address of " + host_};
        }
        if (endpoint.port == 0) {
            do {
                endpoint.port = ++fabric_->last_port;
            } while (fabric_->listeners.contains(Address{host_, endpoint.port}));
        }
        const Address address{host_, endpoint.port};
        auto backlog = std::make_shared<Backlog>();
        if (!fabric_->listeners.emplace(address, backlog).second) {
            co_return Error{ErrorCode::kInUse,
                            "listen on " + endpoint.to_string() + ": address already in use"};
        }
        process_->backlogs.push_back(backlog);
        std::unique_ptr<Listener> listener =
            std::make_unique<SimListener>(fabric_, process_, std::move(backlog), endpoint, address);
        co_return std::move(listener);
    }

private:
    // The kernel closes for the process, or the machine is gone and its peers learn of it when their own
    // probes fail.
    void abandon(const LinkPtr& link, int side, bool may_say_goodbye) {
        if (link->closed[side]) return;
        switch (fabric_->random.between(0, may_say_goodbye ? 4 : 3)) {
            case 0:
                MR_PROBE("sim.network.process_died_in_silence");
                link->closed[side] = true;
                link->broken[side] = true;
                link->wake(side);
                fabric_->break_later(link, 1 - side,
                                     std::chrono::milliseconds{fabric_->random.between(100, 5000)});
                break;
            case 3:
                fabric_->close(link, side);
                break;
            default:
                fabric_->break_side(link, side);
                link->closed[side] = true;
                break;
        }
    }

    FabricPtr fabric_;
    std::string host_;
    Clock& clock_;
    ProcessPtr process_ = std::make_shared<NetworkProcess>();
};

}  // namespace

NetworkFabric::NetworkFabric(Seams seams) : impl_{std::make_shared<Impl>(std::move(seams))} {}
NetworkFabric::~NetworkFabric() = default;

NetworkOptions& NetworkFabric::options() { return impl_->options; }
MessageOptions& NetworkFabric::message_options() { return impl_->messages.options(); }

std::unique_ptr<NetworkSession> NetworkFabric::attach(std::string host, Clock& clock) {
    return std::make_unique<SimNetworkSession>(impl_, std::move(host), clock);
}

std::unique_ptr<MessageSession> NetworkFabric::attach_messages(std::string host) {
    return impl_->messages.attach(std::move(host));
}

void NetworkFabric::cut(const std::string& a, const std::string& b) {
    for (const LinkPtr& link : impl_->links_between(a, b)) {
        impl_->note("cut", *link);
        impl_->break_both(link);
    }
}

void NetworkFabric::silence(const std::string& a, const std::string& b) {
    for (const LinkPtr& link : impl_->links_between(a, b)) impl_->silence(link);
}

void NetworkFabric::partition(const std::string& a, const std::string& b) {
    impl_->conditions.block(a, b);
    impl_->conditions.block(b, a);
    for (const LinkPtr& link : impl_->links_between(a, b)) impl_->ways_shut(link);
}

void NetworkFabric::partition_one_way(const std::string& from, const std::string& to) {
    impl_->conditions.block(from, to);
    for (const LinkPtr& link : impl_->links_between(from, to)) impl_->ways_shut(link);
}

void NetworkFabric::heal(const std::string& a, const std::string& b) {
    impl_->conditions.unblock(a, b);
    impl_->conditions.unblock(b, a);
    impl_->ways_opened();
}

void NetworkFabric::clog(const std::string& from, const std::string& to, std::chrono::nanoseconds duration) {
    impl_->conditions.clog(from, to, impl_->clock.now() + duration);
}

void NetworkFabric::slow(const std::string& from, const std::string& to, std::chrono::nanoseconds by) {
    impl_->conditions.slow(from, to, by);
}

void NetworkFabric::set_down(const std::string& host, bool down) {
    impl_->conditions.set_down(host, down);
    if (!down) return impl_->ways_opened();
    for (const LinkPtr& link : impl_->all_links()) {
        if (link->hosts[0] == host || link->hosts[1] == host) impl_->ways_shut(link);
    }
}

void NetworkFabric::heal_all() {
    impl_->conditions.clear();
    impl_->ways_opened();
}

void NetworkFabric::shut_down() {
    for (const LinkPtr& link : impl_->all_links()) impl_->break_both(link);
    const auto listeners = impl_->listeners;
    for (const auto& [address, backlog] : listeners) {
        backlog->closed = true;
        backlog->arrived.notify_all();
    }
    impl_->messages.shut_down();
}

}  // namespace millrace::sim
