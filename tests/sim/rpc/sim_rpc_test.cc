// SPDX-License-Identifier: Apache-2.0
//
// Goal: each fault of SimRpc happens, is told to the caller as what it is, and no call hangs.
// Method: one fault at a time by its probe; then calls by seed under all of them, each of which ends with a fate that
// agrees with what the handlers did.
#include "tests/sim/rpc/sim_rpc.h"

#include <gtest/gtest.h>

#include "common/runtime/gate.h"
#include "tests/sim/fault_plan.h"
#include "tests/sim/seeded_test.h"

namespace millrace::sim {
namespace {

using namespace std::chrono_literals;

// A server node "s" that counts what it is told, and a client node "c".
class CallWorld {
public:
    explicit CallWorld(std::uint64_t seed) : world{seed}, s{world.add_node("s")}, c{world.add_node("c")} {
        start_server();
        start_client();
    }
    ~CallWorld() {
        stop_client();
        stop_server();
        MR_CHECK(world.run_until([this] { return burials == 0; }, 1min));
    }

    void start_server() {
        MR_CHECK(server == nullptr);
        SimRpc rpc{world, s, faults};
        std::map<std::string, rpc::Handler> handlers;
        handlers["/t.T/add"] = [this](rpc::Request request) -> Task<Result<std::string>> {
            ++runs[request.body];
            if (handler_takes.count() > 0) co_await sleep_for(world.clock(), handler_takes);
            co_return "done " + request.body;
        };
        server = rpc.serve({"s", 700}, std::move(handlers), {}).value();
    }
    void stop_server() {
        if (server == nullptr) return;
        world.run([this]() -> Task<void> { co_await server->close(Deadline::after(world.clock(), 0s)); });
        server.reset();
    }
    // The process has died: its server is closed in the ordinary way, meanwhile.
    void bury_server() {
        ++burials;
        world.spawn([this, dead = std::shared_ptr<rpc::Server>{std::move(server)}]() -> Task<void> {
            co_await dead->close(Deadline::after(world.clock(), 0s));
            --burials;
        });
    }
    void start_client() {
        SimRpc rpc{world, c, faults};
        channel = rpc.channel({"s", 700});
    }
    void stop_client() {
        world.run([this]() -> Task<void> { co_await channel->close(); });
        channel.reset();
    }
    Result<std::string> call(std::string body, std::chrono::nanoseconds timeout = 10s) {
        return world.run([this, body, timeout]() -> Task<Result<std::string>> {
            co_return co_await channel->call("/t.T/add", body, Deadline::after(c.runtime().clock, timeout));
        });
    }

