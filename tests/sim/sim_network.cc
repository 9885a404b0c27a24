// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_network.h"

#include <algorithm>
#include <array>
#include <deque>
#include <list>
#include <map>
#include <set>
#include <vector>

#include "common/runtime/signal.h"

namespace millrace::sim {

namespace {

struct Chunk {
    MonotonicTime arrives;
    ByteBuffer bytes;
    std::size_t taken = 0;
};

// One direction of a connection.
struct Pipe {
    std::deque<Chunk> chunks;
    std::size_t buffered = 0;
    MonotonicTime last_arrival{};
    std::optional<MonotonicTime> ends;  // the writer closed
    Signal readable;
    Signal writable;
};

// A connection; side 0 connected, side 1 accepted.
struct Link {
    std::array<Pipe, 2> pipes;  // pipes[s] carries what side s writes
    std::array<std::string, 2> hosts;
    std::array<bool, 2> closed{};
    bool doomed = false;  // crossed a partition: nothing arrives any more, and some day it breaks
    bool broken = false;
    std::uint64_t number = 0;

    void wake_all() {
        for (Pipe& pipe : pipes) {
            pipe.readable.notify_all();
            pipe.writable.notify_all();
        }
    }
    void break_now() {
        broken = true;
        wake_all();
    }
};
using LinkPtr = std::shared_ptr<Link>;

struct Backlog {
    static constexpr std::size_t kMax = 128;
    std::deque<LinkPtr> waiting;
    Signal arrived;
    bool closed = false;
};
using BacklogPtr = std::shared_ptr<Backlog>;
using Address = std::pair<std::string, std::uint16_t>;

bool is_local_name(const std::string& host) {
    return host == "127.0.0.1" || host == "localhost" || host == "::1" || host == "0.0.0.0" ||
           host == "::";
}

}  // namespace

class NetworkFabric::Impl : public std::enable_shared_from_this<NetworkFabric::Impl> {
public:
    explicit Impl(Seams seams)
        : executor{std::move(seams.executor)},
          clock{seams.clock},
          trace{seams.trace},
          random{seams.seed} {}

    std::chrono::nanoseconds latency() {
        return std::chrono::microseconds{
            random.between(static_cast<std::uint64_t>(options.latency_min.count()),
                           static_cast<std::uint64_t>(options.latency_max.count()) + 1)};
    }
    void note(std::string_view what, const Link& link, std::uint64_t a = 0) {
        trace.note(clock.now(), what, link.hosts[0] + ">" + link.hosts[1], link.number, a);
    }
    bool apart(const std::string& a, const std::string& b) const {
        return partitions.contains(std::minmax(a, b));
    }
    void after(std::chrono::nanoseconds delay, UniqueFunction<void()> work) {
        clock.schedule(clock.now() + delay, executor, std::move(work));
    }
    void break_later(const LinkPtr& link, std::chrono::nanoseconds delay) {
        after(delay, [self = shared_from_this(), link] {
            self->note("broken", *link);
            link->break_now();
        });
    }
    std::vector<LinkPtr> links_between(const std::string& a, const std::string& b) {
        std::erase_if(links, [](const std::weak_ptr<Link>& link) { return link.expired(); });
        std::vector<LinkPtr> found;
        for (const auto& weak : links) {
            LinkPtr link = weak.lock();
            if (link && std::minmax(link->hosts[0], link->hosts[1]) == std::minmax(a, b))
                found.push_back(std::move(link));
        }
        return found;
    }

