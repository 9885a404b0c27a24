// SPDX-License-Identifier: Apache-2.0
//
// Each fault that the simulator offers does what its header says, no less and no more.
#include <gtest/gtest.h>

#include "tests/sim/fault_plan.h"
#include "tests/sim/probes.h"
#include "tests/sim/world.h"

namespace millrace::sim {
namespace {

using namespace std::chrono_literals;

ByteBuffer bytes_of(std::size_t size, std::uint8_t value) {
    ByteBuffer bytes;
    bytes.resize(size);
    std::fill(bytes.begin(), bytes.end(), std::byte{value});
    return bytes;
}

// A node with an open, durable, empty file /d/f.
struct OneFile {
    explicit OneFile(std::uint64_t seed, DiskOptions options = {}) : world{seed}, node{world.add_node("a", options)} {
        file = world.run([this]() -> Task<std::unique_ptr<File>> {
            Disk& disk = node.runtime().disk;
            MR_CHECK((co_await disk.create_directories("/d")).ok());
            auto opened = co_await disk.open("/d/f", OpenOptions{.mode = OpenMode::kCreateNew});
            MR_CHECK((co_await disk.sync_directory("/d")).ok());
            co_return std::move(opened).value();
        });
    }
    Result<void> write(std::uint64_t offset, const ByteBuffer& bytes) {
        return world.run([&] { return file->write_at(offset, bytes.view()); });
    }
    Result<void> sync() {
        return world.run([&] { return file->sync(); });
    }

    World world;
    Node& node;
    std::unique_ptr<File> file;
};

TEST(SimDiskFaults, ACrashCorruptsOnlyWhatWasNotSynced) {
    std::size_t corrupted = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        OneFile f{seed, DiskOptions{.corrupt_one_in = 2}};
        ASSERT_TRUE(f.write(0, bytes_of(10000, 1)).ok());
        ASSERT_TRUE(f.sync().ok());
        // In the middle of a sector that holds durable bytes too.
        ASSERT_TRUE(f.write(10000, bytes_of(9000, 2)).ok());
        f.node.crash();
        const ByteBuffer kept = f.node.disk().contents("/d/f");
        for (std::size_t i = 0; i < kept.size(); ++i) {
            if (i < 10000) ASSERT_EQ(kept[i], std::byte{1});
            else if (kept[i] != std::byte{2} && kept[i] != std::byte{0}) ++corrupted;
        }
    }
    EXPECT_GT(corrupted, 10u);
}

TEST(SimDiskFaults, AStalledDiskAnswersNobodyUntilItIsOver) {
    OneFile f{1};
    const MonotonicTime begin = f.world.now();
    f.node.disk().stall(3s);
    ASSERT_TRUE(f.write(0, bytes_of(10, 1)).ok());
    EXPECT_GE(f.world.now() - begin, 3s);
    const MonotonicTime later = f.world.now();
    ASSERT_TRUE(f.write(0, bytes_of(10, 1)).ok());
    EXPECT_LT(f.world.now() - later, 1s);
}

TEST(SimDiskFaults, ASlowDiskIsSlowForEveryCall) {
    OneFile f{1, DiskOptions{.slow_one_in = 0}};
    f.node.disk().options().slow_factor = 1000;
    const MonotonicTime begin = f.world.now();
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(f.write(0, bytes_of(10, 1)).ok());
    EXPECT_GE(f.world.now() - begin, 10 * 20ms);
}

TEST(SimDiskFaults, AFullDiskRefusesGrowthOnlyAndOnlyUntilThereIsRoom) {
    OneFile f{1};
    ASSERT_TRUE(f.write(0, bytes_of(5000, 1)).ok());
    f.node.disk().fill_up(100);
    EXPECT_TRUE(f.write(0, bytes_of(5000, 2)).ok());
    EXPECT_TRUE(f.write(5000, bytes_of(100, 2)).ok());
    EXPECT_TRUE(f.write(5100, bytes_of(1, 2)).error().is(ErrorCode::kNoSpace));
    EXPECT_EQ(f.world.run([&] { return f.node.runtime().disk.free_bytes("/d"); }).value(), 0u);
    f.node.disk().make_room();
    EXPECT_TRUE(f.write(5100, bytes_of(1, 2)).ok());
}

TEST(SimDiskFaults, ErrorsComeAtTheirRateAndSayThatTheFateIsOpen) {
    OneFile f{1};
    f.node.disk().faults().fail_write_one_in = 4;
    std::size_t failed = 0;
    for (int i = 0; i < 200; ++i) {
        const auto written = f.write(0, bytes_of(10, 1));
        if (written.ok()) continue;
        ++failed;
        EXPECT_TRUE(written.error().is(ErrorCode::kIo));
        EXPECT_EQ(written.error().fate(), Fate::kUnknown);
    }
    EXPECT_GT(failed, 20u);
    EXPECT_LT(failed, 90u);
}

TEST(SimDiskFaults, AnUnsyncedWriteIsNotAmongTheDurableBytes) {
    OneFile f{1};
    ASSERT_TRUE(f.write(0, bytes_of(100, 1)).ok());
    EXPECT_EQ(f.node.disk().durable_contents("/d/f")->size(), 0u);
    ASSERT_TRUE(f.sync().ok());
    EXPECT_EQ(f.node.disk().durable_contents("/d/f"), bytes_of(100, 1));
    EXPECT_FALSE(f.node.disk().durable_contents("/d/other").has_value());
}

TEST(SimDiskFaults, ALyingSyncLosesWhatItReportedButTheNextOneIsHonest) {
    std::size_t lost = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        OneFile f{seed};
        f.node.disk().faults().lie_about_sync_in = 1;
        ASSERT_TRUE(f.write(0, bytes_of(100, 1)).ok());
        ASSERT_TRUE(f.sync().ok());
        if (seed % 2 == 0) ASSERT_TRUE(f.sync().ok());
        f.node.crash();
        const bool there = f.node.disk().contents("/d/f") == bytes_of(100, 1);
        if (seed % 2 == 0) EXPECT_TRUE(there);
        else lost += !there;
    }
    EXPECT_GT(lost, 1u);
}

