// SPDX-License-Identifier: Apache-2.0
//
// Echo of length-prefixed frames: our transport (real sockets, Connection, the event loop of a shard)
// against a bare epoll loop on the same sockets' options, alternating in one run. Both are loaded by
// the same client, a thread of plain system calls that keeps a window of frames under way on each of
// a few connections. Prints messages/s and MB/s of both and the ratio of each round: its median and spread.
//
//     millrace_echo_bench [rounds] [milliseconds per measurement] [part of a load's name]
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/binary.h"
#include "common/base/check.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "common/runtime/gate.h"
#include "common/transport/connection.h"
#include "tests/bench/bench.h"

namespace millrace::bench {
namespace {

constexpr std::size_t kHeaderBytes = wire::kFrameHeaderBytes;

// The yardstick: one thread, level-triggered epoll, one buffer a connection. Whole frames go back as they
// came, in one send; what the socket does not take waits in the buffer, and meanwhile nothing is read.
class BareServer {
public:
    BareServer() {
        listener_ = checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        sockaddr_in address = loopback(0);
        checked(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address));
        checked(::listen(listener_, 128));
        socklen_t size = sizeof address;
        checked(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size));
        port_ = ntohs(address.sin_port);
        epoll_ = checked(::epoll_create1(EPOLL_CLOEXEC));
        stop_ = checked(::eventfd(0, EFD_CLOEXEC));
        watch(listener_, EPOLLIN, &listener_);
        watch(stop_, EPOLLIN, &stop_);
        thread_ = std::thread{[this] { run(); }};
    }
    BareServer(const BareServer&) = delete;
    BareServer& operator=(const BareServer&) = delete;
    ~BareServer() {
        const std::uint64_t one = 1;
        MR_CHECK(::write(stop_, &one, sizeof one) == sizeof one);
        thread_.join();
        for (const auto& peer : peers_) {
            if (peer->fd >= 0) ::close(peer->fd);
        }
        ::close(listener_);
        ::close(epoll_);
        ::close(stop_);
    }
    std::uint16_t port() const { return port_; }

private:
    struct Peer {
        int fd = -1;
        std::vector<std::byte> bytes = std::vector<std::byte>(256 * 1024);
        std::size_t end = 0;    // received
        std::size_t whole = 0;  // of it in whole frames
        std::size_t sent = 0;
        bool waits_to_write = false;
    };

    void watch(int fd, std::uint32_t events, void* what, int operation = EPOLL_CTL_ADD) {
        epoll_event event{};
        event.events = events;
        event.data.ptr = what;
        checked(::epoll_ctl(epoll_, operation, fd, &event));
    }

    void run() {
        epoll_event events[64];
        for (;;) {
            const int count = ::epoll_wait(epoll_, events, 64, -1);
            for (int i = 0; i < count; ++i) {
                if (events[i].data.ptr == &stop_) return;
                if (events[i].data.ptr == &listener_) {
                    const int fd = checked(::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
                    set_socket_options(fd);
                    Peer& peer = *peers_.emplace_back(std::make_unique<Peer>());
                    peer.fd = fd;
                    watch(fd, EPOLLIN, &peer);
                    continue;
                }
                serve(*static_cast<Peer*>(events[i].data.ptr));
            }
        }
    }

    void serve(Peer& peer) {
        if (!peer.waits_to_write) {
            const ssize_t count = ::recv(peer.fd, peer.bytes.data() + peer.end, peer.bytes.size() - peer.end, 0);
            if (count < 0 && errno == EAGAIN) return;
            if (count <= 0) {
                ::close(std::exchange(peer.fd, -1));
                return;
            }
            peer.end += static_cast<std::size_t>(count);
            while (peer.end - peer.whole >= kHeaderBytes) {
                const ByteView header{peer.bytes.data() + peer.whole, kHeaderBytes};
                const std::size_t frame = kHeaderBytes + static_cast<std::size_t>(wire::read_frame_header(header).length);
                if (frame > peer.bytes.size()) std::exit(1);
                if (peer.end - peer.whole < frame) break;
                peer.whole += frame;
            }
        }
        while (peer.sent < peer.whole) {
            const ssize_t count =
                ::send(peer.fd, peer.bytes.data() + peer.sent, peer.whole - peer.sent, MSG_NOSIGNAL);
            if (count < 0 && errno == EAGAIN) {
                if (!std::exchange(peer.waits_to_write, true)) watch(peer.fd, EPOLLOUT, &peer, EPOLL_CTL_MOD);
                return;
            }
            if (count < 0) {
                ::close(std::exchange(peer.fd, -1));
                return;
            }
            peer.sent += static_cast<std::size_t>(count);
        }
        std::memmove(peer.bytes.data(), peer.bytes.data() + peer.whole, peer.end - peer.whole);
        peer.end -= peer.whole;
        peer.whole = peer.sent = 0;
        if (std::exchange(peer.waits_to_write, false)) watch(peer.fd, EPOLLIN, &peer, EPOLL_CTL_MOD);
    }

    int listener_ = -1;
    int epoll_ = -1;
    int stop_ = -1;
    std::uint16_t port_ = 0;
    std::vector<std::unique_ptr<Peer>> peers_;
    std::thread thread_;
};

// Ours: a shard, its network, a Connection a peer with the resources that a store gives it.
class TransportServer {
public:
    TransportServer() {
        runtime_.start_thread("echo");
        block_on(runtime_.executor(), [this]() -> Task<bool> {
            listener_ = (co_await runtime_.bundle().network.listen(Endpoint{"127.0.0.1", 0})).value();
            port_ = listener_->local().port;
            gate_.spawn(runtime_.executor(), [this] { return accept_loop(); });
            co_return true;
        });
    }
    TransportServer(const TransportServer&) = delete;
    TransportServer& operator=(const TransportServer&) = delete;
    ~TransportServer() {
        block_on(runtime_.executor(), [this]() -> Task<bool> {
            listener_->close();
            for (const auto& connection : connections_) connection->shut(Error{ErrorCode::kClosed, "done"});
            co_await gate_.close();
            for (const auto& connection : connections_) co_await connection->close();
            connections_.clear();
            co_return true;
        });
        runtime_.stop();
        runtime_.join();
    }
    std::uint16_t port() const { return port_; }
    transport::ConnectionCounters counters() const { return resources_.counters; }

private:
    Task<void> accept_loop() {
        for (;;) {
            auto stream = co_await listener_->accept();
            if (!stream) co_return;
            transport::ConnectionOptions options;
            options.resources = &resources_;
            transport::Connection& connection = *connections_.emplace_back(
                std::make_unique<transport::Connection>(runtime_.bundle(), std::move(stream).value(), options));
            gate_.spawn(runtime_.executor(), [this, &connection] { return serve(connection); });
        }
    }

