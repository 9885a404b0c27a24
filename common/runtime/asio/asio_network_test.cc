// SPDX-License-Identifier: Apache-2.0
//
// Real sockets on the loopback interface, on ports that the kernel chooses.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "common/runtime/gate.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;
using StreamResult = Result<std::unique_ptr<ByteStream>>;

class AsioNetworkTest : public testing::Test {
protected:
    AsioNetworkTest() { runtime_.start_thread("shard"); }

    // Runs a test's coroutine on the shard; what it holds is destroyed there.
    template <class F>
    void on_shard(F start) {
        block_on(runtime_.executor(), [start = std::move(start)]() mutable -> Task<bool> {
            co_await start();
            co_return true;
        });
    }
    Task<std::unique_ptr<Listener>> listen() {
        auto listener = co_await network_.listen(Endpoint{"127.0.0.1", 0});
        MR_CHECK(listener.ok());
        co_return std::move(listener).value();
    }
    Task<StreamResult> connect(Endpoint to) {
        return network_.connect(std::move(to), Deadline::after(bundle_.clock, 60s));
    }
    struct Pair {
        std::unique_ptr<ByteStream> near;
        std::unique_ptr<ByteStream> far;
    };
    Task<Pair> connected() {
        auto listener = co_await listen();
        auto near = co_await connect(listener->local());
        auto far = co_await listener->accept();
        MR_CHECK(near.ok() && far.ok());
        co_return Pair{std::move(near).value(), std::move(far).value()};
    }
    static Task<std::string> read_to_end(ByteStream& stream) {
        std::string all;
        ByteBuffer into(64 * 1024);
        for (;;) {
            auto count = co_await stream.read_some(into.mutable_view());
            if (!count.ok() || *count == 0) co_return all;
            all += as_text(into.view().first(*count));
        }
    }

    AsioRuntime runtime_;
    Runtime bundle_ = runtime_.bundle();
    Network& network_ = bundle_.network;
};

TEST_F(AsioNetworkTest, CarriesGatheredBytesBothWays) {
    on_shard([this]() -> Task<void> {
        Pair pair = co_await connected();
        const std::string a = "gathered ";
        const std::string b;
        const std::string c = "write";
        const std::vector<ByteView> pieces{as_bytes(a), as_bytes(b), as_bytes(c)};
        EXPECT_TRUE((co_await pair.near->write(pieces)).ok());
        EXPECT_TRUE((co_await pair.far->write(pieces)).ok());
        pair.near->close();
        EXPECT_EQ(co_await read_to_end(*pair.far), "gathered write");
    });
}

TEST_F(AsioNetworkTest, BothEndsNoticeAPeerThatVanished) {
    on_shard([this]() -> Task<void> {
        auto listener = co_await listen();
        auto near = co_await connect(listener->local());
        auto far = co_await listener->accept();
        MR_CHECK(near.ok() && far.ok());
        const auto option = [](int fd, int level, int name) {
            int value = -1;
            socklen_t size = sizeof value;
            return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
        };
        // Streams do not show their sockets: those with a peer whose either port is the listener's.
        const auto port_of = [](int fd, auto get) {
            sockaddr_in address{};
            socklen_t size = sizeof address;
            return get(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 ? int{ntohs(address.sin_port)} : -1;
        };
        int found = 0;
        for (int fd = 0; fd < 1024; ++fd) {
            const int peer = port_of(fd, ::getpeername);
            if (peer < 0 || (peer != listener->local().port && port_of(fd, ::getsockname) != listener->local().port)) continue;
            ++found;
            EXPECT_EQ(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
            EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
            EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 15);
            EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 4);
            EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 120'000);
        }
        EXPECT_EQ(found, 2);
    });
}

TEST_F(AsioNetworkTest, EmptyWritesSucceed) {
    on_shard([this]() -> Task<void> {
        Pair pair = co_await connected();
        const std::vector<ByteView> nothing(3);
        EXPECT_TRUE((co_await pair.near->write({})).ok());
        EXPECT_TRUE((co_await pair.near->write(nothing)).ok());
    });
}

