// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever a peer does or leaves undone costs its server bounded memory and ends with a stated reason, and
// peers that behave are served meanwhile. Method: an echo server in a simulated network, peers that write raw
// bytes; memory is read off counters, time is virtual.
#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "common/transport/connection.h"
#include "common/transport/hello.h"
#include "common/wire/messages.h"
#include "tests/sim/seeded_test.h"
#include "tests/sim/world.h"

namespace millrace::transport {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::uint16_t kPort = 12345;

void put_header(std::int32_t type, std::int32_t length, ByteBuffer& out) {
    BigEndianWriter writer{out};
    writer.i32(type);
    writer.i32(length);
}

ByteBuffer frame_of(std::int32_t type, std::size_t payload_bytes, std::byte fill) {
    ByteBuffer out;
    put_header(type, static_cast<std::int32_t>(payload_bytes), out);
    out.append(ByteBuffer(payload_bytes, fill));
    return out;
}

// Echoes frames, answers Hello, keeps what became of its connections.
class EchoServer {
public:
    struct Ended {
        EndReason why;
        std::string detail;
    };

    EchoServer(Runtime runtime, ConnectionOptions options, std::size_t budget_bytes)
        : runtime_{std::move(runtime)},
          options_{options},
          resources_{.received = std::make_shared<MemoryBudget>(budget_bytes), .pool = BufferPool{}, .counters = {}} {
        options_.resources = &resources_;
    }

    Task<void> start() {
        listener_ = (co_await runtime_.network.listen(Endpoint{"server", kPort})).value();
        gate_.spawn(runtime_.executor, [this] { return accept_loop(); });
    }
    Task<void> close() {
        listener_->close();
        for (const auto& connection : connections_) connection->shut(Error{ErrorCode::kClosed, "test ends"});
        co_await gate_.close();
    }

    // Nothing is held for nobody.
    void expect_nothing_left() const {
        EXPECT_EQ(resources_.received->taken(), 0u);
        EXPECT_EQ(resources_.received->waiting(), 0u);
        EXPECT_EQ(resources_.pool.stats().taken_bytes, 0u);
        EXPECT_EQ(resources_.counters.open, 0u);
        EXPECT_EQ(resources_.counters.queued_bytes, 0u);
        std::uint64_t ended_in_all = 0;
        for (const std::uint64_t count : resources_.counters.ended) ended_in_all += count;
        EXPECT_EQ(ended_in_all, resources_.counters.opened);
    }

    const ConnectionCounters& counters() const { return resources_.counters; }
    MemoryBudget& budget() { return *resources_.received; }
    void bound_unsent(std::size_t bytes) { resources_.queued_bytes_max = bytes; }
    BufferPool::Stats pool() const { return resources_.pool.stats(); }
    std::size_t most_pool_bytes() const { return most_pool_bytes_; }

    std::vector<Ended> ended;
    // Instead of the echo.
    std::function<Task<bool>(Connection&, const FrameRun&)> serve_run;

private:
    Task<void> accept_loop() {
        for (;;) {
            auto stream = co_await listener_->accept();
            if (!stream) co_return;
            connections_.push_back(std::make_unique<Connection>(runtime_, std::move(stream).value(), options_));
            gate_.spawn(runtime_.executor,
                        [this, place = std::prev(connections_.end())]() -> Task<void> { return serve(place); });
        }
    }
    Task<void> serve(std::list<std::unique_ptr<Connection>>::iterator place) {
        Connection& connection = **place;
        for (bool more = true; more;) more = co_await serve_one_run(connection);
        co_await connection.close();
        ended.push_back({connection.end_reason(), std::string{to_string(connection.end_reason())}});
        connections_.erase(place);
    }
    Task<bool> serve_one_run(Connection& connection) {
        auto run = co_await connection.receive_run();
        most_pool_bytes_ = std::max(most_pool_bytes_, resources_.pool.stats().taken_bytes);
        if (!run) co_return false;
        if (serve_run) co_return co_await serve_run(connection, *run);
        for (const FrameView frame : *run) {
            if (frame.type == wire::FrameType::kHello) {
                const auto message = wire::decode(run->share(frame));
                if (!message || !answer_hello(connection, std::get<wire::Hello>(*message))) {
                    co_await connection.close_after_drain(Deadline::after(runtime_.clock, 5s));
                    co_return false;
                }
            } else {
                connection.send_frame(frame.type, run->share(frame.payload));
            }
            if (connection.queued_bytes() > options_.send_queue_bytes) {
                if (!co_await connection.drained(options_.send_queue_bytes)) co_return false;
            }
        }
        co_return true;
    }

