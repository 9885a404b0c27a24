// SPDX-License-Identifier: Apache-2.0
//
// Links and request connections against a peer that the test plays by hand, in virtual time.
#include <gtest/gtest.h>

#include "client/segment/request_connection.h"
#include "client/segment/retry.h"
#include "tests/sim/world.h"

namespace millrace::client {
namespace {

using namespace std::chrono_literals;

class LinkTest : public ::testing::Test {
protected:
    // Connects a link, and the peer's side of it.
    void SetUp() override {
        auto listened = world.run([this] { return store.runtime().network.listen(Endpoint{"0.0.0.0", 0}); });
        ASSERT_TRUE(listened.ok());
        listener = std::move(*listened);
        auto opened = world.run([this]() -> Task<Result<std::unique_ptr<SegmentLink>>> {
            co_return co_await SegmentLink::open(app.runtime(), Endpoint{"store", listener->local().port},
                                                 Deadline::never());
        });
        ASSERT_TRUE(opened.ok());
        link = std::move(*opened);
        auto accepted = world.run([this] { return listener->accept(); });
        ASSERT_TRUE(accepted.ok());
        peer = std::make_unique<transport::Connection>(store.runtime(), std::move(*accepted));
    }
    void TearDown() override {
        world.run([this]() -> Task<bool> {
            if (link) co_await link->close();
            co_await peer->close();
            co_return true;
        });
    }

    void send(const wire::Message& message) {
        ByteBuffer frame;
        wire::encode(message, frame);
        peer->send(std::move(frame));
    }
    // The next message from the link.
    wire::Message receive() {
        while (received.empty()) {
            auto frames = world.run([this] { return peer->receive(); });
            MR_CHECK(frames.ok());
            for (const auto& frame : *frames) received.push_back(*wire::decode(frame));
        }
        auto first = std::move(received.front());
        received.pop_front();
        return first;
    }

    sim::World world{1};
    sim::Node& store = world.add_node("store");
    sim::Node& app = world.add_node("app");
    std::unique_ptr<Listener> listener;
    std::unique_ptr<SegmentLink> link;
    std::unique_ptr<transport::Connection> peer;
    std::deque<wire::Message> received;
};

TEST_F(LinkTest, SaysHelloFirstAndHandsOutWhatIsMeantForUs) {
    EXPECT_EQ(receive(), wire::Message{(wire::Hello{16, 5})});
    send(wire::Hello{17, 5});
    send(wire::KeepAlive{});
    send(wire::SegmentSealed{7, "s/t/0.#epoch.0"});
    const auto messages = world.run([this] { return link->receive(); });
    ASSERT_TRUE(messages.ok());
    ASSERT_EQ(messages->size(), 1u);
    EXPECT_TRUE(std::holds_alternative<wire::SegmentSealed>(messages->front()));
}

TEST_F(LinkTest, RefusesAStoreOfAnotherAge) {
    send(wire::Hello{30, 20});
    const auto messages = world.run([this] { return link->receive(); });
    ASSERT_FALSE(messages.ok());
    EXPECT_TRUE(messages.error().is(ErrorCode::kUnsupported));
    EXPECT_NE(messages.error().detail().find("20 to 30"), std::string::npos) << messages.error().detail();
}

TEST_F(LinkTest, EndsWithAFrameThatIsNoMessage) {
    peer->send(from_hex("00000002 00000003 000000"));
    const auto messages = world.run([this] { return link->receive(); });
    ASSERT_FALSE(messages.ok());
    EXPECT_TRUE(messages.error().is(ErrorCode::kUnavailable)) << messages.error().to_string();
}

TEST_F(LinkTest, EndsWithAFrameOfAnUnknownTypeSoThatItsOwnerMayConnectAgain) {
    peer->send(from_hex("00000309 00000000"));
    const auto messages = world.run([this] { return link->receive(); });
    ASSERT_FALSE(messages.ok());
    EXPECT_TRUE(may_pass(messages.error())) << messages.error().to_string();
    EXPECT_EQ(messages.error().fate(), Fate::kUnknown);
    EXPECT_NE(messages.error().detail().find("777"), std::string::npos) << messages.error().detail();
}

TEST_F(LinkTest, AsksASilentStoreForASignOfLifeAndThenGivesItUp) {
    EXPECT_TRUE(std::holds_alternative<wire::Hello>(receive()));
    const MonotonicTime start = world.now();
    // It answers two of them.
    std::optional<Error> error;
    world.spawn([&]() -> Task<void> {
        auto messages = co_await link->receive();
        if (!messages) error = messages.error();
    });
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(std::holds_alternative<wire::KeepAlive>(receive()));
        send(wire::KeepAlive{});
    }
    EXPECT_GE(world.now() - start, 20s);
    ASSERT_TRUE(world.run_until([&] { return error.has_value(); }, 5min));
    EXPECT_TRUE(error->is(ErrorCode::kUnavailable));
    EXPECT_GE(world.now() - start, 70s);
    EXPECT_LE(world.now() - start, 130s);
}

class RequestConnectionTest : public LinkTest {
protected:
    void SetUp() override {
        LinkTest::SetUp();
        connection = std::make_unique<RequestConnection>(app.runtime(), std::move(link));
        EXPECT_TRUE(std::holds_alternative<wire::Hello>(receive()));
    }
    void TearDown() override {
        world.run([this]() -> Task<bool> {
            co_await connection->close();
            co_return true;
        });
        LinkTest::TearDown();
    }
    void ask(wire::RequestId id, Deadline deadline = Deadline::never()) {
        world.spawn([this, id, deadline]() -> Task<void> {
            answers.emplace(id, co_await connection->call(wire::SealSegment{id, "s/t/0.#epoch.0", ""}, id, deadline));
        });
    }