TEST_F(AsioNetworkTest, WritesBeyondTheSocketsBufferArriveWhole) {
    on_shard([this]() -> Task<void> {
        Pair pair = co_await connected();
        std::vector<std::string> texts;
        std::string expected;
        for (int i = 0; i < 2000; ++i) {
            texts.push_back(std::string(static_cast<std::size_t>(1 + i * 7 % 20000), static_cast<char>('a' + i % 26)));
            expected += texts.back();
        }
        std::vector<ByteView> pieces;
        for (const std::string& text : texts) pieces.push_back(as_bytes(text));
        Gate gate;
        bool written = false;
        gate.spawn(runtime_.executor(), [&]() -> Task<void> {
            written = (co_await pair.near->write(pieces)).ok();
            pair.near->close();
        });
        // A string this long would make an unreadable message.
        EXPECT_TRUE(co_await read_to_end(*pair.far) == expected);
        co_await gate.close();
        EXPECT_TRUE(written);
    });
}

TEST_F(AsioNetworkTest, CloseEndsOutstandingAndLaterCalls) {
    on_shard([this]() -> Task<void> {
        Pair pair = co_await connected();
        const std::string big(32 * 1024 * 1024, 'x');  // more than the kernel buffers
        std::vector<ErrorCode> codes;
        Gate gate;
        gate.spawn(runtime_.executor(), [&]() -> Task<void> {
            ByteBuffer into(10);
            codes.push_back((co_await pair.near->read_some(into.mutable_view())).error().code());
        });
        gate.spawn(runtime_.executor(), [&]() -> Task<void> {
            const std::vector<ByteView> pieces{as_bytes(big)};
            codes.push_back((co_await pair.near->write(pieces)).error().code());
        });
        // Both coroutines are queued before this one.
        co_await yield();
        pair.near->close();
        co_await gate.close();
        EXPECT_EQ(codes, (std::vector<ErrorCode>{ErrorCode::kClosed, ErrorCode::kClosed}));
        ByteBuffer into(10);
        EXPECT_TRUE((co_await pair.near->read_some(into.mutable_view())).error().is(ErrorCode::kClosed));
        const std::vector<ByteView> pieces{as_bytes("x")};
        EXPECT_TRUE((co_await pair.near->write(pieces)).error().is(ErrorCode::kClosed));
    });
}

TEST_F(AsioNetworkTest, BrokenByTheOtherSideIsUnavailable) {
    on_shard([this]() -> Task<void> {
        Pair pair = co_await connected();
        const std::vector<ByteView> pieces{as_bytes("unread")};
        EXPECT_TRUE((co_await pair.near->write(pieces)).ok());
        pair.far.reset();  // closed with bytes unread: a reset
        Result<void> written = ok();
        while (written.ok()) {
            written = co_await pair.near->write(pieces);
            co_await yield();
        }
        EXPECT_TRUE(written.error().is(ErrorCode::kUnavailable)) << written.error().to_string();
        EXPECT_NE(written.error().detail().find("127.0.0.1:"), std::string::npos);
    });
}

TEST_F(AsioNetworkTest, ConnectToNobodyNamesEndpointAndReason) {
    on_shard([this]() -> Task<void> {
        auto listener = co_await listen();
        const Endpoint gone = listener->local();
        listener->close();
        listener.reset();
        auto stream = co_await connect(gone);
        EXPECT_FALSE(stream.ok());
        if (stream.ok()) co_return;
        EXPECT_TRUE(stream.error().is(ErrorCode::kUnavailable));
        EXPECT_NE(stream.error().detail().find(gone.to_string()), std::string::npos);
        EXPECT_NE(stream.error().detail().find("refused"), std::string::npos);
    });
}

