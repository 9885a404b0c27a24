// SPDX-License-Identifier: Apache-2.0
//
// Goal: controller and client meet nothing on gRPC that they were not tried with on simulated calls.
// Method: one suite, run on both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/rpc/grpc/grpc_rpc.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "tests/sim/rpc/sim_rpc.h"

namespace millrace::conformance {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class GrpcHarness {
public:
    GrpcHarness() { runtime_.start_thread("test"); }
    ~GrpcHarness() {
        runtime_.stop();
        runtime_.join();
    }

    rpc::Rpc& server_side() { return *rpc_; }
    rpc::Rpc& client_side() { return *rpc_; }
    std::string host() const { return "127.0.0.1"; }
    Clock& clock() { return bundle_.clock; }
    Executor executor() { return bundle_.executor; }
    template <class F>
    auto run(F start) {
        return block_on(runtime_.executor(), std::move(start));
    }

private:
    AsioRuntime runtime_;
    Runtime bundle_ = runtime_.bundle();
    std::unique_ptr<rpc::Rpc> rpc_ = rpc::make_grpc_rpc(bundle_);
};

class SimulatedHarness {
public:
    rpc::Rpc& server_side() { return server_rpc_; }
    rpc::Rpc& client_side() { return client_rpc_; }
    std::string host() const { return "server"; }
    Clock& clock() { return world_.clock(); }
    Executor executor() { return world_.executor(); }
    template <class F>
    auto run(F start) {
        return world_.run(std::move(start));
    }

private:
    sim::World world_{1};
    sim::Node& server_ = world_.add_node("server");
    sim::Node& client_ = world_.add_node("client");
    sim::SimRpc server_rpc_{world_, server_};
    sim::SimRpc client_rpc_{world_, client_};
};

template <class Harness>
class RpcConformance : public ::testing::Test {
protected:
    ~RpcConformance() override {
        run([this]() -> Task<bool> {
            release();
            for (auto& channel : channels_) co_await channel->close();
            for (auto& server : servers_) co_await server->close(after(1s));
            channels_.clear();
            servers_.clear();
            co_return true;
        });
    }

    template <class F>
    auto run(F start) {
        return harness_.run(std::move(start));
    }
    Deadline after(std::chrono::nanoseconds duration) { return Deadline::after(harness_.clock(), duration); }

    // /t.T/echo, /t.T/metadata (keys that begin with t-), /t.T/fail and /t.T/fail_unknown (with the code in the body),
    // /t.T/wait (until release()), /t.T/huge.
    Result<Endpoint> serve(std::uint16_t port = 0) {
        return run([this, port]() -> Task<Result<Endpoint>> {
            std::map<std::string, rpc::Handler> handlers;
            handlers["/t.T/echo"] = [](rpc::Request request) -> Task<Result<std::string>> { co_return request.body; };
            handlers["/t.T/metadata"] = [](rpc::Request request) -> Task<Result<std::string>> {
                std::string found;
                for (const auto& [key, value] : request.metadata) {
                    if (key.starts_with("t-")) found += key + "=" + value + ";";
                }
                co_return found + (request.peer.empty() ? "nobody" : "");
            };
            handlers["/t.T/fail"] = [](rpc::Request request) -> Task<Result<std::string>> {
                co_return Error{static_cast<ErrorCode>(std::stoi(request.body)), "no stream 's/x'"};
            };
            handlers["/t.T/fail_unknown"] = [](rpc::Request request) -> Task<Result<std::string>> {
                co_return Error{static_cast<ErrorCode>(std::stoi(request.body)), "half done", Fate::kUnknown};
            };
            handlers["/t.T/wait"] = [this](rpc::Request) -> Task<Result<std::string>> {
                ++waiting_;
                changed_.notify_all();
                while (!released_) co_await changed_.wait();
                co_return std::string{"released"};
            };
            handlers["/t.T/huge"] = [](rpc::Request) -> Task<Result<std::string>> {
                co_return std::string(rpc::kMaxMessageBytes + 1, 'x');
            };
            rpc::Handler otherwise = [](rpc::Request request) -> Task<Result<std::string>> {
                co_return Error{ErrorCode::kUnsupported, "no " + request.method + " here"};
            };
            auto server = harness_.server_side().serve({harness_.host(), port}, std::move(handlers), std::move(otherwise));
            if (!server) co_return std::move(server).error();
            servers_.push_back(std::move(*server));
            co_return servers_.back()->local();
        });
    }
    void stop_server(std::chrono::nanoseconds grace = 1s) {
        run([this, grace]() -> Task<bool> {
            co_await servers_.back()->close(after(grace));
            servers_.pop_back();
            co_return true;
        });
    }
    rpc::Channel& channel(Endpoint target) {
        run([this, target]() -> Task<bool> {
            channels_.push_back(harness_.client_side().channel(target));
            co_return true;
        });
        return *channels_.back();
    }
    Result<std::string> call(rpc::Channel& channel, std::string method, std::string body, std::chrono::nanoseconds timeout = 30s,
                             rpc::Metadata metadata = {}) {
        return run([this, &channel, method, body, timeout, metadata]() -> Task<Result<std::string>> {
            co_return co_await channel.call(method, body, after(timeout), metadata);
        });
    }
    void release() {
        released_ = true;
        changed_.notify_all();
    }

