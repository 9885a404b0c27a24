// SPDX-License-Identifier: Apache-2.0
//
// The real library on loopback: what gRPC does with our bytes, errors, deadlines and ports.
#include "common/rpc/grpc/grpc_rpc.h"

#include <gtest/gtest.h>

#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"

namespace millrace::rpc {
namespace {

using namespace std::chrono_literals;

class GrpcRpc : public testing::Test {
protected:
    GrpcRpc() {
        runtime_.start_thread("test");
        rpc_ = make_grpc_rpc(runtime_.bundle());
    }
    ~GrpcRpc() override {
        release();
        run([this]() -> Task<bool> {
            for (auto& channel : channels_) co_await channel->close();
            for (auto& server : servers_) co_await server->close(after(1s));
            channels_.clear();
            servers_.clear();
            co_return true;
        });
        runtime_.stop();
        runtime_.join();
    }

    template <class F, class R = typename std::invoke_result_t<F&>::value_type>
    R run(F start) {
        return block_on(runtime_.executor(), std::move(start));
    }
    Deadline after(std::chrono::nanoseconds duration) { return Deadline::after(runtime_.bundle().clock, duration); }

    // Methods: /t.T/echo, /t.T/who, /t.T/fail, /t.T/wait (until release()), /t.T/huge.
    Result<Endpoint> serve(Endpoint listen) {
        return run([this, listen]() -> Task<Result<Endpoint>> {
            std::map<std::string, Handler> handlers;
            handlers["/t.T/echo"] = [](Request request) -> Task<Result<std::string>> { co_return request.body; };
            handlers["/t.T/who"] = [home = runtime_.executor()](Request request) -> Task<Result<std::string>> {
                const Executor here = co_await this_executor();
                co_return request.method + " " + request.peer.substr(0, 5) + (here == home ? " at home" : " abroad");
            };
            handlers["/t.T/fail"] = [](Request) -> Task<Result<std::string>> {
                co_return Error{ErrorCode::kNotFound, "no stream 's/x'"};
            };
            handlers["/t.T/wait"] = [this](Request) -> Task<Result<std::string>> {
                ++waiting_;
                changed_.notify_all();
                while (!released_) co_await changed_.wait();
                co_return std::string{"released"};
            };
            handlers["/t.T/huge"] = [](Request) -> Task<Result<std::string>> {
                co_return std::string(kMaxMessageBytes + 1, 'x');
            };
            Handler otherwise = [](Request request) -> Task<Result<std::string>> {
                co_return Error{ErrorCode::kUnsupported, "no " + request.method + " here"};
            };
            Result<std::unique_ptr<Server>> server = rpc_->serve(listen, std::move(handlers), std::move(otherwise));
            if (!server) co_return std::move(server).error();
            servers_.push_back(std::move(*server));
            co_return servers_.back()->local();
        });
    }
    Channel& channel(Endpoint target) {
        run([this, target]() -> Task<bool> {
            channels_.push_back(rpc_->channel(target));
            co_return true;
        });
        return *channels_.back();
    }
    Result<std::string> call(Channel& channel, std::string method, std::string body,
                             std::chrono::nanoseconds timeout = 30s) {
        return run([this, &channel, method, body, timeout]() -> Task<Result<std::string>> {
            co_return co_await channel.call(method, body, after(timeout));
        });
    }
    void wait_until_waiting(int count) {
        run([this, count]() -> Task<bool> {
            while (waiting_ < count) co_await changed_.wait();
            co_return true;
        });
    }
    void release() {
        run([this]() -> Task<bool> {
            released_ = true;
            changed_.notify_all();
            co_return true;
        });
    }