    Task<void> serve(transport::Connection& connection) {
        constexpr std::size_t kCopiedBytes = 2 * 1024;
        constexpr std::size_t kQueueBytes = 1024 * 1024;
        for (;;) {
            {
                auto run = co_await connection.receive_run();
                if (!run) co_return;
                for (const transport::FrameView frame : *run) {
                    if (frame.payload.size() <= kCopiedBytes) connection.send_frame(frame.type, frame.payload);
                    else connection.send_frame(frame.type, run->share(frame.payload));
                }
            }
            if (connection.queued_bytes() > kQueueBytes && !co_await connection.drained(kQueueBytes)) co_return;
        }
    }

    AsioRuntime runtime_{AsioRuntimeOptions{.seed = 1}};
    transport::ConnectionResources resources_{
        .received = std::make_shared<MemoryBudget>(512 * 1024 * 1024), .pool = BufferPool{}, .counters = {}};
    std::unique_ptr<Listener> listener_;
    std::uint16_t port_ = 0;
    std::vector<std::unique_ptr<transport::Connection>> connections_;
    Gate gate_;
};

struct Load {
    const char* name;
    std::size_t payload_bytes;
    std::size_t connections;
    std::size_t window;  // frames under way on each
    double least_ratio;
};

struct Figures {
    double messages_per_second = 0;
    double megabytes_per_second = 0;  // one way
};

// Keeps `window` frames under way on every connection for `time`, and counts those that came back.
Figures measure(std::uint16_t port, const Load& load, std::chrono::milliseconds time) {
    struct Socket {
        int fd = -1;
        std::size_t to_send = 0;  // bytes
        std::size_t at = 0;       // in the block, of the next byte to send
        std::uint64_t received = 0;
        std::uint64_t credited = 0;  // frames that came back and made room for one more
        bool waits_to_write = false;
    };
    const std::size_t frame_bytes = kHeaderBytes + load.payload_bytes;
    // Frames one after the other, to send from at any frame's byte.
    const std::size_t frames_in_block = std::max<std::size_t>(load.window, 256 * 1024 / frame_bytes + 1);
    ByteBuffer block;
    for (std::size_t i = 0; i < frames_in_block; ++i) {
        BigEndianWriter writer{block};
        writer.i32(0);
        writer.i32(static_cast<std::int32_t>(load.payload_bytes));
        block.append(ByteBuffer(load.payload_bytes, static_cast<std::byte>(i)));
    }
    std::vector<std::byte> sink(256 * 1024);
    const int epoll = checked(::epoll_create1(EPOLL_CLOEXEC));
    std::vector<Socket> sockets(load.connections);
    const auto watch = [epoll](Socket& socket, std::uint32_t events, int operation) {
        epoll_event event{};
        event.events = events;
        event.data.ptr = &socket;
        checked(::epoll_ctl(epoll, operation, socket.fd, &event));
    };
    const auto send_more = [&](Socket& socket) {
        while (socket.to_send > 0) {
            const std::size_t size = std::min(socket.to_send, block.size() - socket.at);
            const ssize_t count = ::send(socket.fd, block.data() + socket.at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count < 0) {
                if (errno != EAGAIN) checked(-1);
                if (!std::exchange(socket.waits_to_write, true)) watch(socket, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
                return;
            }
            socket.to_send -= static_cast<std::size_t>(count);
            socket.at = (socket.at + static_cast<std::size_t>(count)) % block.size();
        }
        if (std::exchange(socket.waits_to_write, false)) watch(socket, EPOLLIN, EPOLL_CTL_MOD);
    };
    for (Socket& socket : sockets) {
        socket.fd = connect_loopback(port);
        watch(socket, EPOLLIN, EPOLL_CTL_ADD);
        socket.to_send = load.window * frame_bytes;
        send_more(socket);
    }
    // A fifth of the time to warm up.
    const auto begin = SteadyClock::now() + time / 5;
    const auto end = SteadyClock::now() + time;
    std::optional<std::pair<SteadyClock::time_point, std::uint64_t>> first;
    std::uint64_t received = 0;
    SteadyClock::time_point now;
    do {
        epoll_event events[64];
        const int count = ::epoll_wait(epoll, events, 64, 100);
        for (int i = 0; i < count; ++i) {
            Socket& socket = *static_cast<Socket*>(events[i].data.ptr);
            if ((events[i].events & EPOLLIN) != 0) {
                const ssize_t got = ::recv(socket.fd, sink.data(), sink.size(), MSG_DONTWAIT);
                if (got == 0) std::exit(1);
                if (got > 0) {
                    socket.received += static_cast<std::uint64_t>(got);
                    received += static_cast<std::uint64_t>(got);
                    const std::uint64_t whole = socket.received / frame_bytes;
                    socket.to_send += (whole - std::exchange(socket.credited, whole)) * frame_bytes;
                }
            }
            send_more(socket);
        }
        now = SteadyClock::now();
        if (!first && now >= begin) first.emplace(now, received);
    } while (now < end);
    const double elapsed = std::chrono::duration<double>(now - first->first).count();
    const double bytes = static_cast<double>(received - first->second);
    for (const Socket& socket : sockets) ::close(socket.fd);
    ::close(epoll);
    return {bytes / static_cast<double>(frame_bytes) / elapsed,
            bytes / static_cast<double>(frame_bytes) * static_cast<double>(load.payload_bytes) / elapsed / 1e6};
}

void compare(const Load& load, int rounds, std::chrono::milliseconds time) {
    std::vector<double> bare_messages, ours_messages, bare_megabytes, ours_megabytes, ratios;
    for (int round = 0; round < rounds; ++round) {
        Figures bare;
        Figures ours;
        // Who is first changes, so that neither profits from the other's warm machine.
        for (const bool own : {round % 2 == 0, round % 2 != 0}) {
            if (own) ours = measure(TransportServer{}.port(), load, time);
            else bare = measure(BareServer{}.port(), load, time);
        }
        bare_messages.push_back(bare.messages_per_second);
        ours_messages.push_back(ours.messages_per_second);
        bare_megabytes.push_back(bare.megabytes_per_second);
        ours_megabytes.push_back(ours.megabytes_per_second);
        ratios.push_back(ours.messages_per_second / bare.messages_per_second);
    }
    std::printf("%-26s bare %10.0f msg/s %7.0f MB/s   ours %10.0f msg/s %7.0f MB/s   ratio median %.2f (%.2f to %.2f), target %.1f\n",
                load.name, median(bare_messages), median(bare_megabytes), median(ours_messages), median(ours_megabytes),
                median(ratios), spread(ratios).first, spread(ratios).second, load.least_ratio);
    std::fflush(stdout);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    using namespace millrace::bench;
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 9;
    const std::chrono::milliseconds time{argc > 2 ? std::atoi(argv[2]) : 500};
    if (rounds < 1 || time.count() < 10) {
        std::fprintf(stderr, "usage: %s [rounds, at least 1] [milliseconds, at least 10]\n", argv[0]);
        return 2;
    }
    const char* const only = argc > 3 ? argv[3] : "";
    for (const Load& load : {Load{"100 B, 1 x 1000 in flight", 100, 1, 1000, 0.6}, Load{"100 B, 8 x 200 in flight", 100, 8, 200, 0.6},
                             Load{"64 KiB, 1 x 16 in flight", 64 * 1024, 1, 16, 0.8},
                             Load{"64 KiB, 8 x 4 in flight", 64 * 1024, 8, 4, 0.8}}) {
        if (std::strstr(load.name, only) != nullptr) compare(load, rounds, time);
    }
    return 0;
}