// Two nodes; a listens on port 100.
struct TwoNodes {
    explicit TwoNodes(std::uint64_t seed = 1) : world{seed}, a{world.add_node("a")}, b{world.add_node("b")} {
        listener = world.run([this] { return a.runtime().network.listen(Endpoint{"a", 100}); }).value();
    }
    Result<std::unique_ptr<ByteStream>> connect(std::chrono::nanoseconds limit = 3s) {
        return world.run([limit, r = b.runtime()]() {
            return r.network.connect(Endpoint{"a", 100}, Deadline::after(r.clock, limit));
        });
    }
    void pair() {
        near = std::move(connect().value());
        far = world.run([this] { return listener->accept(); }).value();
    }
    // Everything in `text` and more of what comes, until `count` bytes are there or an error or the end.
    Task<Result<std::string>> read(ByteStream& stream, std::size_t count) {
        std::string text;
        ByteBuffer into(1000);
        while (text.size() < count) {
            MR_CO_TRY(const std::size_t got, co_await stream.read_some(into.mutable_view()));
            if (got == 0) break;
            text += as_text(into.view().first(got));
        }
        co_return text;
    }
    Task<Result<void>> write(ByteStream& stream, std::string text) {
        const std::vector<ByteView> pieces{as_bytes(text)};
        co_return co_await stream.write(pieces);
    }

    World world;
    Node& a;
    Node& b;
    std::unique_ptr<Listener> listener;
    std::unique_ptr<ByteStream> near, far;  // of b and of a
};