    AsioRuntime runtime_;
    std::unique_ptr<Rpc> rpc_;
    std::vector<std::unique_ptr<Server>> servers_;
    std::vector<std::unique_ptr<Channel>> channels_;
    // On the executor.
    int waiting_ = 0;
    bool released_ = false;
    Signal changed_;
};

TEST_F(GrpcRpc, CarriesBytesBothWays) {
    const Result<Endpoint> at = serve({"127.0.0.1", 0});
    ASSERT_TRUE(at.ok()) << at.error().to_string();
    EXPECT_NE(at->port, 0);
    Channel& to = channel(*at);
    EXPECT_EQ(*call(to, "/t.T/echo", std::string{"a\0b", 3}), (std::string{"a\0b", 3}));
    EXPECT_EQ(*call(to, "/t.T/echo", ""), "");
    EXPECT_EQ(call(to, "/t.T/echo", std::string(kMaxMessageBytes - 100, 'x'))->size(), kMaxMessageBytes - 100);
    EXPECT_EQ(*call(to, "/t.T/who", ""), "/t.T/who ipv4: at home");
}

TEST_F(GrpcRpc, CarriesErrorsWithCodeAndDetail) {
    Channel& to = channel(*serve({"127.0.0.1", 0}));
    const auto failed = call(to, "/t.T/fail", "");
    ASSERT_FALSE(failed.ok());
    EXPECT_TRUE(failed.error().is(ErrorCode::kNotFound));
    EXPECT_EQ(failed.error().detail(), "no stream 's/x'");
    EXPECT_EQ(failed.error().fate(), Fate::kNotApplied);
    const auto unknown = call(to, "/t.T/nothing", "");
    EXPECT_TRUE(unknown.error().is(ErrorCode::kUnsupported));
    EXPECT_EQ(unknown.error().detail(), "no /t.T/nothing here");
}

TEST_F(GrpcRpc, RefusesWhatIsTooLarge) {
    Channel& to = channel(*serve({"127.0.0.1", 0}));
    EXPECT_TRUE(call(to, "/t.T/echo", std::string(kMaxMessageBytes + 1, 'x')).error().is(ErrorCode::kTooLarge));
    EXPECT_FALSE(call(to, "/t.T/huge", "").ok());
    EXPECT_EQ(*call(to, "/t.T/echo", "still fine"), "still fine");
}

TEST_F(GrpcRpc, SaysInUseWhenThePortIsTaken) {
    const Endpoint at = *serve({"127.0.0.1", 0});
    const Result<Endpoint> second = serve(at);
    ASSERT_FALSE(second.ok());
    EXPECT_TRUE(second.error().is(ErrorCode::kInUse)) << second.error().to_string();
    EXPECT_NE(second.error().detail().find(std::to_string(at.port)), std::string::npos);
}

TEST_F(GrpcRpc, SaysInvalidWhenTheAddressIsNotOurs) {
    const Result<Endpoint> foreign = serve({"192.0.2.1", 0});
    ASSERT_FALSE(foreign.ok());
    EXPECT_TRUE(foreign.error().is(ErrorCode::kInvalidArgument)) << foreign.error().to_string();
    EXPECT_NE(foreign.error().detail().find("192.0.2.1"), std::string::npos);
}

TEST_F(GrpcRpc, FailsFastAndNamesTheAddressWhenNobodyListens) {
    const Endpoint at = *serve({"127.0.0.1", 0});
    run([this]() -> Task<bool> {
        co_await servers_.back()->close(after(1s));
        servers_.pop_back();
        co_return true;
    });
    const auto refused = call(channel(at), "/t.T/echo", "x");
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kUnavailable)) << refused.error().to_string();
    EXPECT_NE(refused.error().detail().find(at.to_string()), std::string::npos);
    EXPECT_EQ(refused.error().fate(), Fate::kNotApplied);
}

TEST_F(GrpcRpc, FindsARestartedServer) {
    const Endpoint at = *serve({"127.0.0.1", 0});
    Channel& to = channel(at);
    ASSERT_TRUE(call(to, "/t.T/echo", "1").ok());
    run([this]() -> Task<bool> {
        co_await servers_.back()->close(after(1s));
        servers_.pop_back();
        co_return true;
    });
    EXPECT_FALSE(call(to, "/t.T/echo", "2").ok());
    ASSERT_TRUE(serve(at).ok());
    // The channel looks again within a second; nothing else ends this loop.
    Result<std::string> reply = call(to, "/t.T/echo", "3");
    while (!reply) {
        EXPECT_TRUE(reply.error().is(ErrorCode::kUnavailable)) << reply.error().to_string();
        run([this]() -> Task<bool> {
            co_await sleep_for(runtime_.bundle().clock, 20ms);
            co_return true;
        });
        reply = call(to, "/t.T/echo", "3");
    }
    EXPECT_EQ(*reply, "3");
}

TEST_F(GrpcRpc, TimesOutWithUnknownFate) {
    Channel& to = channel(*serve({"127.0.0.1", 0}));
    const auto late = call(to, "/t.T/wait", "", 50ms);
    ASSERT_FALSE(late.ok());
    EXPECT_TRUE(late.error().is(ErrorCode::kTimedOut)) << late.error().to_string();
    EXPECT_EQ(late.error().fate(), Fate::kUnknown);
    // The server goes on with others, and the abandoned handler ends without harm.
    EXPECT_EQ(*call(to, "/t.T/echo", "x"), "x");
}

TEST_F(GrpcRpc, RunsManyCallsAtOnce) {
    Channel& to = channel(*serve({"127.0.0.1", 0}));
    constexpr int kCalls = 500;
    int succeeded = 0;
    run([&, this]() -> Task<bool> {
        Gate gate;
        for (int i = 0; i < kCalls; ++i) {
            gate.spawn(runtime_.executor(), [&, i, this]() -> Task<void> {
                const auto reply = co_await to.call("/t.T/echo", std::to_string(i), after(30s));
                if (reply && *reply == std::to_string(i)) ++succeeded;
            });
        }
        co_await gate.close();
        co_return true;
    });
    EXPECT_EQ(succeeded, kCalls);
}