    std::unique_ptr<RequestConnection> connection;
    std::map<wire::RequestId, Result<wire::Message>> answers;
};

TEST_F(RequestConnectionTest, FindsTheRequestOfEachReply) {
    for (wire::RequestId id = 1; id <= 3; ++id) ask(id);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(std::holds_alternative<wire::SealSegment>(receive()));
    send(wire::SegmentSealed{99, "nobody asked"});
    send(wire::SegmentIsSealed{3, "three", "", -1});
    send(wire::SegmentSealed{1, "one"});
    send(wire::SegmentSealed{2, "two"});
    ASSERT_TRUE(world.run_until([&] { return answers.size() == 3; }, 1min));
    EXPECT_EQ(std::get<wire::SegmentSealed>(*answers.at(1)).segment, "one");
    EXPECT_EQ(std::get<wire::SegmentSealed>(*answers.at(2)).segment, "two");
    EXPECT_EQ(std::get<wire::SegmentIsSealed>(*answers.at(3)).segment, "three");
}

TEST_F(RequestConnectionTest, TimesOutOneRequestAndServesTheOthers) {
    ask(1, Deadline{world.now() + 1s});
    ask(2);
    ASSERT_TRUE(world.run_until([&] { return answers.size() == 1; }, 1min));
    EXPECT_TRUE(answers.at(1).error().is(ErrorCode::kTimedOut));
    EXPECT_EQ(answers.at(1).error().fate(), Fate::kUnknown);
    send(wire::SegmentSealed{1, "too late"});
    send(wire::SegmentSealed{2, "two"});
    ASSERT_TRUE(world.run_until([&] { return answers.size() == 2; }, 1min));
    EXPECT_TRUE(answers.at(2).ok());
}

TEST_F(RequestConnectionTest, FailsWhatWaitsWhenTheStoreGoesAway) {
    ask(1);
    ask(2);
    EXPECT_TRUE(std::holds_alternative<wire::SealSegment>(receive()));
    peer->shut(Error{ErrorCode::kClosed, "gone"});
    ASSERT_TRUE(world.run_until([&] { return answers.size() == 2; }, 1min));
    EXPECT_TRUE(answers.at(1).error().is(ErrorCode::kUnavailable));
    EXPECT_EQ(answers.at(1).error().fate(), Fate::kUnknown);
    EXPECT_TRUE(connection->over());
    ask(3);
    ASSERT_TRUE(world.run_until([&] { return answers.size() == 3; }, 1min));
    EXPECT_FALSE(answers.at(3).ok());
}

TEST(Retry, PausesLongerAndGivesUpInTime) {
    sim::World world{1};
    Retry retry{world.clock(), 2500ms, 0s};
    const Error error{ErrorCode::kUnavailable, "no"};
    std::vector<std::chrono::nanoseconds> pauses;
    while (true) {
        retry.trying();
        const auto pause = retry.failed(error, "trying");
        if (!pause) {
            EXPECT_NE(pause.error().detail().find("2500 ms"), std::string::npos);
            break;
        }
        pauses.push_back(*pause);
        world.run_for(*pause);
    }
    EXPECT_EQ(pauses, (std::vector<std::chrono::nanoseconds>{1ms, 10ms, 100ms, 1s, 1s}));
    // Once it has worked there is no bound, except for what cannot pass.
    retry.worked();
    for (int i = 0; i < 100; ++i) {
        retry.trying();
        const auto pause = retry.failed(error, "trying");
        ASSERT_TRUE(pause.ok());
        world.run_for(*pause);
    }
    EXPECT_TRUE(retry.failed(Error{ErrorCode::kNotFound, "gone"}, "trying").error().is(ErrorCode::kNotFound));
}

}  // namespace
}  // namespace millrace::client