TEST(SimNetworkFaults, AOneWayPartitionLetsTheOtherDirectionPass) {
    TwoNodes n;
    n.world.network().options().give_up_min = n.world.network().options().give_up_max = 10s;
    n.pair();
    n.world.network().partition_one_way("b", "a");
    ASSERT_TRUE(n.world.run([&] { return n.write(*n.far, "down"); }).ok());
    EXPECT_EQ(n.world.run([&] { return n.read(*n.near, 4); }).value(), "down");
    ASSERT_TRUE(n.world.run([&] { return n.write(*n.near, "up"); }).ok());
    bool arrived = false;
    n.world.spawn([&]() -> Task<void> { arrived = (co_await n.read(*n.far, 2)).ok(); });
    n.world.run_for(5s);
    EXPECT_FALSE(arrived);
    // Healed before anybody gave up: what waited goes on.
    n.world.network().heal("a", "b");
    n.world.run_for(1s);
    EXPECT_TRUE(arrived);
}

TEST(SimNetworkFaults, APartitionThatLastsBreaksBothEnds) {
    TwoNodes n;
    n.pair();
    n.world.network().partition("a", "b");
    EXPECT_TRUE(n.world.run([&] { return n.read(*n.near, 1); }).error().is(ErrorCode::kUnavailable));
    EXPECT_TRUE(n.world.run([&] { return n.read(*n.far, 1); }).error().is(ErrorCode::kUnavailable));
}

TEST(SimNetworkFaults, AConnectWaitsForThePartitionToHeal) {
    TwoNodes n;
    n.world.network().partition_one_way("a", "b");
    n.world.after(2s, [&] { n.world.network().heal("a", "b"); });
    const MonotonicTime begin = n.world.now();
    EXPECT_TRUE(n.connect(10s).ok());
    EXPECT_GE(n.world.now() - begin, 2s);
    n.world.network().partition_one_way("b", "a");
    EXPECT_TRUE(n.connect(5s).error().is(ErrorCode::kUnavailable));
}

TEST(SimNetworkFaults, AClogHoldsBackOneDirectionAndLosesNothing) {
    TwoNodes n;
    n.pair();
    n.world.network().clog("b", "a", 4s);
    const MonotonicTime begin = n.world.now();
    ASSERT_TRUE(n.world.run([&] { return n.write(*n.near, "one "); }).ok());
    ASSERT_TRUE(n.world.run([&] { return n.write(*n.near, "two"); }).ok());
    EXPECT_LT(n.world.now() - begin, 1s);
    EXPECT_EQ(n.world.run([&] { return n.read(*n.far, 7); }).value(), "one two");
    EXPECT_GE(n.world.now() - begin, 4s);
}

TEST(SimNetworkFaults, BuffersOfBothEndsAreBounded) {
    TwoNodes n;
    n.world.network().options().send_buffer_bytes = 1000;
    n.world.network().options().receive_buffer_bytes = 500;
    n.pair();
    bool written = false;
    n.world.spawn([&]() -> Task<void> { written = (co_await n.write(*n.near, std::string(1501, 'x'))).ok(); });
    n.world.run_for(10s);
    EXPECT_FALSE(written);
    EXPECT_EQ(n.world.run([&] { return n.read(*n.far, 500); }).value(), std::string(500, 'x'));
    n.world.run_for(1s);
    EXPECT_TRUE(written);
}

TEST(SimNetworkFaults, ASilentDeathTakesWritesUntilBuffersAreFullAndBreaksLate) {
    TwoNodes n;
    auto& options = n.world.network().options();
    options.give_up_min = options.give_up_max = 30s;
    options.send_buffer_bytes = 100;
    n.pair();
    n.world.network().silence("a", "b");
    EXPECT_TRUE(n.world.run([&] { return n.write(*n.near, std::string(100, 'x')); }).ok());
    const MonotonicTime begin = n.world.now();
    EXPECT_TRUE(n.world.run([&] { return n.write(*n.near, "y"); }).error().is(ErrorCode::kUnavailable));
    EXPECT_GE(n.world.now() - begin, 20s);
    // New connections are not concerned.
    EXPECT_TRUE(n.connect().ok());
}

