// SPDX-License-Identifier: Apache-2.0
//
// The same connection over the kernel's sockets.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/runtime/gate.h"
#include "common/transport/connection.h"
#include "common/transport/hello.h"
#include "common/transport/testing/run.h"
#include "common/wire/testing/random_message.h"

namespace millrace::transport {
namespace {

// Two connected ends on the loopback interface.
struct SocketPair {
    std::unique_ptr<Connection> client;
    std::unique_ptr<Connection> server;
    std::unique_ptr<Listener> listener;
};

Task<SocketPair> connected(Runtime runtime, ConnectionOptions options) {
    SocketPair pair;
    pair.listener = (co_await runtime.network.listen(Endpoint{"127.0.0.1", 0})).value();
    auto client = (co_await runtime.network.connect(pair.listener->local(), Deadline::never())).value();
    auto server = (co_await pair.listener->accept()).value();
    pair.client = std::make_unique<Connection>(runtime, std::move(client), options);
    pair.server = std::make_unique<Connection>(runtime, std::move(server), options);
    co_return pair;
}

Task<void> close_both(SocketPair& pair) {
    co_await pair.client->close();
    co_await pair.server->close();
    pair.listener->close();
}

TEST(Sockets, CarryTheHandshakeAndMessagesBothWays) {
    testing::run([](Runtime runtime) -> Task<void> {
        auto pair = co_await connected(runtime, {});
        // The server echoes what it gets until the client is gone.
        std::optional<Error> server_end;
        spawn(runtime.executor, [&pair, &server_end]() -> Task<void> {
            for (;;) {
                auto frames = co_await pair.server->receive();
                if (!frames) {
                    server_end = frames.error();
                    co_return;
                }
                for (const wire::Frame& frame : *frames) {
                    const auto message = wire::decode(frame);
                    EXPECT_TRUE(message);
                    if (!message) continue;
                    if (const auto* hello = std::get_if<wire::Hello>(&*message)) {
                        EXPECT_TRUE(answer_hello(*pair.server, *hello));
                        continue;
                    }
                    ByteBuffer reply;
                    wire::encode(*message, reply);
                    pair.server->send(std::move(reply));
                }
                (void)co_await pair.server->drained(1 << 20);
            }
        });
        EXPECT_TRUE(co_await client_hello(*pair.client, Deadline::never()));

        wire::testing::Dice dice{1};
        std::vector<wire::Message> sent;
        for (int i = 0; i < 2000; ++i) {
            wire::Message message;
            do {
                message = wire::testing::random_message(dice.below(std::variant_size_v<wire::Message>), dice, 5000);
            } while (std::holds_alternative<wire::Hello>(message));
            ByteBuffer bytes;
            wire::encode(message, bytes);
            pair.client->send(std::move(bytes));
            sent.push_back(std::move(message));
        }
        std::size_t received = 0;
        while (received < sent.size()) {
            auto frames = co_await pair.client->receive();
            EXPECT_TRUE(frames);
            if (!frames) break;
            for (const wire::Frame& frame : *frames) {
                EXPECT_EQ(wire::decode(frame).value(), sent[received]);
                ++received;
            }
        }
        co_await pair.client->close();
        co_await testing::until([&server_end] { return server_end.has_value(); });
        EXPECT_TRUE(server_end->is(ErrorCode::kUnavailable));
        co_await close_both(pair);
    });
}

TEST(Sockets, CarryLargeFrames) {
    testing::run([](Runtime runtime) -> Task<void> {
        auto pair = co_await connected(runtime, {});
        wire::testing::Dice dice{2};
        const wire::SegmentRead sent{"s/t/0.#epoch.0", 7, true, false, dice.bytes(8 * 1024 * 1024), 9};
        bool all_sent = false;
        spawn(runtime.executor, [&pair, &sent, &all_sent]() -> Task<void> {
            for (int i = 0; i < 3; ++i) {
                ByteBuffer before, after;
                wire::encode_segment_read_around(sent, before, after);
                pair.server->send(std::move(before));
                pair.server->send(sent.data);
                pair.server->send(std::move(after));
                EXPECT_TRUE(co_await pair.server->drained(4 * 1024 * 1024));
            }
            all_sent = true;
        });
        for (int received = 0; received < 3;) {
            auto frames = co_await pair.client->receive();
            EXPECT_TRUE(frames);
            if (!frames) break;
            for (const wire::Frame& frame : *frames) {
                EXPECT_TRUE(wire::decode(frame).value() == wire::Message{sent});
                ++received;
            }
        }
        co_await testing::until([&all_sent] { return all_sent; });
        co_await close_both(pair);
    });
}

TEST(Sockets, EndWhenThePeerNeverReads) {
    testing::run([](Runtime runtime) -> Task<void> {
        auto pair = co_await connected(runtime, ConnectionOptions{.send_queue_bytes = 100'000});
        // The kernel takes some; beyond that everything stays queued.
        for (int i = 0; i < 1'000'000 && !pair.server->over(); ++i) {
            pair.server->send(Bytes{ByteBuffer(50'000, std::byte{1})});
            co_await yield();
        }
        auto frames = co_await pair.server->receive();
        EXPECT_TRUE(!frames && frames.error().is(ErrorCode::kTooLarge));
        co_await close_both(pair);
    });
}

// A stream closed on unread bytes is reset, and a reset destroys what the peer has not read yet.
TEST(Sockets, BringTheLastReplyAlthoughThePeerStillSends) {
    testing::run([](Runtime runtime) -> Task<void> {
        for (int round = 0; round < 10; ++round) {
            auto pair = co_await connected(runtime, {});
            // More than both sockets hold, so that the peer is in the middle of it.
            const Bytes request{ByteBuffer(100'000, std::byte{7})};
            for (int i = 0; i < 100; ++i) pair.client->send_frame(wire::FrameType{7}, request);
            EXPECT_TRUE(co_await pair.server->receive());
            bool closed = false;
            ByteBuffer last(300'000, std::byte{9});
            spawn(runtime.executor, [&pair, &last, &closed, runtime]() -> Task<void> {
                pair.server->send_frame(wire::FrameType{61}, last.view());
                co_await pair.server->close_after_drain(Deadline::after(runtime.clock, std::chrono::seconds{30}));
                closed = true;
            });
            const auto reply = co_await pair.client->receive();
            EXPECT_TRUE(reply);
            if (reply) {
                EXPECT_TRUE(reply->size() == 1 && reply->front().payload == Bytes::copy_of(last.view()));
            }
            const auto end = co_await pair.client->receive();
            EXPECT_TRUE(!end);
            EXPECT_EQ(pair.client->end_reason(), EndReason::kPeerEnded);
            co_await pair.client->close();
            co_await testing::until([&closed] { return closed; });
            EXPECT_EQ(pair.server->end_reason(), EndReason::kClosedHere);
            co_await close_both(pair);
        }
    });
}

// Hundreds of large frames, each begun and left there, cost the budget and no more; honest ones go on.
TEST(Sockets, HoldHalfReceivedFramesWithinTheBudget) {
    testing::run([](Runtime runtime) -> Task<void> {
        constexpr std::size_t kPeers = 300;
        constexpr std::size_t kBudget = 64 * 1024 * 1024;
        ConnectionResources resources{
            .received = std::make_shared<MemoryBudget>(kBudget), .pool = BufferPool{}, .counters = {}};
        auto listener = (co_await runtime.network.listen(Endpoint{"127.0.0.1", 0})).value();
        std::vector<std::unique_ptr<ByteStream>> hogs;
        std::vector<std::unique_ptr<Connection>> served;
        Gate gate;
        ByteBuffer part;
        BigEndianWriter writer{part};
        writer.i32(3);
        writer.i32(16'000'000);
        part.append(ByteBuffer(400'000, std::byte{1}));
        for (std::size_t i = 0; i < kPeers; ++i) {
            hogs.push_back((co_await runtime.network.connect(listener->local(), Deadline::never())).value());
            ConnectionOptions options;
            options.resources = &resources;
            Connection& connection = *served.emplace_back(
                std::make_unique<Connection>(runtime, (co_await listener->accept()).value(), options));
            gate.spawn(runtime.executor, [&connection]() -> Task<void> {
                (void)co_await connection.receive();
            });
            gate.spawn(runtime.executor, [&stream = *hogs.back(), view = part.view()]() -> Task<void> {
                (void)co_await stream.write(std::span{&view, 1});
            });
        }
        co_await testing::until([&] { return resources.received->waiting() > kPeers / 2; });
        EXPECT_LE(resources.received->most_taken(), kBudget);
        EXPECT_LE(resources.pool.stats().taken_bytes, kBudget + kPeers * 2 * kBaseReceiveBytes);
        for (const auto& connection : served) co_await connection->close();
        for (const auto& hog : hogs) hog->close();
        co_await gate.close();
        served.clear();
        EXPECT_EQ(resources.received->taken(), 0u);
        EXPECT_EQ(resources.pool.stats().taken_bytes, 0u);
        EXPECT_EQ(resources.counters.open, 0u);
        listener->close();
    });
}

}  // namespace
}  // namespace millrace::transport
