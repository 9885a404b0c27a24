// SPDX-License-Identifier: Apache-2.0
#include "common/runtime/asio/asio_network.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/runtime/blocking_pool.h"
#include "common/runtime/signal.h"

namespace millrace {

namespace {

using boost::asio::ip::address;
using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAwaitTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

// Far below the kernel's limit of 1024, and 4 KiB of stack.
constexpr std::size_t kPiecesPerSend = 256;

Endpoint endpoint_of(const tcp::endpoint& endpoint) {
    return Endpoint{endpoint.address().to_string(), endpoint.port()};
}

// What is left of a gathered write.
struct Unsent {
    std::span<const ByteView> pieces;
    std::size_t sent_of_first = 0;
    std::size_t sent = 0;  // in all

    void advance(std::size_t count) {
        sent += count;
        while (!pieces.empty()) {
            const std::size_t left = pieces.front().size() - sent_of_first;
            if (count < left) {
                sent_of_first += count;
                return;
            }
            count -= left;
            sent_of_first = 0;
            pieces = pieces.subspan(1);
        }
    }
};

// One non-blocking send; 0 or errno. Not a coroutine, so that the array is on the stack and not in a frame.
int send_some(int fd, Unsent& unsent) {
    std::array<iovec, kPiecesPerSend> vectors;
    std::size_t count = 0;
    std::size_t skip = unsent.sent_of_first;
    for (const ByteView& piece : unsent.pieces) {
        if (count == vectors.size()) break;
        const ByteView rest = piece.subspan(skip);
        skip = 0;
        if (rest.empty()) continue;
        vectors[count].iov_base = const_cast<std::byte*>(rest.data());
        vectors[count].iov_len = rest.size();
        ++count;
    }
    if (count == 0) {
        unsent.advance(0);
        return 0;
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    for (;;) {
        const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            unsent.advance(static_cast<std::size_t>(sent));
            return 0;
        }
        if (errno != EINTR) return errno;
    }
}

// A peer that vanished without a word (a machine that lost power, a path that was cut) would be waited
// for without limit. A quiet one is asked after a minute, and given up when it answered nothing for
// two minutes, however many probes or sent bytes it owes an answer for. A kernel without one of these
// options notices later, which no caller can do anything about.
void notice_vanished_peer(int fd) {
    constexpr int kQuietSeconds = 60;
    constexpr int kProbeSeconds = 15;
    constexpr int kProbes = 4;
    constexpr int kUnansweredMs = 1000 * (kQuietSeconds + kProbes * kProbeSeconds);
    const auto set = [fd](int level, int option, int value) {
        static_cast<void>(::setsockopt(fd, level, option, &value, sizeof value));
    };
    set(IPPROTO_TCP, TCP_KEEPIDLE, kQuietSeconds);
    set(IPPROTO_TCP, TCP_KEEPINTVL, kProbeSeconds);
    set(IPPROTO_TCP, TCP_KEEPCNT, kProbes);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, kUnansweredMs);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
}

class TcpStream final : public ByteStream {
public:
    explicit TcpStream(tcp::socket socket) : socket_{std::move(socket)} {
        error_code error;
        // A connection that broke already says so at its first read.
        socket_.set_option(tcp::no_delay{true}, error);
        notice_vanished_peer(socket_.native_handle());
        const tcp::endpoint peer = socket_.remote_endpoint(error);
        peer_ = error ? "a closed connection" : endpoint_of(peer).to_string();
    }

    Task<Result<std::size_t>> read_some(MutableByteView into) override {
        MR_CHECK(!into.empty());
        if (closed_) co_return closed_here();
        auto [error, count] =
            co_await socket_.async_read_some(boost::asio::mutable_buffer{into.data(), into.size()}, kAwaitTuple);
        if (closed_) co_return closed_here();
        if (error == boost::asio::error::eof) co_return std::size_t{0};
        if (error) co_return broken(error.message());
        co_return count;
    }

    Task<Result<void>> write(std::span<const ByteView> pieces) override {
        Unsent unsent{pieces};
        // Most writes fit into the socket's buffer and end without suspending.
        while (!unsent.pieces.empty()) {
            if (closed_) co_return closed_here();
            const int number = send_some(socket_.native_handle(), unsent);
            if (number == 0) continue;
            if (number != EAGAIN && number != EWOULDBLOCK) co_return broken(std::generic_category().message(number));
            auto [error] = co_await socket_.async_wait(tcp::socket::wait_write, kAwaitTuple);
            if (closed_) co_return closed_here();
            if (error) co_return broken(error.message());
        }
        co_return ok();
    }