    Harness harness_;
    std::vector<std::unique_ptr<rpc::Server>> servers_;
    std::vector<std::unique_ptr<rpc::Channel>> channels_;
    // On the executor.
    int waiting_ = 0;
    bool released_ = false;
    Signal changed_;
};

using Harnesses = ::testing::Types<GrpcHarness, SimulatedHarness>;
struct HarnessName {
    template <class H>
    static std::string GetName(int) {
        return std::is_same_v<H, GrpcHarness> ? "Grpc" : "Simulated";
    }
};
TYPED_TEST_SUITE(RpcConformance, Harnesses, HarnessName);

TYPED_TEST(RpcConformance, CarriesBytesBothWays) {
    const Result<Endpoint> at = this->serve();
    ASSERT_TRUE(at.ok()) << at.error().to_string();
    EXPECT_NE(at->port, 0);
    EXPECT_EQ(at->host, this->harness_.host());
    rpc::Channel& to = this->channel(*at);
    EXPECT_EQ(*this->call(to, "/t.T/echo", std::string{"a\0b", 3}), (std::string{"a\0b", 3}));
    EXPECT_EQ(*this->call(to, "/t.T/echo", ""), "");
    EXPECT_EQ(this->call(to, "/t.T/echo", std::string(rpc::kMaxMessageBytes, 'x'))->size(), rpc::kMaxMessageBytes);
    EXPECT_TRUE(this->run([&]() -> Task<Result<std::string>> {
        co_return co_await to.call("/t.T/echo", "no hurry", Deadline::never(), {});
    }).ok());
}

TYPED_TEST(RpcConformance, CarriesMetadata) {
    rpc::Channel& to = this->channel(*this->serve());
    EXPECT_EQ(*this->call(to, "/t.T/metadata", ""), "");
    EXPECT_EQ(*this->call(to, "/t.T/metadata", "", 30s, {{"t-b", "x y=z,;~"}, {"t-a_1.2", ""}}), "t-a_1.2=;t-b=x y=z,;~;");
    const std::string longest(rpc::kMaxMetadataBytes - 3, 'v');
    EXPECT_EQ(*this->call(to, "/t.T/metadata", "", 30s, {{"t-l", longest}}), "t-l=" + longest + ";");
    EXPECT_TRUE(this->call(to, "/t.T/echo", "", 30s, {{"t-l", longest + "v"}}).error().is(ErrorCode::kTooLarge));
    for (const std::string key : {"T-a", "grpc-timeout", "t-bin", ":path", "te", "t a", ""}) {
        EXPECT_TRUE(this->call(to, "/t.T/echo", "", 30s, {{key, "v"}}).error().is(ErrorCode::kInvalidArgument)) << key;
    }
    EXPECT_TRUE(this->call(to, "/t.T/echo", "", 30s, {{"t-a", "x\ny"}}).error().is(ErrorCode::kInvalidArgument));
}

TYPED_TEST(RpcConformance, CarriesErrorsWithCodeDetailAndFate) {
    rpc::Channel& to = this->channel(*this->serve());
    for (int n = 1; n <= 24; ++n) {
        const auto code = static_cast<ErrorCode>(n);
        const rpc::StatusCode status = rpc::to_status(code);
        const auto failed = this->call(to, "/t.T/fail", std::to_string(n));
        ASSERT_FALSE(failed.ok());
        EXPECT_EQ(failed.error().code(), rpc::from_status(status)) << to_string(code);
        EXPECT_THAT(failed.error().detail(), HasSubstr("no stream 's/x'"));
        EXPECT_EQ(failed.error().fate(), rpc::fate_of(status)) << to_string(code);
    }
}

TYPED_TEST(RpcConformance, NeverSaysThatNothingWasDoneWhenTheHandlerDoesNotKnow) {
    rpc::Channel& to = this->channel(*this->serve());
    for (int n = 1; n <= 24; ++n) {
        const auto failed = this->call(to, "/t.T/fail_unknown", std::to_string(n));
        ASSERT_FALSE(failed.ok());
        EXPECT_EQ(failed.error().fate(), Fate::kUnknown) << to_string(static_cast<ErrorCode>(n));
    }
}

TYPED_TEST(RpcConformance, HandsUnknownMethodsToTheOther) {
    rpc::Channel& to = this->channel(*this->serve());
    const auto unknown = this->call(to, "/t.T/nothing", "");
    EXPECT_TRUE(unknown.error().is(ErrorCode::kUnsupported));
    EXPECT_EQ(unknown.error().detail(), "no /t.T/nothing here");
    EXPECT_EQ(unknown.error().fate(), Fate::kNotApplied);
}

TYPED_TEST(RpcConformance, RefusesWhatIsTooLarge) {
    rpc::Channel& to = this->channel(*this->serve());
    const auto request = this->call(to, "/t.T/echo", std::string(rpc::kMaxMessageBytes + 1, 'x'));
    EXPECT_TRUE(request.error().is(ErrorCode::kTooLarge));
    EXPECT_EQ(request.error().fate(), Fate::kNotApplied);
    const auto reply = this->call(to, "/t.T/huge", "");
    ASSERT_FALSE(reply.ok());
    EXPECT_TRUE(reply.error().is(ErrorCode::kInvalidArgument)) << reply.error().to_string();
    EXPECT_EQ(*this->call(to, "/t.T/echo", "still fine"), "still fine");
}

TYPED_TEST(RpcConformance, SaysInUseWhenThePortIsTaken) {
    const Endpoint at = *this->serve();
    const Result<Endpoint> second = this->serve(at.port);
    ASSERT_FALSE(second.ok());
    EXPECT_TRUE(second.error().is(ErrorCode::kInUse)) << second.error().to_string();
    EXPECT_THAT(second.error().detail(), HasSubstr(std::to_string(at.port)));
}

TYPED_TEST(RpcConformance, SaysInvalidWhenTheAddressIsNotOurs) {
    const auto foreign = this->run([this]() -> Task<Result<bool>> {
        auto server = this->harness_.server_side().serve({"192.0.2.1", 0}, {}, {});
        if (!server) co_return std::move(server).error();
        co_return true;
    });
    EXPECT_TRUE(foreign.error().is(ErrorCode::kInvalidArgument)) << foreign.error().to_string();
    EXPECT_THAT(foreign.error().detail(), HasSubstr("192.0.2.1"));
}

TYPED_TEST(RpcConformance, FailsAtOnceAndNamesTheAddressWhenNobodyListens) {
    const Endpoint at = *this->serve();
    this->stop_server();
    const auto refused = this->call(this->channel(at), "/t.T/echo", "x");
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kUnavailable)) << refused.error().to_string();
    EXPECT_THAT(refused.error().detail(), HasSubstr(at.to_string()));
    EXPECT_EQ(refused.error().fate(), Fate::kNotApplied);
}

