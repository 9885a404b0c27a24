// SPDX-License-Identifier: Apache-2.0
#include "common/transport/hello.h"

#include <gtest/gtest.h>

#include <string_view>

#include "common/transport/testing/fake_stream.h"
#include "common/transport/testing/run.h"

namespace millrace::transport {
namespace {

struct Greeting {
    std::shared_ptr<testing::FakePeer> peer = std::make_shared<testing::FakePeer>();
    Connection connection;

    explicit Greeting(Runtime runtime) : connection{runtime, std::make_unique<testing::FakeStream>(peer)} {}
};

constexpr std::string_view kOurs = "ffffff81000000080000001000000005";

TEST(Hello, AcceptsVersionsThatMeetOurs) {
    for (const auto& [high, low] : {std::pair{16, 5}, {15, 15}, {15, 5}, {17, 5}, {17, 16}, {5, 1}}) {
        EXPECT_TRUE(check_compatible({high, low})) << high << ' ' << low;
    }
    for (const auto& [high, low] : {std::pair{17, 17}, {4, 1}, {99, 50}, {0, 0}}) {
        const auto checked = check_compatible({high, low});
        ASSERT_FALSE(checked) << high << ' ' << low;
        EXPECT_TRUE(checked.error().is(ErrorCode::kUnsupported));
    }
}

TEST(ClientHello, SpeaksFirstAndReturnsWhatCameWithTheAnswer) {
    testing::run([](Runtime runtime) -> Task<void> {
        Greeting greeting{runtime};
        ByteBuffer answer;
        wire::encode(wire::Hello{17, 5}, answer);
        wire::encode(wire::KeepAlive{}, answer);
        greeting.peer->arrive(answer);
        auto rest = co_await client_hello(greeting.connection, Deadline::never());
        EXPECT_TRUE(rest);
        if (rest) {
            EXPECT_EQ(rest->size(), 1u);
            EXPECT_EQ(rest->front().type, wire::FrameType::kKeepAlive);
        }
        EXPECT_TRUE(co_await greeting.connection.drained(0));
        EXPECT_EQ(to_hex(greeting.peer->taken), kOurs);
        co_await greeting.connection.close();
    });
}

TEST(ClientHello, EndsTheConnectionOnAnythingElse) {
    struct Case {
        std::string_view bytes;
        ErrorCode code;
    };
    for (const Case& wrong : {Case{"ffffff81 00000008 00000011 00000011", ErrorCode::kUnsupported},
                              Case{"00000064 00000000", ErrorCode::kBadRequest},
                              Case{"ffffff81 00000004 00000010", ErrorCode::kBadRequest},
                              Case{"ffffff81 ffffffff", ErrorCode::kBadRequest},
                              Case{"", ErrorCode::kUnavailable}}) {
        testing::run([wrong](Runtime runtime) -> Task<void> {
            Greeting greeting{runtime};
            if (!wrong.bytes.empty()) greeting.peer->arrive(from_hex(wrong.bytes));
            greeting.peer->end();
            auto rest = co_await client_hello(greeting.connection, Deadline::never());
            EXPECT_TRUE(!rest && rest.error().is(wrong.code)) << wrong.bytes;
            EXPECT_TRUE(greeting.connection.over());
            co_await greeting.connection.close();
        });
    }
}

TEST(ClientHello, GivesUpAtItsDeadline) {
    testing::run([](Runtime runtime) -> Task<void> {
        Greeting greeting{runtime};
        auto rest = co_await client_hello(greeting.connection,
                                          Deadline::after(runtime.clock, std::chrono::milliseconds{2}));
        EXPECT_TRUE(!rest && rest.error().is(ErrorCode::kTimedOut));
        co_await greeting.connection.close();
    });
}

TEST(AnswerHello, AnswersAlsoWhomItCannotServe) {
    testing::run([](Runtime runtime) -> Task<void> {
        Greeting greeting{runtime};
        EXPECT_TRUE(answer_hello(greeting.connection, wire::Hello{15, 15}));
        const auto refused = answer_hello(greeting.connection, wire::Hello{99, 50});
        EXPECT_TRUE(!refused && refused.error().is(ErrorCode::kUnsupported));
        co_await greeting.connection.close_after_drain(Deadline::never());
        EXPECT_EQ(to_hex(greeting.peer->taken), std::string{kOurs} + std::string{kOurs});
    });
}

}  // namespace
}  // namespace millrace::transport