    Runtime runtime_;
    ConnectionOptions options_;
    ConnectionResources resources_;
    std::unique_ptr<Listener> listener_;
    std::list<std::unique_ptr<Connection>> connections_;
    std::size_t most_pool_bytes_ = 0;
    Gate gate_;
};

class HostilePeers : public sim::SeededTest {
protected:
    HostilePeers() {
        options_.max_payload_bytes = kMiB;
        options_.send_queue_bytes = 256 * kKiB;
        options_.first_frame_limit = 20s;
    }
    ~HostilePeers() override {
        if (!server_) return;
        peers_.clear();
        world_.run([this] { return server_->close(); });
        server_->expect_nothing_left();
        server_.reset();
    }

    EchoServer& serve(std::size_t budget_bytes = 8 * kMiB) {
        server_ = std::make_unique<EchoServer>(server_node_.runtime(), options_, budget_bytes);
        world_.run([this] { return server_->start(); });
        return *server_;
    }

    // A raw stream to the server.
    ByteStream& connect() {
        peers_.push_back(world_.run([this]() -> Task<std::unique_ptr<ByteStream>> {
            co_return std::move(co_await stream_to_server()).value();
        }));
        return *peers_.back();
    }
    Task<Result<std::unique_ptr<ByteStream>>> stream_to_server() {
        return peer_node_.runtime().network.connect(Endpoint{"server", kPort},
                                                    Deadline::after(peer_node_.runtime().clock, 60s));
    }
    // Writes in the background, as far as the server takes it. The stream lives until the test ends.
    void write(ByteStream& stream, ByteBuffer bytes) {
        world_.spawn([&stream, bytes = std::move(bytes)]() -> Task<void> {
            const ByteView view = bytes.view();
            (void)co_await stream.write(std::span{&view, 1});
        });
    }
    bool ended_within(std::size_t count, std::chrono::nanoseconds limit) {
        return world_.run_until([this, count] { return server_->ended.size() >= count; }, limit);
    }
    // One honest frame there and back.
    bool echoes(std::size_t payload_bytes, std::chrono::nanoseconds limit) {
        auto done = std::make_shared<bool>(false);
        auto good = std::make_shared<bool>(false);
        world_.spawn([this, payload_bytes, done, good]() -> Task<void> {
            auto stream = co_await stream_to_server();
            if (stream) {
                ConnectionOptions options;
                Connection client{peer_node_.runtime(), std::move(stream).value(), options};
                client.send(frame_of(9, payload_bytes, std::byte{7}));
                const auto frames = co_await client.receive();
                *good = frames && frames->front().payload == Bytes{ByteBuffer(payload_bytes, std::byte{7})};
                co_await client.close();
            }
            *done = true;
        });
        return world_.run_until([done] { return *done; }, limit) && *good;
    }