TYPED_TEST(RpcConformance, FindsARestartedServer) {
    const Endpoint at = *this->serve();
    rpc::Channel& to = this->channel(at);
    ASSERT_TRUE(this->call(to, "/t.T/echo", "1").ok());
    this->stop_server();
    EXPECT_FALSE(this->call(to, "/t.T/echo", "2").ok());
    ASSERT_TRUE(this->serve(at.port).ok());
    // A channel may look again only now and then; nothing else ends this loop.
    Result<std::string> reply = this->call(to, "/t.T/echo", "3");
    while (!reply) {
        ASSERT_TRUE(reply.error().is(ErrorCode::kUnavailable)) << reply.error().to_string();
        this->run([this]() -> Task<bool> {
            co_await sleep_for(this->harness_.clock(), 20ms);
            co_return true;
        });
        reply = this->call(to, "/t.T/echo", "3");
    }
    EXPECT_EQ(*reply, "3");
}

TYPED_TEST(RpcConformance, TimesOutWithUnknownFate) {
    rpc::Channel& to = this->channel(*this->serve());
    const auto late = this->call(to, "/t.T/wait", "", 50ms);
    ASSERT_FALSE(late.ok());
    EXPECT_TRUE(late.error().is(ErrorCode::kTimedOut)) << late.error().to_string();
    EXPECT_EQ(late.error().fate(), Fate::kUnknown);
    // The server goes on with others, and the abandoned handler ends without harm.
    EXPECT_EQ(*this->call(to, "/t.T/echo", "x"), "x");
    const auto no_time = this->call(to, "/t.T/echo", "x", -1ns);
    EXPECT_TRUE(no_time.error().is(ErrorCode::kTimedOut));
    EXPECT_EQ(no_time.error().fate(), Fate::kNotApplied);
}