    Executor executor;
    SimClock& clock;
    Trace& trace;
    SeededRandom random;
    NetworkOptions options;
    std::list<std::weak_ptr<Link>> links;
    std::map<Address, BacklogPtr> listeners;
    std::set<std::pair<std::string, std::string>> partitions;
    std::uint64_t last_link = 0;
    std::uint16_t last_port = 40000;
};

namespace {

using FabricPtr = std::shared_ptr<NetworkFabric::Impl>;

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
            if (link->broken) co_return reset(*link, side);
            const MonotonicTime now = fabric->clock.now();
            if (!link->doomed) {
                if (!pipe.chunks.empty() && pipe.chunks.front().arrives <= now) break;
                if (pipe.chunks.empty() && pipe.ends && *pipe.ends <= now) co_return std::size_t{0};
            }
            co_await pipe.readable.wait();
        }
        // Now and then less than there is: readers must not rely on the sizes of writes.
        Chunk& chunk = pipe.chunks.front();
        std::size_t count = std::min(into.size(), chunk.bytes.size() - chunk.taken);
        if (count > 1 && fabric->random.one_in(4)) count = fabric->random.between(1, count);
        std::memcpy(into.data(), chunk.bytes.data() + chunk.taken, count);
        chunk.taken += count;
        if (chunk.taken == chunk.bytes.size()) pipe.chunks.pop_front();
        pipe.buffered -= count;
        pipe.writable.notify_all();
        fabric->note("received", *link, count);
        co_return count;
    }

    Task<Result<void>> write(std::span<const ByteView> pieces) override {
        const FabricPtr fabric = fabric_;
        const LinkPtr link = link_;
        const int side = side_;
        Pipe& pipe = link->pipes[side];
        if (fabric->options.break_one_in > 0 &&
            fabric->random.one_in(fabric->options.break_one_in)) {
            fabric->break_later(link, fabric->latency());
        }
        for (ByteView piece : pieces) {
            while (!piece.empty()) {
                if (link->closed[side]) co_return closed_here(*link, side);
                if (link->broken) co_return reset(*link, side);
                if (link->closed[1 - side] && pipe_end_arrived(*fabric, *link, 1 - side)) {
                    link->break_now();
                    continue;
                }
                const std::size_t room = fabric->options.buffer_bytes -
                                         std::min(fabric->options.buffer_bytes, pipe.buffered);
                if (room == 0) {
                    co_await pipe.writable.wait();
                    continue;
                }
                const std::size_t count = std::min(piece.size(), room);
                Chunk chunk;
                chunk.bytes.append(piece.first(count));
                // In order: never before what was sent earlier.
                chunk.arrives =
                    std::max(pipe.last_arrival, fabric->clock.now() + fabric->latency());
                pipe.last_arrival = chunk.arrives;
                pipe.chunks.push_back(std::move(chunk));
                pipe.buffered += count;
                fabric->clock.schedule(pipe.last_arrival, fabric->executor,
                                       [link, side] { link->pipes[side].readable.notify_all(); });
                fabric->note("sent", *link, count);
                piece = piece.subspan(count);
            }
        }
        // Gives the reader a turn even when nothing had to wait.
        co_await yield();
        if (link->closed[side]) co_return closed_here(*link, side);
        co_return ok();
    }

    void close() override {
        if (link_->closed[side_]) return;
        link_->closed[side_] = true;
        fabric_->note("closed", *link_, static_cast<std::uint64_t>(side_));
        Pipe& pipe = link_->pipes[side_];
        pipe.ends = std::max(pipe.last_arrival, fabric_->clock.now() + fabric_->latency());
        fabric_->clock.schedule(*pipe.ends, fabric_->executor,
                                [link = link_] { link->wake_all(); });
        link_->wake_all();
    }

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
    static bool pipe_end_arrived(NetworkFabric::Impl& fabric, const Link& link, int side) {
        return link.pipes[side].ends && *link.pipes[side].ends <= fabric.clock.now();
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
        process->links.emplace_back(link, 1);
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
        for (const LinkPtr& link : backlog_->waiting) link->break_now();
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
    SimNetworkSession(FabricPtr fabric, std::string host)
        : fabric_{std::move(fabric)}, host_{std::move(host)} {}

    void die() override {
        process_->alive = false;
        for (auto& [weak, side] : process_->links) {
            const LinkPtr link = weak.lock();
            if (!link) continue;
            link->closed[side] = true;
            link->wake_all();
            // The other side hears of it at once (a reset) or only when its own probes fail.
            const bool silent = fabric_->random.one_in(4);
            fabric_->break_later(
                link, silent ? std::chrono::milliseconds{fabric_->random.between(100, 5000)}
                             : fabric_->latency());
        }
        process_->links.clear();
        for (auto& weak : process_->backlogs) {
            const BacklogPtr backlog = weak.lock();
            if (!backlog) continue;
            backlog->closed = true;
            for (const LinkPtr& link : backlog->waiting)
                fabric_->break_later(link, fabric_->latency());
            backlog->waiting.clear();
            backlog->arrived.notify_all();
            std::erase_if(fabric_->listeners,
                          [&](const auto& entry) { return entry.second == backlog; });
        }
        process_->backlogs.clear();
    }

    Task<Result<std::unique_ptr<ByteStream>>> connect(Endpoint endpoint,
                                                      Deadline deadline) override {
        const FabricPtr fabric = fabric_;
        const ProcessPtr process = process_;
        const std::string from = host_;
        const std::string to = is_local_name(endpoint.host) ? from : endpoint.host;
        if (!process->alive) co_return Error{ErrorCode::kClosed, "process is dead"};
        const MonotonicTime answered = fabric->clock.now() + fabric->latency();
        if (fabric->apart(from, to) || answered > deadline.when()) {
            // Nobody answers; the kernel would give up after two minutes.
            co_await sleep_until(
                fabric->clock,
                std::min(deadline.when(), fabric->clock.now() + std::chrono::minutes{2}));
            co_return Error{ErrorCode::kUnavailable,
                            "connect to " + endpoint.to_string() + ": timed out"};
        }
        co_await sleep_until(fabric->clock, answered);
        if (!process->alive) co_return Error{ErrorCode::kClosed, "process is dead"};
        const auto listener = fabric->listeners.find(Address{to, endpoint.port});
        if (listener == fabric->listeners.end() ||
            listener->second->waiting.size() >= Backlog::kMax) {
            co_return Error{ErrorCode::kUnavailable,
                            "connect to " + endpoint.to_string() + ": connection refused"};
        }
        auto link = std::make_shared<Link>();
        link->hosts = {from, to};
        link->number = ++fabric->last_link;
        fabric->links.push_back(link);
        process->links.emplace_back(link, 0);
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
    FabricPtr fabric_;
    std::string host_;
    ProcessPtr process_ = std::make_shared<NetworkProcess>();
};

}  // namespace