TEST(SimNetworkFaults, ConnectsHangOrAreRefused) {
    TwoNodes n;
    n.world.network().options().hang_one_in = 1;
    const MonotonicTime begin = n.world.now();
    EXPECT_NE(n.connect(7s).error().detail().find("not answered"), std::string::npos);
    EXPECT_EQ(n.world.now() - begin, 7s);
    n.world.network().options().hang_one_in = 0;
    n.world.network().options().refuse_one_in = 1;
    EXPECT_NE(n.connect(7s).error().detail().find("refused"), std::string::npos);
}

TEST(SimNetworkFaults, EndWritingEndsOneDirectionOnly) {
    TwoNodes n;
    n.pair();
    ASSERT_TRUE(n.world.run([&] { return n.write(*n.near, "last words"); }).ok());
    n.near->end_writing();
    EXPECT_EQ(n.world.run([&] { return n.read(*n.far, 100); }).value(), "last words");
    ASSERT_TRUE(n.world.run([&] { return n.write(*n.far, "answer"); }).ok());
    EXPECT_EQ(n.world.run([&] { return n.read(*n.near, 6); }).value(), "answer");
}

TEST(SimNetworkFaults, AMachineWithoutPowerDoesNotEvenRefuse) {
    TwoNodes n;
    n.pair();
    n.a.power_off();
    EXPECT_TRUE(n.world.run([&] { return n.read(*n.near, 1); }).error().is(ErrorCode::kUnavailable));
    EXPECT_NE(n.connect(5s).error().detail().find("not answered"), std::string::npos);
    n.a.power_on();
    EXPECT_NE(n.connect(5s).error().detail().find("refused"), std::string::npos);
}

// Messages.

struct TwoSockets {
    explicit TwoSockets(std::uint64_t seed = 1) : world{seed}, a{world.add_node("a")}, b{world.add_node("b")} {
        from = a.messages().open(0).value();
        to = b.messages().open(7).value();
        listen();
    }
    void listen() {
        world.spawn([this]() -> Task<void> {
            for (;;) {
                auto message = co_await to->receive();
                if (!message) co_return;
                arrived.emplace_back(as_text(message->bytes));
            }
        });
    }
    void send(const std::string& text) { ASSERT_TRUE(from->send({"b", 7}, Bytes::copy_of(text)).ok()); }
    void send_many() {
        for (int i = 0; i < 400; ++i) send(std::to_string(i));
        world.run_for(10s);
    }

    World world;
    Node& a;
    Node& b;
    std::unique_ptr<MessageSocket> from;
    std::unique_ptr<MessageSocket> to;
    std::vector<std::string> arrived;
};

TEST(SimMessages, ArriveOnceWhenNothingIsWrong) {
    TwoSockets s;
    s.send_many();
    EXPECT_EQ(s.arrived.size(), 400u);
    EXPECT_EQ(std::set<std::string>(s.arrived.begin(), s.arrived.end()).size(), 400u);
    EXPECT_FALSE(std::is_sorted(s.arrived.begin(), s.arrived.end(),
                                [](auto& x, auto& y) { return std::stoi(x) < std::stoi(y); }));
}

TEST(SimMessages, AreDroppedAndRepeatedAtTheirRates) {
    TwoSockets dropping;
    dropping.world.network().message_options().drop_one_in = 4;
    dropping.send_many();
    EXPECT_GT(dropping.arrived.size(), 250u);
    EXPECT_LT(dropping.arrived.size(), 350u);
    TwoSockets repeating;
    repeating.world.network().message_options().repeat_one_in = 4;
    repeating.send_many();
    EXPECT_GT(repeating.arrived.size(), 450u);
    EXPECT_EQ(std::set<std::string>(repeating.arrived.begin(), repeating.arrived.end()).size(), 400u);
}