TEST_F(GrpcRpc, RefusesCallsBeyondItsNumberUntilOthersEnd) {
    const Endpoint at = *serve({"127.0.0.1", 0});
    constexpr int kMost = static_cast<int>(kMaxRunningCalls);
    constexpr int kChannels = 5;  // a connection carries 1,000
    for (int i = 0; i < kChannels; ++i) channel(at);
    int released = 0;
    Result<std::string> refused;
    run([&, this]() -> Task<bool> {
        Gate gate;
        for (int i = 0; i < kMost; ++i) {
            gate.spawn(runtime_.executor(), [&, i, this]() -> Task<void> {
                if ((co_await channels_[static_cast<std::size_t>(i % kChannels)]->call("/t.T/wait", "", after(60s))).ok()) {
                    ++released;
                }
            });
        }
        while (waiting_ < kMost) co_await changed_.wait();
        refused = co_await channels_[0]->call("/t.T/echo", "", after(60s));
        released_ = true;
        changed_.notify_all();
        co_await gate.close();
        co_return true;
    });
    EXPECT_EQ(released, kMost);
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kNoSpace)) << refused.error().to_string();
    // What a call held is given back a moment after its reply was sent.
    Result<std::string> reply = call(*channels_[0], "/t.T/echo", "x");
    while (!reply && reply.error().is(ErrorCode::kNoSpace)) reply = call(*channels_[0], "/t.T/echo", "x");
    EXPECT_TRUE(reply.ok()) << reply.error().to_string();
}

TEST_F(GrpcRpc, RefusesBodiesBeyondItsMemoryUntilOthersEnd) {
    Channel& to = channel(*serve({"127.0.0.1", 0}));
    const std::string body(kMaxMessageBytes - 100, 'x');
    constexpr int kFit = 16;  // of 64 MiB
    std::vector<Result<std::string>> replies;
    Result<std::string> refused;
    run([&, this]() -> Task<bool> {
        Gate gate;
        for (int i = 0; i < kFit; ++i) {
            gate.spawn(runtime_.executor(), [&, this]() -> Task<void> {
                replies.push_back(co_await to.call("/t.T/wait", body, after(60s)));
            });
        }
        while (waiting_ < kFit) co_await changed_.wait();
        refused = co_await to.call("/t.T/echo", body, after(60s));
        EXPECT_TRUE((co_await to.call("/t.T/echo", "small", after(60s))).ok());
        released_ = true;
        changed_.notify_all();
        co_await gate.close();
        co_return true;
    });
    EXPECT_EQ(replies.size(), std::size_t{kFit});
    for (const auto& reply : replies) EXPECT_TRUE(reply.ok()) << reply.error().to_string();
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kNoSpace)) << refused.error().to_string();
    // What a call held is given back a moment after its reply was sent.
    Result<std::string> reply = call(to, "/t.T/echo", body);
    while (!reply && reply.error().is(ErrorCode::kNoSpace)) reply = call(to, "/t.T/echo", body);
    EXPECT_TRUE(reply.ok()) << reply.error().to_string();
}

TEST_F(GrpcRpc, ClosingAServerLetsRunningCallsEnd) {
    Channel& to = channel(*serve({"127.0.0.1", 0}));
    Result<std::string> reply;
    run([&, this]() -> Task<bool> {
        Gate gate;
        gate.spawn(runtime_.executor(), [&, this]() -> Task<void> {
            reply = co_await to.call("/t.T/wait", "", after(30s));
        });
        while (waiting_ == 0) co_await changed_.wait();
        gate.spawn(runtime_.executor(), [&, this]() -> Task<void> { co_await servers_.back()->close(after(30s)); });
        co_await sleep_for(runtime_.bundle().clock, 10ms);
        released_ = true;
        changed_.notify_all();
        co_await gate.close();
        co_return true;
    });
    ASSERT_TRUE(reply.ok()) << reply.error().to_string();
    EXPECT_EQ(*reply, "released");
}

TEST_F(GrpcRpc, ClosingAServerEndsCallsAtTheDeadline) {
    Channel& to = channel(*serve({"127.0.0.1", 0}));
    Result<std::string> reply;
    run([&, this]() -> Task<bool> {
        Gate gate;
        gate.spawn(runtime_.executor(), [&, this]() -> Task<void> {
            reply = co_await to.call("/t.T/wait", "", after(30s));
            // The handler itself still runs, so the server is not closed yet.
            released_ = true;
            changed_.notify_all();
        });
        while (waiting_ == 0) co_await changed_.wait();
        co_await servers_.back()->close(after(50ms));
        co_await gate.close();
        co_return true;
    });
    EXPECT_FALSE(reply.ok());
}

TEST_F(GrpcRpc, ClosingAChannelCancelsItsCalls) {
    Channel& to = channel(*serve({"127.0.0.1", 0}));
    Result<std::string> reply;
    run([&, this]() -> Task<bool> {
        Gate gate;
        gate.spawn(runtime_.executor(), [&, this]() -> Task<void> {
            reply = co_await to.call("/t.T/wait", "", after(30s));
        });
        while (waiting_ == 0) co_await changed_.wait();
        co_await to.close();
        co_await gate.close();
        co_return true;
    });
    ASSERT_FALSE(reply.ok());
    EXPECT_TRUE(reply.error().is(ErrorCode::kCancelled)) << reply.error().to_string();
    EXPECT_TRUE(call(to, "/t.T/echo", "").error().is(ErrorCode::kClosed));
}

}  // namespace
}  // namespace millrace::rpc