    sim::World world_{seed()};
    sim::Node& server_node_ = world_.add_node("server");
    sim::Node& peer_node_ = world_.add_node("peer");
    ConnectionOptions options_;
    std::unique_ptr<EchoServer> server_;
    std::vector<std::unique_ptr<ByteStream>> peers_;
};

TEST_P(HostilePeers, AByteNowAndThenIsCutOff) {
    EchoServer& server = serve();
    ByteStream& slow = connect();
    write(slow, frame_of(1, 3, std::byte{1}));
    ByteBuffer header;
    put_header(3, 900 * kKiB, header);
    write(slow, header);
    world_.run_for(100ms);
    for (int i = 0; i < 11; ++i) {
        world_.run_for(5s);
        EXPECT_TRUE(server.ended.empty()) << i;
        write(slow, ByteBuffer(1, std::byte{1}));
    }
    ASSERT_TRUE(ended_within(1, 10s));
    EXPECT_EQ(server.ended[0].why, EndReason::kFrameStalled);
    EXPECT_EQ(server.budget().most_taken(), 0u);
    EXPECT_LE(server.most_pool_bytes(), kBaseReceiveBytes);
}

// As many bytes a minute as are asked for are no stall, however large the frame.
TEST_P(HostilePeers, ASlowButSteadyFrameIsServed) {
    EchoServer& server = serve();
    ByteStream& slow = connect();
    const ByteBuffer frame = frame_of(3, 500 * kKiB, std::byte{3});
    for (std::size_t at = 0; at < frame.size(); at += 10 * kKiB) {
        ByteBuffer part;
        part.append(frame.view().subspan(at, std::min(10 * kKiB, frame.size() - at)));
        write(slow, std::move(part));
        world_.run_for(8s);
    }
    EXPECT_TRUE(world_.run_until([&] { return server.counters().received_frames == 1; }, 1min));
    EXPECT_TRUE(server.ended.empty());
}

TEST_P(HostilePeers, GarbageAndImpossibleLengthsEndTheConnectionAtOnce) {
    EchoServer& server = serve();
    std::size_t expected = 0;
    for (const std::int32_t length : {-1, INT32_MIN, INT32_MAX, static_cast<std::int32_t>(kMiB + 1)}) {
        ByteStream& peer = connect();
        ByteBuffer bytes = frame_of(5, 10, std::byte{5});
        put_header(6, length, bytes);
        bytes.append(ByteBuffer(100 * kKiB, std::byte{6}));
        write(peer, std::move(bytes));
        ASSERT_TRUE(ended_within(++expected, 10s)) << length;
        EXPECT_EQ(server.ended.back().why, EndReason::kBadLength);
    }
    EXPECT_EQ(server.counters().received_frames, expected);
    for (int i = 0; i < 50; ++i) {
        ByteStream& peer = connect();
        ByteBuffer bytes(world_.random().between(8, 5000));
        for (std::byte& b : bytes) b = static_cast<std::byte>(world_.random().between(0, 256));
        // At least the first header is wrong.
        bytes[4] |= std::byte{0x80};
        write(peer, std::move(bytes));
        ASSERT_TRUE(ended_within(++expected, 10s));
        EXPECT_EQ(server.ended.back().why, EndReason::kBadLength);
    }
    EXPECT_EQ(server.budget().most_taken(), 0u);
    EXPECT_TRUE(echoes(1000, 10s));
}

TEST_P(HostilePeers, APeerThatNeverReadsCostsItsQueueAndIsCutOff) {
    EchoServer& server = serve();
    ByteStream& deaf = connect();
    ByteBuffer requests;
    for (int i = 0; i < 100; ++i) requests.append(frame_of(5, 50 * kKiB, std::byte{5}));
    write(deaf, std::move(requests));
    world_.run_for(30s);
    EXPECT_TRUE(server.ended.empty());
    EXPECT_GT(server.counters().queued_bytes, 0u);
    EXPECT_TRUE(echoes(1000, 10s));
    ASSERT_TRUE(ended_within(2, 60s));  // the echo's client is the first
    EXPECT_EQ(server.ended[1].why, EndReason::kWriteStalled);
    // The bound, one frame more, and what is being written.
    EXPECT_LE(server.counters().most_queued_bytes, options_.send_queue_bytes + 60 * kKiB);
    // Bytes that wait to be sent lie where they were received, and count there.
    EXPECT_LE(server.budget().most_taken(), 8 * kMiB);
}

// Each alone is within its bound; together they are within that of all, and go before others starve.
TEST_P(HostilePeers, ManyPeersThatNeverReadShareOneBound) {
    constexpr std::size_t kReplyBytes = 500 * kKiB;
    options_.send_queue_bytes = 4 * kMiB;
    EchoServer& server = serve();
    server.bound_unsent(4 * kMiB);
    server.serve_run = [&](Connection& connection, const FrameRun& run) -> Task<bool> {
        for (const FrameView frame : run) {
            if (!co_await connection.drained(256 * kKiB)) co_return false;
            connection.send(frame_of(static_cast<std::int32_t>(frame.type), kReplyBytes, std::byte{7}));
        }
        co_return true;
    };
    constexpr std::size_t kPeers = 50;
    for (std::size_t i = 0; i < kPeers; ++i) write(connect(), frame_of(9, 10, std::byte{1}));
    ASSERT_TRUE(world_.run_until([&] { return server.counters().queued_bytes > 4 * kMiB; }, 10s));
    EXPECT_TRUE(world_.run([this]() -> Task<bool> {
        auto stream = co_await stream_to_server();
        Connection client{peer_node_.runtime(), std::move(stream).value()};
        client.send(frame_of(9, 10, std::byte{1}));
        const auto frames = co_await client.receive();
        co_await client.close();
        co_return frames && frames->front().payload == Bytes{ByteBuffer(kReplyBytes, std::byte{7})};
    }));
    EXPECT_LE(server.counters().most_queued_bytes, 4 * kMiB + kReplyBytes + wire::kFrameHeaderBytes);
    EXPECT_GT(server.counters().ended_by(EndReason::kWriteStalled), 0u);
}

// The rest of an append that was begun may be large, and the line slow.
TEST_P(HostilePeers, WhatIsExpectedMayComeSlowlyInOneFrame) {
    EchoServer& server = serve();
    std::size_t served = 0;
    server.serve_run = [&](Connection& connection, const FrameRun& run) -> Task<bool> {
        served += run.size();
        connection.expect_more(served == 1 ? "an append block" : nullptr);
        co_return true;
    };
    ByteStream& slow = connect();
    world_.spawn([&slow]() -> Task<void> {
        const ByteBuffer first = frame_of(4, 10, std::byte{1});
        const ByteView view = first.view();
        (void)co_await slow.write(std::span{&view, 1});
    });
    ASSERT_TRUE(world_.run_until([&] { return served == 1; }, 10s));
    // 10 KB/s: a minute and a half for a frame of 900 KiB.
    auto rest = std::make_shared<ByteBuffer>(frame_of(4, 900 * kKiB, std::byte{2}));
    for (std::size_t begin = 0, step = 0; begin < rest->size(); begin += 10'000, ++step) {
        world_.after(std::chrono::seconds{step}, [this, &slow, rest, begin] {
            const ByteView part = rest->view().subspan(begin, std::min<std::size_t>(10'000, rest->size() - begin));
            world_.spawn([&slow, rest, part]() -> Task<void> { (void)co_await slow.write(std::span{&part, 1}); });
        });
    }
    EXPECT_TRUE(world_.run_until([&] { return served == 2; }, 120s));
    EXPECT_TRUE(server.ended.empty());
    // KeepAlives are no reason to wait for longer.
    server.serve_run = [](Connection& connection, const FrameRun&) -> Task<bool> {
        connection.expect_more("an append block");
        co_return true;
    };
    for (int i = 0; i < 90; ++i) {
        world_.after(std::chrono::seconds{i}, [this, &slow] { write(slow, frame_of(4, 10, std::byte{1})); });
    }
    ASSERT_TRUE(ended_within(1, 80s));
    world_.run_for(40s);  // the last of them
    EXPECT_EQ(server.ended[0].why, EndReason::kFrameStalled);
}

TEST_P(HostilePeers, WhoSaysNothingIsCutOff) {
    EchoServer& server = serve();
    connect();
    write(connect(), ByteBuffer(7, std::byte{0}));
    ByteStream& well = connect();
    ByteBuffer hello;
    wire::encode(kOurHello, hello);
    write(well, hello);
    world_.run_for(15s);
    EXPECT_TRUE(server.ended.empty());
    ASSERT_TRUE(ended_within(2, 10s));
    EXPECT_EQ(server.counters().ended_by(EndReason::kNothingCame), 2u);
    // Who has said Hello may be quiet for ever.
    world_.run_for(1h);
    EXPECT_EQ(server.ended.size(), 2u);
}

TEST_P(HostilePeers, EveryHelloIsAnsweredAndAWrongOneEndsTheConnectionAfterItsAnswer) {
    EchoServer& server = serve();
    const bool answered = world_.run([this]() -> Task<bool> {
        Connection client{peer_node_.runtime(), std::move(co_await stream_to_server()).value()};
        ByteBuffer bytes;
        for (int i = 0; i < 3; ++i) wire::encode(kOurHello, bytes);
        wire::encode(wire::Hello{99, 50}, bytes);
        // Nobody reads this any more; the answers arrive all the same.
        bytes.append(ByteBuffer(200 * kKiB, std::byte{0}));
        client.send(std::move(bytes));
        std::size_t hellos = 0;
        for (;;) {
            const auto frames = co_await client.receive();
            if (!frames) break;
            for (const wire::Frame& frame : *frames) hellos += frame.type == wire::FrameType::kHello ? 1 : 0;
        }
        co_await client.close();
        co_return hellos == 4;
    });
    EXPECT_TRUE(answered);
    ASSERT_TRUE(ended_within(1, 10s));
    EXPECT_EQ(server.ended[0].why, EndReason::kClosedHere);
}

// Thousands of connections, each with a large frame of which it sent a part.
TEST_P(HostilePeers, HalfReceivedFramesOfThousandsStayWithinTheBudget) {
    constexpr std::size_t kPeers = 2000;
    constexpr std::size_t kBudget = 16 * kMiB;
    EchoServer& server = serve(kBudget);
    auto connected = std::make_shared<std::size_t>(0);
    for (std::size_t i = 0; i < kPeers; ++i) {
        world_.after(std::chrono::milliseconds{i}, [this, connected] {
            world_.spawn([this, connected]() -> Task<void> {
                auto stream = co_await stream_to_server();
                ++*connected;
                if (!stream) co_return;
                ByteBuffer part;
                put_header(3, kMiB, part);
                part.append(ByteBuffer(20 * kKiB, std::byte{1}));
                const ByteView view = part.view();
                // Ends when the server ends the connection; none of the rest is ever sent.
                (void)co_await (*stream)->write(std::span{&view, 1});
                std::byte nothing;
                while (true) {
                    const auto count = co_await (*stream)->read_some(MutableByteView{&nothing, 1});
                    if (!count || *count == 0) co_return;
                }
            });
        });
    }
    ASSERT_TRUE(world_.run_until([&] { return *connected == kPeers; }, 5min));
    world_.run_for(1s);
    EXPECT_GT(server.counters().open, kPeers / 4);
    EXPECT_LE(server.budget().most_taken(), kBudget);
    EXPECT_LE(server.most_pool_bytes(), kBudget + kPeers * kBaseReceiveBytes);
    // Small frames need no budget.
    EXPECT_TRUE(echoes(1000, 5s));
    ASSERT_TRUE(ended_within(kPeers + 1, 10min));
    EXPECT_TRUE(echoes(kMiB, 5s));
    ASSERT_TRUE(ended_within(kPeers + 2, 1s));
    EXPECT_LE(server.budget().most_taken(), kBudget);
    EXPECT_GT(server.counters().ended_by(EndReason::kTooSlowForMemory), 0u);
    const std::uint64_t by_reason = server.counters().ended_by(EndReason::kTooSlowForMemory) +
                                    server.counters().ended_by(EndReason::kNoMemory) +
                                    server.counters().ended_by(EndReason::kFrameStalled) +
                                    server.counters().ended_by(EndReason::kPeerEnded);
    EXPECT_EQ(by_reason, kPeers + 2);
    EXPECT_EQ(server.budget().taken(), 0u);
}

// Peers that hold memory and send nothing are cut off as soon as others wait for it, so these get their turn.
TEST_P(HostilePeers, AnHonestLargeFrameGetsItsTurnBehindHogs) {
    constexpr std::size_t kHogs = 20;
    EchoServer& server = serve(16 * kMiB);  // for eight frames at a time
    for (std::size_t i = 0; i < kHogs; ++i) {
        ByteBuffer part;
        put_header(3, kMiB, part);
        part.append(ByteBuffer(600 * kKiB, std::byte{1}));
        write(connect(), std::move(part));
    }
    ASSERT_TRUE(world_.run_until([&] { return server.budget().waiting() > 0; }, 10s));
    EXPECT_TRUE(echoes(kMiB, 25s));
    EXPECT_GT(server.counters().ended_by(EndReason::kTooSlowForMemory), 0u);
    // Nobody waits any more, so the last hogs are only cut off as stalled.
    ASSERT_TRUE(ended_within(kHogs + 1, 70s));
    EXPECT_GT(server.counters().ended_by(EndReason::kFrameStalled), 0u);
}

// Large frames of many honest peers at once, with memory for a few: all get through, nobody is cut.
TEST_P(HostilePeers, HonestPeersShareTheBudgetInTurn) {
    constexpr int kPeers = 20;
    EchoServer& server = serve(2 * kMiB);
    auto good = std::make_shared<int>(0);
    for (int i = 0; i < kPeers; ++i) {
        world_.spawn([this, good, i]() -> Task<void> {
            auto stream = co_await stream_to_server();
            if (!stream) co_return;
            Connection client{peer_node_.runtime(), std::move(stream).value()};
            for (int round = 0; round < 2; ++round) {
                const std::size_t bytes = (300 + static_cast<std::size_t>(i) * 10) * kKiB;
                client.send(frame_of(9, bytes, static_cast<std::byte>(i)));
                const auto frames = co_await client.receive();
                if (!frames || frames->front().payload != Bytes{ByteBuffer(bytes, static_cast<std::byte>(i))}) break;
                if (round == 1) ++*good;
            }
            co_await client.close();
        });
    }
    EXPECT_TRUE(world_.run_until([good] { return *good == kPeers; }, 5min)) << *good;
    EXPECT_GT(server.counters().budget_waits, 0u);
    EXPECT_LE(server.budget().most_taken(), 2 * kMiB);
    ASSERT_TRUE(ended_within(kPeers, 1min));
    EXPECT_EQ(server.counters().ended_by(EndReason::kPeerEnded), static_cast<std::uint64_t>(kPeers));
}

// The client's end: keep-alives go out when nothing comes, are answered, and keep a quiet connection; a peer that
// vanished in silence is noticed.
TEST_P(HostilePeers, KeepAlivesKeepAQuietConnectionAndTellASilentOne) {
    EchoServer& server = serve();
    std::unique_ptr<Connection> client;
    std::optional<Error> over;
    world_.run([&]() -> Task<void> {
        client = std::make_unique<Connection>(
            peer_node_.runtime(), std::move(co_await stream_to_server()).value(),
            ConnectionOptions{.keep_alive_every = 10s, .silence_limit = 60s});
    });
    world_.spawn([&]() -> Task<void> {
        for (;;) {
            auto frames = co_await client->receive();
            if (frames) continue;
            over = frames.error();
            co_return;
        }
    });
    world_.run_for(10min);
    EXPECT_FALSE(over);
    EXPECT_GE(server.counters().received_frames, 54u);  // every 10 s, kept to the second
    EXPECT_LE(server.counters().received_frames, 61u);
    world_.network().silence("server", "peer");
    ASSERT_TRUE(world_.run_until([&] { return over.has_value(); }, 2min));
    EXPECT_TRUE(over->is(ErrorCode::kUnavailable));
    EXPECT_TRUE(client->end_reason() == EndReason::kSilent || client->end_reason() == EndReason::kBroken);
    world_.run([&] { return client->close(); });
}

// Frames of all sizes both ways over a network that breaks connections: what arrives is right and in order, and every
// connection ends with a reason on both sides.
TEST_P(HostilePeers, EchoesAreRightOrTheConnectionEndsOverABreakingNetwork) {
    world_.network().options().break_one_in = 100;
    EchoServer& server = serve();
    constexpr int kPeers = 10;
    constexpr int kFrames = 30;
    auto done = std::make_shared<int>(0);
    auto echoed = std::make_shared<std::uint64_t>(0);
    auto wrong = std::make_shared<std::uint64_t>(0);
    for (int i = 0; i < kPeers; ++i) {
        world_.spawn([this, done, echoed, wrong, random = SeededRandom{world_.fork_seed()}]() mutable -> Task<void> {
            auto stream = co_await stream_to_server();
            if (stream) {
                Connection client{peer_node_.runtime(), std::move(stream).value()};
                std::deque<std::pair<std::size_t, std::byte>> expected;
                for (int sent = 0; sent < kFrames || !expected.empty();) {
                    while (sent < kFrames && expected.size() < 4) {
                        const std::size_t bytes =
                            random.one_in(5) ? random.between(0, 200 * kKiB) : random.between(0, 300);
                        const auto fill = static_cast<std::byte>(++sent);
                        client.send(frame_of(9, bytes, fill));
                        expected.emplace_back(bytes, fill);
                    }
                    const auto frames = co_await client.receive();
                    if (!frames) break;
                    for (const wire::Frame& frame : *frames) {
                        if (expected.empty()) {
                            ++*wrong;
                            break;
                        }
                        const auto [bytes, fill] = expected.front();
                        expected.pop_front();
                        const bool right = frame.payload == Bytes{ByteBuffer(bytes, fill)};
                        *wrong += right ? 0 : 1;
                        *echoed += right ? 1 : 0;
                    }
                }
                co_await client.close();
            }
            ++*done;
        });
    }
    EXPECT_TRUE(world_.run_until([done] { return *done == kPeers; }, 1h)) << *done;
    EXPECT_EQ(*wrong, 0u);
    EXPECT_GT(*echoed, 0u);
    EXPECT_TRUE(world_.run_until([&] { return server.counters().open == 0; }, 10min));
}

// The last reply arrives whole although the peer goes on sending what nobody reads.
TEST_P(HostilePeers, TheLastReplyIsNotLostWhenTheServerCloses) {
    EchoServer& server = serve();
    server.serve_run = [this](Connection& connection, const FrameRun&) -> Task<bool> {
        connection.send(frame_of(61, 20 * kKiB, std::byte{9}));
        co_await connection.close_after_drain(Deadline::after(world_.clock(), 5s));
        co_return false;
    };
    for (int i = 0; i < 10; ++i) {
        const bool whole = world_.run([this]() -> Task<bool> {
            Connection client{peer_node_.runtime(), std::move(co_await stream_to_server()).value()};
            for (int frames = 0; frames < 20; ++frames) client.send(frame_of(3, 10 * kKiB, std::byte{3}));
            const auto reply = co_await client.receive();
            const bool good = reply && reply->front().payload == Bytes{ByteBuffer(20 * kKiB, std::byte{9})};
            co_await client.close();
            co_return good;
        });
        EXPECT_TRUE(whole) << i;
    }
    EXPECT_TRUE(ended_within(10, 1min));
}

// The same seed does the same.
TEST_P(HostilePeers, ARunCanBeReplayed) {
    const auto digest = [this] {
        sim::World world{seed()};
        sim::Node& server_node = world.add_node("server");
        sim::Node& peer_node = world.add_node("peer");
        EchoServer server{server_node.runtime(), options_, 2 * kMiB};
        world.run([&] { return server.start(); });
        for (int i = 0; i < 5; ++i) {
            world.run([&]() -> Task<void> {
                auto stream = co_await peer_node.runtime().network.connect(
                    Endpoint{"server", kPort}, Deadline::after(peer_node.runtime().clock, 60s));
                if (!stream) co_return;
                Connection client{peer_node.runtime(), std::move(stream).value()};
                client.send(frame_of(9, 300 * kKiB, std::byte{1}));
                (void)co_await client.receive();
                co_await client.close();
            });
        }
        world.run([&] { return server.close(); });
        return world.digest();
    };
    EXPECT_EQ(digest(), digest());
}

INSTANTIATE_TEST_SUITE_P(Seeds, HostilePeers, sim::seeds(5), sim::seed_name);

}  // namespace
}  // namespace millrace::transport