    std::size_t try_write(std::span<const ByteView> pieces) override {
        if (closed_) return 0;
        Unsent unsent{pieces};
        // The rest of a write that was cut short waits for the socket anyhow.
        static_cast<void>(send_some(socket_.native_handle(), unsent));
        return unsent.sent;
    }

    void end_writing() override {
        if (closed_) return;
        error_code broken_already;  // then there is nobody to tell
        socket_.shutdown(tcp::socket::shutdown_send, broken_already);
    }

    void close() override {
        closed_ = true;
        error_code ignored;
        socket_.close(ignored);
    }

    std::string peer() const override { return peer_; }

private:
    Error closed_here() const { return Error{ErrorCode::kClosed, "the connection with " + peer_ + " is closed"}; }
    Error broken(const std::string& why) const {
        return Error{ErrorCode::kUnavailable, "the connection with " + peer_ + " broke: " + why};
    }

    tcp::socket socket_;
    std::string peer_;
    bool closed_ = false;
};

class TcpListener final : public Listener {
public:
    explicit TcpListener(tcp::acceptor acceptor, Endpoint local)
        : acceptor_{std::move(acceptor)}, local_{std::move(local)} {}

    Task<Result<std::unique_ptr<ByteStream>>> accept() override {
        if (closed_) co_return closed_here();
        tcp::socket socket{acceptor_.get_executor()};
        auto [error] = co_await acceptor_.async_accept(socket, kAwaitTuple);
        if (closed_) co_return closed_here();
        if (error) {
            co_return Error{ErrorCode::kUnavailable,
                            "cannot accept a connection on " + local_.to_string() + ": " + error.message()};
        }
        co_return std::unique_ptr<ByteStream>{std::make_unique<TcpStream>(std::move(socket))};
    }

    Endpoint local() const override { return local_; }

    void close() override {
        closed_ = true;
        error_code ignored;
        acceptor_.close(ignored);
    }

private:
    Error closed_here() const {
        return Error{ErrorCode::kClosed, "the listener on " + local_.to_string() + " is closed"};
    }

    tcp::acceptor acceptor_;
    const Endpoint local_;
    bool closed_ = false;
};

using Addresses = std::vector<address>;

// Blocks.
Result<Addresses> look_up(const std::string& host) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (status != 0) {
        const std::string why = status == EAI_SYSTEM ? std::generic_category().message(errno) : ::gai_strerror(status);
        return Error{ErrorCode::kUnavailable, "cannot resolve host '" + host + "': " + why};
    }
    Addresses addresses;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        tcp::endpoint endpoint;
        if (entry->ai_addrlen > endpoint.capacity()) continue;
        endpoint.resize(entry->ai_addrlen);
        std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
        addresses.push_back(endpoint.address());
    }
    ::freeaddrinfo(found);
    if (addresses.empty()) return Error{ErrorCode::kUnavailable, "host '" + host + "' has no address"};
    return addresses;
}

class AsioNetwork final : public Network {
public:
    AsioNetwork(boost::asio::io_context& io, Clock& clock, BlockingPool& resolver)
        : io_{io}, clock_{clock}, resolver_{resolver} {}

    Task<Result<std::unique_ptr<ByteStream>>> connect(Endpoint endpoint, Deadline deadline) override {
        const std::string what = "cannot connect to " + endpoint.to_string();
        Result<Addresses> addresses = co_await resolve(endpoint.host, deadline);
        if (!addresses) co_return std::move(addresses).error().while_doing(what);
        const Executor home = co_await this_executor();
        std::string why = "no answer in time";
        for (std::size_t i = 0; i < addresses->size() && !deadline.passed(clock_); ++i) {
            const address& candidate = (*addresses)[i];
            // An equal share of what is left, so that one address that swallows everything does not
            // hide the others.
            const MonotonicTime share_end =
                deadline.is_never() ? deadline.when()
                                    : clock_.now() + deadline.left(clock_) / static_cast<int>(addresses->size() - i);
            tcp::socket socket{io_};
            bool timed_out = false;
            Clock::TimerId timer{};
            // The references are into this frame; the timer is cancelled on its executor before they end.
            if (!deadline.is_never()) {
                timer = clock_.schedule(share_end, home, [&socket, &timed_out] {
                    timed_out = true;
                    error_code ignored;
                    socket.close(ignored);
                });
            }
            auto [error] = co_await socket.async_connect(tcp::endpoint{candidate, endpoint.port}, kAwaitTuple);
            if (!deadline.is_never()) clock_.cancel(timer);
            if (timed_out) {
                why = candidate.to_string() + " gave no answer in time";
                continue;
            }
            if (!error && connected_to_itself(socket)) error = boost::asio::error::connection_refused;
            if (!error) co_return std::unique_ptr<ByteStream>{std::make_unique<TcpStream>(std::move(socket))};
            why = candidate.to_string() + ": " + error.message();
        }
        co_return Error{ErrorCode::kUnavailable, what + ": " + why};
    }