NetworkFabric::NetworkFabric(Seams seams) : impl_{std::make_shared<Impl>(std::move(seams))} {}
NetworkFabric::~NetworkFabric() = default;

NetworkOptions& NetworkFabric::options() { return impl_->options; }

std::unique_ptr<NetworkSession> NetworkFabric::attach(std::string host) {
    return std::make_unique<SimNetworkSession>(impl_, std::move(host));
}

void NetworkFabric::cut(const std::string& a, const std::string& b) {
    for (const LinkPtr& link : impl_->links_between(a, b)) {
        impl_->note("cut", *link);
        link->break_now();
    }
}

void NetworkFabric::partition(const std::string& a, const std::string& b) {
    impl_->partitions.insert(std::minmax(a, b));
    for (const LinkPtr& link : impl_->links_between(a, b)) {
        link->doomed = true;
        impl_->break_later(link, std::chrono::milliseconds{impl_->random.between(1, 3000)});
    }
}

void NetworkFabric::heal(const std::string& a, const std::string& b) {
    impl_->partitions.erase(std::minmax(a, b));
}

void NetworkFabric::heal_all() { impl_->partitions.clear(); }

void NetworkFabric::shut_down() {
    for (const auto& weak : impl_->links) {
        if (const LinkPtr link = weak.lock()) link->break_now();
    }
    for (const auto& [address, backlog] : impl_->listeners) {
        backlog->closed = true;
        backlog->arrived.notify_all();
    }
}

}  // namespace millrace::sim