TEST(SimMessages, OvertakeEachOtherOnlyWhereToldTo) {
    const auto overtakings = [](std::uint32_t reorder_one_in) {
        TwoSockets s;
        MessageOptions& options = s.world.network().message_options();
        options.latency_min = options.latency_max = 100us;
        options.reorder_one_in = reorder_one_in;
        s.send_many();
        std::size_t count = 0;
        for (std::size_t i = 1; i < s.arrived.size(); ++i) count += std::stoi(s.arrived[i]) < std::stoi(s.arrived[i - 1]);
        return count;
    };
    EXPECT_EQ(overtakings(0), 0u);
    EXPECT_GT(overtakings(10), 10u);
}

TEST(SimMessages, KnowPartitionsOfOneDirectionAndClogs) {
    TwoSockets s;
    s.world.network().partition_one_way("b", "a");
    s.send("passes");
    s.world.run_for(1s);
    EXPECT_EQ(s.arrived.size(), 1u);
    s.world.network().partition_one_way("a", "b");
    s.send("does not");
    s.world.run_for(1s);
    s.world.network().heal_all();
    s.world.run_for(10s);
    EXPECT_EQ(s.arrived.size(), 1u);
    s.world.network().clog("a", "b", 5s);
    s.send("later");
    s.world.run_for(4s);
    EXPECT_EQ(s.arrived.size(), 1u);
    s.world.run_for(2s);
    EXPECT_EQ(s.arrived.size(), 2u);
}

TEST(SimMessages, ComeBackWhenNobodyHasThePort) {
    TwoSockets s;
    ASSERT_TRUE(s.from->send({"b", 8}, Bytes::copy_of("x")).ok());
    const auto back = s.world.run([&] { return s.from->receive(); });
    ASSERT_TRUE(back.ok());
    EXPECT_TRUE(back->returned);
    EXPECT_EQ(back->peer, (MessageAddress{"b", 8}));
    EXPECT_EQ(as_text(back->bytes), "x");
}

TEST(SimMessages, ReachTheNextProcessButNeverADeadOne) {
    TwoSockets s;
    s.world.network().clog("a", "b", 1s);
    s.send("late");
    s.b.kill();
    EXPECT_TRUE(s.to->send({"a", 1}, {}).error().is(ErrorCode::kClosed));
    auto next = s.b.messages().open(7);
    ASSERT_TRUE(next.ok());
    EXPECT_TRUE(s.b.messages().open(7).error().is(ErrorCode::kInUse));
    const auto message = s.world.run([&] { return (*next)->receive(); });
    EXPECT_EQ(as_text(message->bytes), "late");
    EXPECT_TRUE(s.arrived.empty());
}

TEST(SimMessages, AreBoundedInSizeAndNumber) {
    World world{1};
    Node& a = world.add_node("a");
    Node& b = world.add_node("b");
    world.network().message_options().message_bytes_max = 10;
    world.network().message_options().queue_max = 3;
    auto from = a.messages().open(1).value();
    auto to = b.messages().open(1).value();
    EXPECT_TRUE(from->send({"b", 1}, Bytes{ByteBuffer(11)}).error().is(ErrorCode::kTooLarge));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(from->send({"b", 1}, {}).ok());
    world.run_for(1s);
    std::size_t got = 0;
    world.spawn([&]() -> Task<void> {
        while ((co_await to->receive()).ok()) ++got;
    });
    world.run_for(1s);
    EXPECT_EQ(got, 3u);
}

// Nodes.

TEST(SimNode, StandsStillWhilePausedAndCatchesUp) {
    World world{1};
    Node& node = world.add_node("a");
    std::vector<std::int64_t> ticks;
    const MonotonicTime begin = world.now();
    world.spawn_on(node, [&, r = node.runtime()]() -> Task<void> {
        for (int i = 0; i < 5; ++i) {
            co_await sleep_for(r.clock, 1s);
            ticks.push_back((world.now() - begin) / 1s);
        }
    });
    world.after(1500ms, [&] { node.pause(); });
    world.after(10s, [&] { node.resume(); });
    world.run_for(9s);
    EXPECT_TRUE(node.paused());
    EXPECT_EQ(ticks, (std::vector<std::int64_t>{1}));
    world.run_for(10s);
    EXPECT_EQ(ticks, (std::vector<std::int64_t>{1, 10, 11, 12, 13}));
}