TEST_F(AsioNetworkTest, ConnectEndsAtItsDeadline) {
    // The kernel leaves connection attempts unanswered while a listener's queue is full.
    const int deaf = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    MR_CHECK(::bind(deaf, reinterpret_cast<sockaddr*>(&address), length) == 0 && ::listen(deaf, 0) == 0);
    MR_CHECK(::getsockname(deaf, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    on_shard([this, port = ntohs(address.sin_port)]() -> Task<void> {
        std::vector<std::unique_ptr<ByteStream>> queued;
        Result<std::unique_ptr<ByteStream>> stream{nullptr};
        for (int i = 0; i < 4 && stream.ok(); ++i) {
            stream = co_await network_.connect(Endpoint{"127.0.0.1", port}, Deadline::after(bundle_.clock, 100ms));
            if (stream.ok()) queued.push_back(std::move(stream).value());
        }
        EXPECT_FALSE(stream.ok());
        if (stream.ok()) co_return;
        EXPECT_TRUE(stream.error().is(ErrorCode::kUnavailable));
        EXPECT_NE(stream.error().detail().find("in time"), std::string::npos) << stream.error().detail();

        stream = co_await network_.connect(Endpoint{"127.0.0.1", port}, Deadline{bundle_.clock.now()});
        EXPECT_FALSE(stream.ok());
    });
    ::close(deaf);
}

TEST_F(AsioNetworkTest, ResolvesNamesAndReportsUnknownOnes) {
    on_shard([this]() -> Task<void> {
        auto listener = co_await network_.listen(Endpoint{"localhost", 0});
        EXPECT_TRUE(listener.ok());
        if (!listener.ok()) co_return;
        auto stream = co_await connect(Endpoint{"localhost", listener.value()->local().port});
        EXPECT_TRUE(stream.ok()) << (stream.ok() ? "" : stream.error().to_string());
        // ".invalid" never exists (RFC 2606).
        auto unknown = co_await connect(Endpoint{"nowhere.invalid", 1});
        EXPECT_TRUE(unknown.error().is(ErrorCode::kUnavailable));
        EXPECT_NE(unknown.error().detail().find("nowhere.invalid"), std::string::npos);
    });
}

TEST_F(AsioNetworkTest, ListenErrorsHaveTheirCode) {
    on_shard([this]() -> Task<void> {
        auto listener = co_await listen();
        auto taken = co_await network_.listen(listener->local());
        EXPECT_TRUE(taken.error().is(ErrorCode::kInUse));
        EXPECT_NE(taken.error().detail().find(listener->local().to_string()), std::string::npos);
        // TEST-NET-1 belongs to nobody (RFC 5737).
        auto foreign = co_await network_.listen(Endpoint{"192.0.2.1", 0});
        EXPECT_TRUE(foreign.error().is(ErrorCode::kInvalidArgument)) << foreign.error().to_string();
        auto unknown = co_await network_.listen(Endpoint{"nowhere.invalid", 0});
        EXPECT_TRUE(unknown.error().is(ErrorCode::kInvalidArgument)) << unknown.error().to_string();
    });
}

TEST_F(AsioNetworkTest, ClosedListenerEndsItsAccept) {
    on_shard([this]() -> Task<void> {
        auto listener = co_await listen();
        Gate gate;
        gate.spawn(runtime_.executor(), [&]() -> Task<void> {
            EXPECT_TRUE((co_await listener->accept()).error().is(ErrorCode::kClosed));
        });
        co_await yield();
        listener->close();
        co_await gate.close();
        EXPECT_TRUE((co_await listener->accept()).error().is(ErrorCode::kClosed));
    });
}

TEST_F(AsioNetworkTest, TooManyOpenFilesConcernsOneConnectionOnly) {
    on_shard([this]() -> Task<void> {
        auto listener = co_await listen();
        auto near = co_await connect(listener->local());
        EXPECT_TRUE(near.ok());
        rlimit before{};
        MR_CHECK(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        rlimit none = before;
        none.rlim_cur = 0;
        MR_CHECK(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        auto refused = co_await listener->accept();
        MR_CHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        EXPECT_FALSE(refused.ok());
        if (!refused.ok()) EXPECT_TRUE(refused.error().is(ErrorCode::kUnavailable)) << refused.error().to_string();
        EXPECT_TRUE((co_await listener->accept()).ok());
    });
}

TEST_F(AsioNetworkTest, ListensOnIpv6WhereTheMachineHasIt) {
    on_shard([this]() -> Task<void> {
        auto listener = co_await network_.listen(Endpoint{"::1", 0});
        if (!listener.ok()) co_return;
        auto near = co_await connect(listener.value()->local());
        EXPECT_TRUE(near.ok());
        if (near.ok()) EXPECT_TRUE(near.value()->peer().starts_with("[::1]:"));
    });
}

}  // namespace
}  // namespace millrace