TYPED_TEST(RpcConformance, RunsManyCallsAtOnce) {
    rpc::Channel& to = this->channel(*this->serve());
    constexpr int kCalls = 300;
    int succeeded = 0;
    this->run([&, this]() -> Task<bool> {
        Gate gate;
        for (int i = 0; i < kCalls; ++i) {
            gate.spawn(this->harness_.executor(), [&, i, this]() -> Task<void> {
                const auto reply = co_await to.call("/t.T/echo", std::to_string(i), this->after(30s), {});
                if (reply && *reply == std::to_string(i)) ++succeeded;
            });
        }
        co_await gate.close();
        co_return true;
    });
    EXPECT_EQ(succeeded, kCalls);
}

TYPED_TEST(RpcConformance, LastsThroughALongHandler) {
    rpc::Channel& to = this->channel(*this->serve());
    Result<std::string> reply;
    this->run([&, this]() -> Task<bool> {
        Gate gate;
        gate.spawn(this->harness_.executor(), [&]() -> Task<void> {
            reply = co_await to.call("/t.T/wait", "", Deadline::never(), {});
        });
        while (this->waiting_ == 0) co_await this->changed_.wait();
        co_await sleep_for(this->harness_.clock(), 2s);
        this->release();
        co_await gate.close();
        co_return true;
    });
    ASSERT_TRUE(reply.ok()) << reply.error().to_string();
}

TYPED_TEST(RpcConformance, ClosingAServerLetsRunningCallsEnd) {
    rpc::Channel& to = this->channel(*this->serve());
    Result<std::string> reply;
    this->run([&, this]() -> Task<bool> {
        Gate gate;
        gate.spawn(this->harness_.executor(), [&, this]() -> Task<void> {
            reply = co_await to.call("/t.T/wait", "", this->after(30s), {});
        });
        while (this->waiting_ == 0) co_await this->changed_.wait();
        gate.spawn(this->harness_.executor(), [this]() -> Task<void> { co_await this->servers_.back()->close(this->after(30s)); });
        co_await sleep_for(this->harness_.clock(), 10ms);
        this->release();
        co_await gate.close();
        co_return true;
    });
    ASSERT_TRUE(reply.ok()) << reply.error().to_string();
    EXPECT_EQ(*reply, "released");
}

TYPED_TEST(RpcConformance, ClosingAServerEndsCallsAtTheDeadline) {
    rpc::Channel& to = this->channel(*this->serve());
    Result<std::string> reply;
    this->run([&, this]() -> Task<bool> {
        Gate gate;
        gate.spawn(this->harness_.executor(), [&, this]() -> Task<void> {
            reply = co_await to.call("/t.T/wait", "", this->after(30s), {});
            // The handler itself still runs, so the server is not closed yet.
            this->release();
        });
        while (this->waiting_ == 0) co_await this->changed_.wait();
        co_await this->servers_.back()->close(this->after(50ms));
        co_await gate.close();
        co_return true;
    });
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().fate(), Fate::kUnknown) << reply.error().to_string();
}

TYPED_TEST(RpcConformance, ClosingAChannelCancelsItsCalls) {
    rpc::Channel& to = this->channel(*this->serve());
    Result<std::string> reply;
    this->run([&, this]() -> Task<bool> {
        Gate gate;
        gate.spawn(this->harness_.executor(), [&, this]() -> Task<void> {
            reply = co_await to.call("/t.T/wait", "", this->after(30s), {});
        });
        while (this->waiting_ == 0) co_await this->changed_.wait();
        co_await to.close();
        co_await gate.close();
        co_return true;
    });
    ASSERT_FALSE(reply.ok());
    EXPECT_TRUE(reply.error().is(ErrorCode::kCancelled)) << reply.error().to_string();
    EXPECT_EQ(reply.error().fate(), Fate::kUnknown);
    EXPECT_TRUE(this->call(to, "/t.T/echo", "").error().is(ErrorCode::kClosed));
}

}  // namespace
}  // namespace millrace::conformance