TEST(SimNode, IsUnwoundWhenItDiesWhilePaused) {
    World world{1};
    Node& node = world.add_node("a");
    bool ended = false;
    world.spawn_on(node, [&, r = node.runtime()]() -> Task<void> {
        auto listener = co_await r.network.listen(Endpoint{"a", 5});
        ended = (co_await (*listener)->accept()).error().is(ErrorCode::kClosed);
    });
    world.run_for(1s);
    node.pause();
    node.kill();
    world.run_for(1s);
    EXPECT_TRUE(ended);
    EXPECT_FALSE(node.paused());
}

TEST(SimNode, ClocksDriftFromTheNextBootAndWallTimeJumpsAtOnce) {
    World world{1};
    Node& node = world.add_node("a");
    node.set_clock_rate(2.0);
    EXPECT_EQ(node.runtime().clock.now(), world.now());
    node.kill();
    Clock& clock = node.runtime().clock;
    const MonotonicTime begin = world.now();
    const MonotonicTime node_begin = clock.now();
    world.run([&]() -> Task<void> { co_await sleep_for(clock, 10s); });
    EXPECT_GE(world.now() - begin, 5s);
    EXPECT_LT(world.now() - begin, 5s + 1ms);
    EXPECT_GE(clock.now() - node_begin, 10s);
    const WallTime wall = clock.wall_now();
    node.jump_wall_clock(-1h);
    EXPECT_EQ(wall - clock.wall_now(), 1h);
    EXPECT_GE(clock.now() - node_begin, 10s);
}

TEST(SimFaultPlan, LeavesEveryKindOutOfSomeSeeds) {
    std::map<Fault, std::size_t> seeds_with;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        SeededRandom random{seed};
        for (const Fault fault : FaultPlan::draw(random).kinds) ++seeds_with[fault];
    }
    ASSERT_EQ(seeds_with.size(), kFaultCount);
    for (const auto& [fault, count] : seeds_with) {
        EXPECT_GT(count, 20u);
        EXPECT_LT(count, 80u);
    }
}

TEST(SimFaultInjector, HealsEverythingItDid) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        World world{seed};
        Node& a = world.add_node("a");
        Node& b = world.add_node("b");
        bool down = false;
        FaultPlan plan;
        for (std::size_t i = 0; i < kFaultCount; ++i) plan.kinds.insert(static_cast<Fault>(i));
        FaultInjector faults{world, plan,
                             {{&a,
                               [&](Death death) {
                                   down = true;
                                   death == Death::kKill ? a.kill() : a.crash();
                               },
                               [&] { down = false; }},
                              {&b, {}, {}}}};
        faults.start();
        world.run_for(20s);
        faults.heal();
        EXPECT_GT(faults.strikes(), 20u);
        EXPECT_FALSE(down);
        const MonotonicTime begin = world.now();
        const auto works = world.run([&]() -> Task<Result<void>> {
            MR_CO_TRY_VOID(co_await a.runtime().disk.create_directories("/x"));
            MR_CO_TRY(auto file, co_await a.runtime().disk.open("/x/y", OpenOptions{.mode = OpenMode::kCreate}));
            const ByteBuffer bytes = bytes_of(100, 1);
            MR_CO_TRY_VOID(co_await file->write_and_sync(0, bytes.view()));
            MR_CO_TRY(auto listener, co_await a.runtime().network.listen(Endpoint{"a", 9}));
            MR_CO_TRY(auto stream, co_await b.runtime().network.connect(
                                       Endpoint{"a", 9}, Deadline::after(b.runtime().clock, 1min)));
            co_return ok();
        });
        EXPECT_TRUE(works.ok()) << "seed " << seed << ": " << works.error().to_string();
        // A stall that had begun ends by itself.
        EXPECT_LT(world.now() - begin, 5s);
        world.run_for(10s);
        EXPECT_FALSE(down);
    }
}

}  // namespace
}  // namespace millrace::sim