    Task<Result<std::unique_ptr<Listener>>> listen(Endpoint endpoint) override {
        const std::string what = "cannot listen on " + endpoint.to_string();
        Result<Addresses> addresses = co_await resolve(endpoint.host, Deadline::never());
        if (!addresses) {
            co_return Error{ErrorCode::kInvalidArgument, what + ": " + addresses.error().detail()};
        }
        // One socket, one address. Where a name has several, IPv4: what clients of "localhost" try everywhere.
        const auto v4 = std::find_if(addresses->begin(), addresses->end(), [](const address& a) { return a.is_v4(); });
        const tcp::endpoint wanted{v4 == addresses->end() ? addresses->front() : *v4, endpoint.port};
        tcp::acceptor acceptor{io_};
        error_code error;
        acceptor.open(wanted.protocol(), error);
        if (!error) acceptor.set_option(tcp::acceptor::reuse_address{true}, error);
        if (!error) acceptor.bind(wanted, error);
        if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
        if (error) co_return Error{listen_code(error), what + ": " + error.message()};
        const tcp::endpoint bound = acceptor.local_endpoint(error);
        if (error) co_return Error{ErrorCode::kInternal, what + ": " + error.message()};
        co_return std::unique_ptr<Listener>{std::make_unique<TcpListener>(std::move(acceptor), endpoint_of(bound))};
    }

private:
    Task<Result<Addresses>> resolve(std::string host, Deadline deadline) {
        error_code error;
        const address numeric = boost::asio::ip::make_address(host, error);
        if (!error) co_return Addresses{numeric};
        const Executor home = co_await this_executor();
        // Shared with the pool: a lookup cannot be cancelled, and may end long after the deadline.
        auto answer = std::make_shared<OneShot<Result<Addresses>>>();
        resolver_.submit([asked = std::weak_ptr{answer}, home, host] {
            const auto answer = asked.lock();
            if (!answer) return;  // given up before its turn: those behind it have waited enough
            auto found = std::make_shared<Result<Addresses>>(look_up(host));
            post(home, [answer, found] { answer->set(std::move(*found)); });
        });
        auto found = co_await answer->wait_until(clock_, deadline.when());
        if (!found) co_return Error{ErrorCode::kUnavailable, "host '" + host + "' was not resolved in time"};
        co_return std::move(*found);
    }

    // To a port of our own range that nobody listens on, TCP can connect a socket with itself.
    static bool connected_to_itself(const tcp::socket& socket) {
        error_code local_error;
        error_code remote_error;
        const tcp::endpoint local = socket.local_endpoint(local_error);
        const tcp::endpoint remote = socket.remote_endpoint(remote_error);
        return !local_error && !remote_error && local == remote;
    }

    static ErrorCode listen_code(const error_code& error) {
        switch (error.value()) {
            case EADDRINUSE: return ErrorCode::kInUse;
            case EADDRNOTAVAIL:
            case EAFNOSUPPORT: return ErrorCode::kInvalidArgument;
            case EACCES:
            case EPERM: return ErrorCode::kPermissionDenied;
            default: return ErrorCode::kUnavailable;
        }
    }

    boost::asio::io_context& io_;
    Clock& clock_;
    BlockingPool& resolver_;
};

}  // namespace

std::unique_ptr<Network> make_asio_network(boost::asio::io_context& io, Clock& clock, BlockingPool& resolver) {
    return std::make_unique<AsioNetwork>(io, clock, resolver);
}

}  // namespace millrace