    World world;
    Node& s;
    Node& c;
    std::shared_ptr<RpcFaults> faults = std::make_shared<RpcFaults>();
    std::chrono::nanoseconds handler_takes{0};
    std::map<std::string, int> runs;
    std::unique_ptr<rpc::Server> server;
    std::unique_ptr<rpc::Channel> channel;
    int burials = 0;
};

TEST(SimRpc, ALostRequestEndsTheCallWithUnknownFate) {
    CallWorld w{1};
    w.faults->lose_request_one_in = 1;
    const auto lost = w.call("x");
    EXPECT_TRUE(lost.error().is(ErrorCode::kUnavailable)) << lost.error().to_string();
    EXPECT_EQ(lost.error().fate(), Fate::kUnknown);
    EXPECT_EQ(w.runs["x"], 0);
    const auto soon = w.call("x", 100ms);
    EXPECT_TRUE(soon.error().is(ErrorCode::kTimedOut)) << soon.error().to_string();
    EXPECT_EQ(soon.error().fate(), Fate::kUnknown);
}

TEST(SimRpc, ALostReplyLeavesADoneDeed) {
    CallWorld w{1};
    w.faults->lose_reply_one_in = 1;
    const auto lost = w.call("x");
    EXPECT_TRUE(lost.error().is(ErrorCode::kUnavailable)) << lost.error().to_string();
    EXPECT_EQ(lost.error().fate(), Fate::kUnknown);
    EXPECT_EQ(w.runs["x"], 1);
}

TEST(SimRpc, ALateReplyIsWaitedForUntilTheDeadline) {
    CallWorld w{1};
    w.faults->late_reply_one_in = 1;
    w.faults->late_max = 5s;
    for (int i = 0; i < 20; ++i) EXPECT_EQ(*w.call(std::to_string(i)), "done " + std::to_string(i));
    int timed_out = 0;
    for (int i = 0; i < 20; ++i) {
        const auto late = w.call("x", 1s);
        timed_out += !late && late.error().is(ErrorCode::kTimedOut) && late.error().fate() == Fate::kUnknown ? 1 : 0;
    }
    EXPECT_GT(timed_out, 5);
    EXPECT_EQ(w.runs["x"], 20);
}

TEST(SimRpc, ALateRequestMayRunAfterItsCallIsOver) {
    CallWorld w{1};
    w.faults->late_request_one_in = 1;
    int after = 0;
    for (int i = 0; i < 20; ++i) {
        const std::string body = std::to_string(i);
        const auto late = w.call(body, 100ms);
        const int before = w.runs[body];
        w.world.run_for(4s);
        EXPECT_EQ(w.runs[body], 1);
        after += before == 0 ? 1 : 0;
        EXPECT_EQ(late.ok(), before == 1 && late.ok());
    }
    EXPECT_GT(after, 5);
}

TEST(SimRpc, ADoubledRequestRunsTwiceAndAnswersOnce) {
    CallWorld w{1};
    w.faults->run_twice_one_in = 1;
    EXPECT_EQ(*w.call("x"), "done x");
    w.world.run_for(4s);
    EXPECT_EQ(w.runs["x"], 2);
}

TEST(SimRpc, CopiesThatTheNetworkMakesRunOnce) {
    CallWorld w{1};
    w.world.network().message_options().repeat_one_in = 1;
    w.faults->double_reply_one_in = 1;
    for (int i = 0; i < 10; ++i) EXPECT_EQ(*w.call(std::to_string(i)), "done " + std::to_string(i));
    w.world.run_for(4s);
    for (const auto& [body, runs] : w.runs) EXPECT_EQ(runs, 1);
}

TEST(SimRpc, ADyingServerEndsItsCalls) {
    for (const bool crash : {false, true}) {
        CallWorld w{1};
        w.handler_takes = 1h;
        std::optional<Result<std::string>> reply;
        w.world.spawn([&]() -> Task<void> { reply = co_await w.channel->call("/t.T/add", "x", Deadline::never(), {}); });
        ASSERT_TRUE(w.world.run_until([&] { return w.runs["x"] == 1; }, 1s));
        if (crash) w.s.crash();
        else w.s.kill();
        EXPECT_TRUE(w.world.run_until([&] { return reply.has_value(); }, 5s));
        EXPECT_TRUE(reply->error().is(ErrorCode::kUnavailable)) << reply->error().to_string();
        EXPECT_EQ(reply->error().fate(), Fate::kUnknown);
        w.stop_server();
        const auto refused = w.call("y");
        EXPECT_TRUE(refused.error().is(ErrorCode::kUnavailable)) << refused.error().to_string();
        EXPECT_EQ(refused.error().fate(), Fate::kNotApplied);
        EXPECT_NE(refused.error().detail().find("s:700"), std::string::npos);
        w.handler_takes = 0s;
        w.start_server();
        EXPECT_EQ(*w.call("z"), "done z");
    }
}

TEST(SimRpc, ADyingClientEndsItsCalls) {
    CallWorld w{1};
    w.handler_takes = 1h;
    std::optional<Result<std::string>> reply;
    w.world.spawn([&]() -> Task<void> { reply = co_await w.channel->call("/t.T/add", "x", Deadline::never(), {}); });
    ASSERT_TRUE(w.world.run_until([&] { return w.runs["x"] == 1; }, 1s));
    w.c.kill();
    EXPECT_TRUE(w.world.run_until([&] { return reply.has_value(); }, 1s));
    EXPECT_TRUE(reply->error().is(ErrorCode::kClosed)) << reply->error().to_string();
    w.stop_client();
    w.start_client();
    w.handler_takes = 0s;
    EXPECT_EQ(*w.call("y"), "done y");
}

TEST(SimRpc, SilenceEndsACallAtItsDeadline) {
    CallWorld w{1};
    w.s.power_off();
    const auto silent = w.call("x", 3s);
    EXPECT_TRUE(silent.error().is(ErrorCode::kTimedOut)) << silent.error().to_string();
    EXPECT_EQ(silent.error().fate(), Fate::kUnknown);
}

// How many calls succeeded.
int run_calls(std::uint64_t seed) {
    CallWorld w{seed};
    Random& random = w.world.random();
    const auto chance = [&]() -> std::uint32_t { return random.one_in(2) ? static_cast<std::uint32_t>(random.between(2, 20)) : 0; };
    *w.faults = {chance(), chance(), chance(), chance(), 3000ms, chance(), chance()};
    FaultInjector injector{w.world, FaultPlan::draw(random),
                           {{&w.s,
                             [&](Death death) {
                                 if (death == Death::kKill) w.s.kill();
                                 else w.s.crash();
                                 w.bury_server();
                             },
                             [&] { w.start_server(); }},
                            {&w.c, {}, {}}}};
    injector.start();
    struct Outcome {
        std::string body;
        Result<std::string> reply;
        int runs = 0;  // when it ended
    };
    std::vector<Outcome> outcomes;
    int open = 0;
    constexpr int kCalls = 100;
    for (int i = 0; i < kCalls; ++i) {
        ++open;
        w.world.spawn([&, body = std::to_string(i)]() -> Task<void> {
            const Deadline deadline = Deadline::after(w.c.runtime().clock, 2s);
            Result<std::string> reply = co_await w.channel->call("/t.T/add", body, deadline, {});
            outcomes.push_back({body, std::move(reply), w.runs[body]});
            --open;
        });
        w.world.run_for(std::chrono::milliseconds{random.between(1, 100)});
    }
    injector.heal();
    w.faults->heal();
    const bool ended = w.world.run_until([&] { return open == 0; }, 1min);
    MR_CHECK(ended);
    w.world.run_for(10s);
    int succeeded = 0;
    for (const Outcome& one : outcomes) {
        if (one.reply) {
            ++succeeded;
            EXPECT_EQ(*one.reply, "done " + one.body);
            EXPECT_GE(one.runs, 1);
        } else if (one.reply.error().fate() == Fate::kNotApplied) {
            EXPECT_TRUE(one.reply.error().is(ErrorCode::kUnavailable)) << one.reply.error().to_string();
            // Twice is for requests that were sent twice only.
            if (w.faults->run_twice_one_in == 0) EXPECT_LE(w.runs[one.body], 1);
        }
        EXPECT_LE(w.runs[one.body], 2);
    }
    EXPECT_EQ(*w.call("last"), "done last");
    return succeeded;
}

class SimRpcSeeds : public SeededTest {};

TEST_P(SimRpcSeeds, EveryCallEndsWithAFateThatIsTrue) { (void)run_calls(seed()); }


INSTANTIATE_TEST_SUITE_P(Seeds, SimRpcSeeds, seeds(50), seed_name);

TEST(SimRpc, ReachesEveryFault) {
    int succeeded = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) succeeded += run_calls(seed);
    EXPECT_GT(succeeded, 1000);
    for (const char* name : {"sim.rpc.connection_broke", "sim.rpc.copy_dropped", "sim.rpc.nobody_listens", "sim.rpc.reply_doubled",
                             "sim.rpc.reply_late", "sim.rpc.reply_lost", "sim.rpc.reply_too_late_or_double", "sim.rpc.request_late",
                             "sim.rpc.request_lost", "sim.rpc.run_twice", "sim.rpc.timed_out"}) {
        EXPECT_GT(probe_count(name), 0u) << name;
    }
}

}  // namespace
}  // namespace millrace::sim
