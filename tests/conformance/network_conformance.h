// SPDX-License-Identifier: Apache-2.0
//
// What every Network does, as a suite that each implementation runs. A harness offers:
//
//     class Harness {
//         Network& server();         // two processes, or one
//         Network& client();
//         std::string server_host();
//         Clock& clock();
//         Executor executor();
//         template <class F> auto run(F start);   // runs a coroutine to its end on the executor; its value is not void
//     };
//     INSTANTIATE_TYPED_TEST_SUITE_P(Asio, NetworkConformance, Harness);
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/runtime/gate.h"
#include "common/runtime/network.h"

namespace millrace::conformance {

template <class Harness>
class NetworkConformance : public ::testing::Test {
protected:
    struct Pair {
        std::unique_ptr<Listener> listener;
        std::unique_ptr<ByteStream> near;  // connected
        std::unique_ptr<ByteStream> far;   // accepted
    };

    Deadline soon() { return Deadline::after(harness_.clock(), std::chrono::seconds{60}); }
    Task<std::unique_ptr<Listener>> listen() {
        auto listener = co_await harness_.server().listen(Endpoint{harness_.server_host(), 0});
        MR_CHECK(listener.ok());
        co_return std::move(listener).value();
    }
    Task<Result<std::unique_ptr<ByteStream>>> connect(Endpoint to) {
        return harness_.client().connect(Endpoint{harness_.server_host(), to.port}, soon());
    }
    Task<Pair> connected() {
        Pair pair;
        pair.listener = co_await listen();
        auto near = co_await connect(pair.listener->local());
        auto far = co_await pair.listener->accept();
        MR_CHECK(near.ok() && far.ok());
        pair.near = std::move(near).value();
        pair.far = std::move(far).value();
        co_return std::move(pair);
    }
    static Task<Result<void>> write(ByteStream& stream, std::string text) {
        const std::vector<ByteView> pieces{as_bytes(text)};
        co_return co_await stream.write(pieces);
    }
    // To the end of the stream.
    static Task<Result<std::string>> read_all(ByteStream& stream) {
        std::string all;
        ByteBuffer into(64 * 1024);
        for (;;) {
            MR_CO_TRY(const std::size_t count, co_await stream.read_some(into.mutable_view()));
            if (count == 0) co_return all;
            all += as_text(into.view().first(count));
        }
    }
    static Task<Result<std::string>> read_exactly(ByteStream& stream, std::size_t count) {
        std::string all;
        ByteBuffer into(64 * 1024);
        while (all.size() < count) {
            const std::size_t most = std::min(into.size(), count - all.size());
            MR_CO_TRY(const std::size_t got, co_await stream.read_some(into.mutable_view().first(most)));
            if (got == 0) co_return Error{ErrorCode::kUnavailable, "ended early"};
            all += as_text(into.view().first(got));
        }
        co_return all;
    }
    static ErrorCode code(const auto& result) { return result.ok() ? ErrorCode{} : result.error().code(); }
    // Runs a test's coroutine; what it holds is destroyed there.
    template <class F>
    void run(F start) {
        harness_.run([start = std::move(start)]() mutable -> Task<bool> {
            co_await start();
            co_return true;
        });
    }

    Harness harness_;
};

TYPED_TEST_SUITE_P(NetworkConformance);

TYPED_TEST_P(NetworkConformance, CarriesGatheredBytesInOrderBothWays) {
    this->run([this]() -> Task<void> {
        auto pair = co_await this->connected();
        const std::string a = "gathered ", b, c = "write";
        const std::vector<ByteView> pieces{as_bytes(a), as_bytes(b), as_bytes(c)};
        EXPECT_TRUE((co_await pair.near->write(pieces)).ok());
        EXPECT_TRUE((co_await pair.near->write({})).ok());
        EXPECT_TRUE((co_await this->write(*pair.near, ", and more")).ok());
        EXPECT_EQ((co_await this->read_exactly(*pair.far, 24)).value(), "gathered write, and more");
        EXPECT_TRUE((co_await pair.far->write(pieces)).ok());
        EXPECT_EQ((co_await this->read_exactly(*pair.near, 14)).value(), "gathered write");
    });
}

TYPED_TEST_P(NetworkConformance, ManyBytesArriveWholeAndInOrder) {
    this->run([this]() -> Task<void> {
        auto pair = co_await this->connected();
        std::string sent;
        for (int i = 0; sent.size() < 3'000'000; ++i) sent += std::to_string(i) + ",";
        Gate gate;
        gate.spawn(this->harness_.executor(), [&]() -> Task<void> {
            for (std::size_t at = 0; at < sent.size(); at += 100'001) {
                EXPECT_TRUE((co_await this->write(*pair.near, sent.substr(at, 100'001))).ok());
            }
            pair.near->close();
        });
        const auto received = co_await this->read_all(*pair.far);
        co_await gate.close();
        EXPECT_TRUE(received.ok());
        // A string this long would make an unreadable message.
        if (received.ok()) EXPECT_TRUE(*received == sent);
    });
}

TYPED_TEST_P(NetworkConformance, AWriterWaitsForItsReader) {
    this->run([this]() -> Task<void> {
        auto pair = co_await this->connected();
        // More than any buffer between two processes holds.
        constexpr std::size_t kPart = 1024 * 1024;
        constexpr std::size_t kParts = 24;
        std::size_t written = 0;
        Gate gate;
        gate.spawn(this->harness_.executor(), [&]() -> Task<void> {
            const std::string part(kPart, 'x');
            for (std::size_t i = 0; i < kParts; ++i) {
                if (!(co_await this->write(*pair.near, part)).ok()) co_return;
                ++written;
            }
            pair.near->close();
        });
        // One byte arrives, so the writer has begun; it cannot have got through.
        EXPECT_TRUE((co_await this->read_exactly(*pair.far, 1)).ok());
        for (int turns = 0; turns < 1000; ++turns) co_await yield();
        EXPECT_LT(written, kParts);
        const auto rest = co_await this->read_all(*pair.far);
        co_await gate.close();
        EXPECT_EQ(written, kParts);
        if (rest.ok()) EXPECT_EQ(rest->size(), kPart * kParts - 1);
        else ADD_FAILURE() << rest.error().to_string();
    });
}

TYPED_TEST_P(NetworkConformance, CloseEndsOwnCallsWithClosed) {
    this->run([this]() -> Task<void> {
        auto pair = co_await this->connected();
        std::vector<ErrorCode> codes;
        Gate gate;
        gate.spawn(this->harness_.executor(), [&]() -> Task<void> {
            ByteBuffer into(10);
            codes.push_back(this->code(co_await pair.near->read_some(into.mutable_view())));
        });
        gate.spawn(this->harness_.executor(), [&]() -> Task<void> {
            codes.push_back(this->code(co_await this->write(*pair.near, std::string(64 * 1024 * 1024, 'x'))));
        });
        for (int turns = 0; turns < 10; ++turns) co_await yield();
        pair.near->close();
        co_await gate.close();
        EXPECT_EQ(codes, (std::vector<ErrorCode>{ErrorCode::kClosed, ErrorCode::kClosed}));
        ByteBuffer into(10);
        EXPECT_EQ(this->code(co_await pair.near->read_some(into.mutable_view())), ErrorCode::kClosed);
        EXPECT_EQ(this->code(co_await this->write(*pair.near, "x")), ErrorCode::kClosed);
        pair.near->close();
    });
}

TYPED_TEST_P(NetworkConformance, WhatWasWrittenBeforeTheCloseArrivesThenTheEnd) {
    this->run([this]() -> Task<void> {
        auto pair = co_await this->connected();
        EXPECT_TRUE((co_await this->write(*pair.near, "last words")).ok());
        pair.near->close();
        EXPECT_EQ((co_await this->read_all(*pair.far)).value(), "last words");
        // And again.
        EXPECT_EQ((co_await this->read_all(*pair.far)).value(), "");
    });
}

TYPED_TEST_P(NetworkConformance, WritesToAClosedPeerEndUnavailable) {
    this->run([this]() -> Task<void> {
        auto pair = co_await this->connected();
        pair.far.reset();
        Result<void> written = ok();
        while (written.ok()) {
            written = co_await this->write(*pair.near, "anybody there?");
            co_await yield();
        }
        EXPECT_EQ(this->code(written), ErrorCode::kUnavailable);
        EXPECT_NE(written.error().detail().find(this->harness_.server_host()), std::string::npos)
            << written.error().detail();
    });
}

TYPED_TEST_P(NetworkConformance, EndWritingLeavesTheOtherDirectionOpen) {
    this->run([this]() -> Task<void> {
        auto pair = co_await this->connected();
        EXPECT_TRUE((co_await this->write(*pair.near, "question")).ok());
        pair.near->end_writing();
        pair.near->end_writing();
        EXPECT_EQ((co_await this->read_all(*pair.far)).value(), "question");
        EXPECT_TRUE((co_await this->write(*pair.far, "answer")).ok());
        pair.far->close();
        EXPECT_EQ((co_await this->read_all(*pair.near)).value(), "answer");
    });
}

TYPED_TEST_P(NetworkConformance, ClosingWithBytesUnreadBreaksThePeer) {
    this->run([this]() -> Task<void> {
        auto pair = co_await this->connected();
        EXPECT_TRUE((co_await this->write(*pair.near, "a")).ok());
        EXPECT_TRUE((co_await this->read_exactly(*pair.far, 1)).ok());
        EXPECT_TRUE((co_await this->write(*pair.near, std::string(1000, 'x'))).ok());
        // Some of it has arrived, not all of it is read.
        EXPECT_TRUE((co_await this->read_exactly(*pair.far, 1)).ok());
        pair.far.reset();
        const auto rest = co_await this->read_all(*pair.near);
        EXPECT_EQ(this->code(rest), ErrorCode::kUnavailable);
    });
}

TYPED_TEST_P(NetworkConformance, NobodyListeningIsARefusalThatNamesTheEndpoint) {
    this->run([this]() -> Task<void> {
        auto listener = co_await this->listen();
        const Endpoint gone{this->harness_.server_host(), listener->local().port};
        listener->close();
        listener.reset();
        const auto stream = co_await this->connect(gone);
        EXPECT_EQ(this->code(stream), ErrorCode::kUnavailable);
        EXPECT_NE(stream.error().detail().find(gone.to_string()), std::string::npos) << stream.error().detail();
        EXPECT_NE(stream.error().detail().find("refused"), std::string::npos) << stream.error().detail();
    });
}

TYPED_TEST_P(NetworkConformance, AConnectPastItsDeadlineFails) {
    this->run([this]() -> Task<void> {
        auto listener = co_await this->listen();
        const auto stream = co_await this->harness_.client().connect(
            Endpoint{this->harness_.server_host(), listener->local().port}, Deadline{this->harness_.clock().now()});
        EXPECT_EQ(this->code(stream), ErrorCode::kUnavailable);
    });
}

TYPED_TEST_P(NetworkConformance, APortHasOneListener) {
    this->run([this]() -> Task<void> {
        auto listener = co_await this->listen();
        EXPECT_NE(listener->local().port, 0);
        const Endpoint taken{this->harness_.server_host(), listener->local().port};
        const auto second = co_await this->harness_.server().listen(taken);
        EXPECT_EQ(this->code(second), ErrorCode::kInUse);
        EXPECT_NE(second.error().detail().find(taken.to_string()), std::string::npos) << second.error().detail();
        listener->close();
        EXPECT_TRUE((co_await this->harness_.server().listen(taken)).ok());
    });
}

TYPED_TEST_P(NetworkConformance, ACloseOfTheListenerEndsItsAccept) {
    this->run([this]() -> Task<void> {
        auto listener = co_await this->listen();
        ErrorCode code{};
        Gate gate;
        gate.spawn(this->harness_.executor(),
                   [&]() -> Task<void> { code = this->code(co_await listener->accept()); });
        for (int turns = 0; turns < 10; ++turns) co_await yield();
        listener->close();
        co_await gate.close();
        EXPECT_EQ(code, ErrorCode::kClosed);
        EXPECT_EQ(this->code(co_await listener->accept()), ErrorCode::kClosed);
    });
}

TYPED_TEST_P(NetworkConformance, ConnectionsOfOneListenerAreSeparate) {
    this->run([this]() -> Task<void> {
        auto listener = co_await this->listen();
        std::vector<std::unique_ptr<ByteStream>> near, far;
        for (int i = 0; i < 5; ++i) {
            auto stream = co_await this->connect(listener->local());
            MR_CHECK(stream.ok());
            near.push_back(std::move(stream).value());
            EXPECT_TRUE((co_await this->write(*near.back(), std::to_string(i))).ok());
            auto accepted = co_await listener->accept();
            MR_CHECK(accepted.ok());
            far.push_back(std::move(accepted).value());
        }
        listener->close();
        near[2]->close();
        for (int i = 4; i >= 0; --i) {
            EXPECT_EQ((co_await this->read_exactly(*far[static_cast<std::size_t>(i)], 1)).value(), std::to_string(i));
        }
    });
}

REGISTER_TYPED_TEST_SUITE_P(NetworkConformance, CarriesGatheredBytesInOrderBothWays, ManyBytesArriveWholeAndInOrder,
                            AWriterWaitsForItsReader, CloseEndsOwnCallsWithClosed,
                            WhatWasWrittenBeforeTheCloseArrivesThenTheEnd, WritesToAClosedPeerEndUnavailable,
                            EndWritingLeavesTheOtherDirectionOpen, ClosingWithBytesUnreadBreaksThePeer,
                            NobodyListeningIsARefusalThatNamesTheEndpoint, AConnectPastItsDeadlineFails,
                            APortHasOneListener, ACloseOfTheListenerEndsItsAccept,
                            ConnectionsOfOneListenerAreSeparate);

}  // namespace millrace::conformance
