// SPDX-License-Identifier: Apache-2.0
#include "common/transport/connection.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/transport/send_reservation.h"
#include "common/transport/testing/fake_stream.h"
#include "common/transport/testing/run.h"
#include "common/wire/messages.h"
#include "common/wire/testing/random_message.h"

namespace millrace::transport {
namespace {

using testing::FakePeer;
using testing::FakeStream;
using testing::run;
using testing::until;
using wire::Frame;
using wire::testing::Dice;

struct Ends {
    std::shared_ptr<FakePeer> peer = std::make_shared<FakePeer>();
    Connection connection;

    explicit Ends(Runtime runtime, ConnectionOptions options = {})
        : connection{runtime, std::make_unique<FakeStream>(peer), options} {}
};

void put_frame(std::int32_t type, ByteView payload, ByteBuffer& out) {
    BigEndianWriter writer{out};
    writer.i32(type);
    writer.i32(static_cast<std::int32_t>(payload.size()));
    writer.bytes(payload);
}

// Frames of all small sizes and now and then a larger one, the payload made from the dice.
ByteBuffer frames_of(Dice& dice, int count, std::vector<Bytes>& payloads, std::size_t large) {
    ByteBuffer out;
    for (int i = 0; i < count; ++i) {
        const std::size_t size = dice.below(20) == 0 ? dice.below(large) : dice.below(60);
        payloads.push_back(dice.bytes(size));
        put_frame(100 + i % 5, payloads.back(), out);
    }
    return out;
}

TEST(Connection, ReceivesAllWholeFramesOfOneRead) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ByteBuffer bytes;
        put_frame(7, as_bytes("one"), bytes);
        put_frame(8, {}, bytes);
        put_frame(9, as_bytes("three"), bytes);
        bytes.append(from_hex("00000001 000000"));
        ends.peer->arrive(bytes);
        auto frames = co_await ends.connection.receive();
        EXPECT_TRUE(frames);
        if (frames) {
            EXPECT_EQ(frames->size(), 3u);
            EXPECT_EQ((*frames)[0].type, wire::FrameType{7});
            EXPECT_EQ(as_text((*frames)[0].payload), "one");
            EXPECT_TRUE((*frames)[1].payload.empty());
            // All of one read lies in one piece of memory.
            EXPECT_EQ((*frames)[2].payload.data(), (*frames)[0].payload.data() + 3 + 8 + 8);
        }
        ends.peer->arrive(from_hex("01 61"));
        auto last = co_await ends.connection.receive();
        EXPECT_TRUE(last && last->size() == 1 && as_text(last->front().payload) == "a");
        co_await ends.connection.close();
    });
}

// However the bytes arrive, and whether frames are kept or dropped at once, their contents are right
// and stay so while more arrives.
TEST(Connection, KeepsFramesIntactHoweverBytesArrive) {
    struct Way {
        std::size_t portion;  // 0: at random
        std::size_t buffer;
        bool keep;
    };
    for (const Way& way : {Way{1, 64, true}, Way{1, 4096, false}, Way{7, 64, true}, Way{0, 200, true}, Way{0, 5000, true},
                           Way{0, 5000, false}, Way{100'000, 256 * 1024, true}}) {
        run([way](Runtime runtime) -> Task<void> {
            Ends ends{runtime, ConnectionOptions{.receive_buffer_bytes = way.buffer}};
            Dice dice{way.portion + way.buffer};
            std::vector<Bytes> payloads;
            const ByteBuffer bytes = frames_of(dice, way.portion == 1 ? 60 : 1000, payloads, 9000);
            for (std::size_t at = 0; at < bytes.size();) {
                const std::size_t wanted = way.portion == 0 ? 1 + dice.below(3000) : way.portion;
                const std::size_t size = std::min(wanted, bytes.size() - at);
                ends.peer->arrive(bytes.view().subspan(at, size));
                at += size;
            }
            ends.peer->end();
            std::vector<Bytes> kept;
            std::size_t received = 0;
            for (;;) {
                auto frames = co_await ends.connection.receive();
                if (!frames) {
                    EXPECT_TRUE(frames.error().is(ErrorCode::kUnavailable));
                    EXPECT_NE(frames.error().detail().find("between frames"), std::string::npos);
                    break;
                }
                EXPECT_FALSE(frames->empty());
                for (Frame& frame : *frames) {
                    EXPECT_EQ(frame.payload, payloads[received]);
                    ++received;
                    if (way.keep) kept.push_back(std::move(frame.payload));
                }
            }
            EXPECT_EQ(received, payloads.size());
            if (way.keep) {
                EXPECT_EQ(kept, payloads);
            }
            co_await ends.connection.close();
        });
    }
}

// Frames are read and dropped by another thread while the connection goes on using memory that
// nobody holds any more.
TEST(Connection, ReusesMemoryOnlyWhenOtherThreadsAreDoneWithIt) {
    AsioRuntime other{AsioRuntimeOptions{.seed = 2}};
    other.start_thread("other");
    run([&other](Runtime runtime) -> Task<void> {
        Ends ends{runtime, ConnectionOptions{.receive_buffer_bytes = 2000}};
        Dice dice{11};
        std::vector<Bytes> payloads;
        const ByteBuffer bytes = frames_of(dice, 5000, payloads, 300);
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t size = std::min(1 + dice.below(500), bytes.size() - at);
            ends.peer->arrive(bytes.view().subspan(at, size));
            at += size;
        }
        std::size_t received = 0;
        std::size_t wrong = 0;  // the other thread's until it has ended
        while (received < payloads.size()) {
            auto frames = co_await ends.connection.receive();
            EXPECT_TRUE(frames);
            if (!frames) break;
            for (Frame& frame : *frames) {
                post(other.executor(), [&wrong, got = std::move(frame.payload), expected = payloads[received]] {
                    wrong += got == expected ? 0 : 1;
                });
                ++received;
            }
        }
        post(other.executor(), [&other] { other.stop(); });
        other.join();
        EXPECT_EQ(wrong, 0u);
        co_await ends.connection.close();
    });
}

TEST(Connection, SpendsNoMemoryOnAnAnnouncedLengthAlone) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ends.peer->arrive(from_hex("00000003 00ffffff"));
        ends.peer->arrive(ByteBuffer(100, std::byte{1}));
        ends.peer->end();
        auto frames = co_await ends.connection.receive();
        EXPECT_FALSE(frames);
        EXPECT_LE(ends.peer->most_offered, 256u * 1024);
        EXPECT_NE(frames.error().detail().find("inside a frame"), std::string::npos);
        co_await ends.connection.close();
    });
}

TEST(Connection, ReceivesTheLargestFrame) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        Dice dice{3};
        const Bytes payload = dice.bytes(wire::kMaxReceivedPayload);
        ByteBuffer bytes;
        put_frame(3, payload, bytes);
        put_frame(4, as_bytes("after"), bytes);
        for (std::size_t at = 0; at < bytes.size(); at += 50'000) {
            ends.peer->arrive(bytes.view().subspan(at, std::min<std::size_t>(50'000, bytes.size() - at)));
        }
        auto first = co_await ends.connection.receive();
        EXPECT_TRUE(first && first->size() == 1 && first->front().payload == payload);
        auto second = co_await ends.connection.receive();
        EXPECT_TRUE(second && second->size() == 1 && as_text(second->front().payload) == "after");
        // Whoever keeps the small frame does not keep the memory of the large one.
        EXPECT_LE(ends.connection.receive_buffer_bytes(), 256u * 1024);
        co_await ends.connection.close();
    });
}

// What takes long to put together, perhaps for ever, keeps only others from putting together as much.
TEST(Connection, ReservationsHoldUpReservationsOnly) {
    run([](Runtime runtime) -> Task<void> {
        ConnectionResources resources{
            .received = nullptr, .pool = BufferPool{}, .counters = {}, .queued_bytes_max = 1000, .reserved_bytes = 0, .queued_less = {}};
        ConnectionOptions options;
        options.resources = &resources;
        Ends ends{runtime, options};
        Gate waiting;
        bool prepared = false;
        {
            const SendReservation hanging{&resources, 2000};
            EXPECT_TRUE(resources.full());
            EXPECT_TRUE(ends.connection.has_drained(0));
            EXPECT_TRUE(co_await ends.connection.drained(0));
            waiting.spawn(runtime.executor, [&]() -> Task<void> {
                prepared = (co_await ends.connection.room_to_prepare()).ok();
            });
            while (resources.queued_less.waiting() == 0 && !prepared) co_await sleep_for(runtime.clock, std::chrono::milliseconds{1});
            EXPECT_FALSE(prepared);
        }
        co_await waiting.close();
        EXPECT_TRUE(prepared);
        co_await ends.connection.close();
    });
}

TEST(Connection, EndsAtALengthThatIsNegativeOrTooLargeAfterGivingWhatCameBefore) {
    for (const std::string_view header : {"00000003 ffffffff", "00000003 01000000", "00000003 80000000"}) {
        run([header](Runtime runtime) -> Task<void> {
            Ends ends{runtime};
            ByteBuffer bytes;
            put_frame(7, as_bytes("good"), bytes);
            bytes.append(from_hex(header));
            ends.peer->arrive(bytes);
            auto good = co_await ends.connection.receive();
            EXPECT_TRUE(good && good->size() == 1);
            for (int i = 0; i < 2; ++i) {
                auto bad = co_await ends.connection.receive();
                EXPECT_TRUE(!bad && bad.error().is(ErrorCode::kBadRequest));
            }
            EXPECT_TRUE(ends.connection.over());
            EXPECT_TRUE(ends.peer->closed);
            co_await ends.connection.close();
        });
    }
}

TEST(Connection, EndsAtGarbage) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ends.peer->arrive(as_bytes("GET / HTTP/1.1\r\nHost: here\r\n\r\n"));
        auto frames = co_await ends.connection.receive();
        EXPECT_TRUE(!frames && frames.error().is(ErrorCode::kBadRequest));
        co_await ends.connection.close();
    });
}

TEST(Connection, HonoursASmallerBoundOfItsOptions) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime, ConnectionOptions{.max_payload_bytes = 5}};
        ByteBuffer bytes;
        put_frame(7, as_bytes("12345"), bytes);
        put_frame(7, as_bytes("123456"), bytes);
        ends.peer->arrive(bytes);
        EXPECT_TRUE(co_await ends.connection.receive());
        auto bad = co_await ends.connection.receive();
        EXPECT_TRUE(!bad && bad.error().is(ErrorCode::kBadRequest));
        co_await ends.connection.close();
    });
}

TEST(Connection, SaysWhenThePeerBreaksOff) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ends.peer->arrive(from_hex("0000"));
        ends.peer->break_off();
        auto frames = co_await ends.connection.receive();
        EXPECT_TRUE(!frames && frames.error().is(ErrorCode::kUnavailable));
        EXPECT_NE(frames.error().detail().find("inside a frame"), std::string::npos);
        co_await ends.connection.close();
    });
}

TEST(Connection, EndsAWaitingReceiveWhenClosed) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        OneShot<Result<std::vector<Frame>>> received;
        bool waiting = false;
        spawn(runtime.executor, [&ends, &received, &waiting]() -> Task<void> {
            waiting = true;
            received.set(co_await ends.connection.receive());
        });
        co_await until([&waiting] { return waiting; });
        co_await ends.connection.close();
        const auto result = co_await received.wait();
        EXPECT_TRUE(!result && result.error().is(ErrorCode::kClosed));
        auto later = co_await ends.connection.receive();
        EXPECT_TRUE(!later && later.error().is(ErrorCode::kClosed));
    });
}

TEST(Connection, EndsWithTheReasonItWasShutFor) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ends.connection.shut(Error{ErrorCode::kWrongHost, "moved"});
        ends.connection.shut(Error{ErrorCode::kInternal, "second"});
        auto frames = co_await ends.connection.receive();
        EXPECT_TRUE(!frames && frames.error().is(ErrorCode::kWrongHost));
        auto drained = co_await ends.connection.drained(0);
        EXPECT_TRUE(!drained && drained.error().is(ErrorCode::kWrongHost));
        ends.connection.send(ByteBuffer(10, std::byte{1}));
        EXPECT_EQ(ends.connection.queued_bytes(), 0u);
        co_await ends.connection.close();
        EXPECT_EQ(ends.peer->writes, 0u);
    });
}

TEST(Connection, SendsInOrderAndManyAtATime) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        Dice dice{5};
        ByteBuffer expected;
        for (int i = 0; i < 500; ++i) {
            const Bytes bytes = dice.bytes(dice.below(3000));
            expected.append(bytes);
            if (i % 3 == 0) {
                ends.connection.send(bytes);
            } else {
                ByteBuffer buffer;
                buffer.append(bytes);
                ends.connection.send(std::move(buffer));
            }
        }
        EXPECT_EQ(ends.connection.queued_bytes(), expected.size());
        EXPECT_TRUE(co_await ends.connection.drained(0));
        EXPECT_EQ(ends.connection.queued_bytes(), 0u);
        EXPECT_TRUE(ends.peer->taken == expected);
        EXPECT_LE(ends.peer->most_pieces, 64u);
        EXPECT_LE(ends.peer->writes, 10u);
        co_await ends.connection.close();
    });
}

TEST(Connection, PutsSmallSendsTogether) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        for (int i = 0; i < 200; ++i) ends.connection.send(ByteBuffer(56, static_cast<std::byte>(i)));
        EXPECT_TRUE(co_await ends.connection.drained(0));
        EXPECT_EQ(ends.peer->taken.size(), 200u * 56);
        EXPECT_EQ(ends.peer->most_pieces, 1u);
        for (std::size_t i = 0; i < 200; ++i) EXPECT_EQ(ends.peer->taken[i * 56 + 55], static_cast<std::byte>(i));
        co_await ends.connection.close();
    });
}

TEST(Connection, LetsSendersWaitForASlowPeer) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime, ConnectionOptions{.send_queue_bytes = 10'000}};
        ends.peer->take_until(0);
        for (int i = 0; i < 4; ++i) ends.connection.send(ByteBuffer(5000, std::byte{1}));
        bool drained = false;
        spawn(runtime.executor, [&ends, &drained]() -> Task<void> {
            EXPECT_TRUE(co_await ends.connection.drained(10'000));
            drained = true;
        });
        co_await until([&ends] { return ends.peer->writes == 1; });
        for (int i = 0; i < 10; ++i) co_await yield();
        EXPECT_FALSE(drained);
        EXPECT_EQ(ends.connection.queued_bytes(), 20'000u);
        ends.peer->take_until(SIZE_MAX);
        co_await until([&drained] { return drained; });
        EXPECT_TRUE(co_await ends.connection.drained(0));
        EXPECT_EQ(ends.peer->taken.size(), 20'000u);
        co_await ends.connection.close();
    });
}

TEST(Connection, EndsWhenThePeerNeverReadsAndNobodyWaits) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime, ConnectionOptions{.send_queue_bytes = 10'000}};
        ends.peer->take_until(0);
        ends.connection.send(ByteBuffer(10'000));
        ends.connection.send(ByteBuffer(kMaxQueuedFrameBytes));
        ends.connection.send(ByteBuffer(1));
        EXPECT_FALSE(ends.connection.over());  // this much a caller has who waits before every frame
        ends.connection.send(ByteBuffer(1));
        EXPECT_TRUE(ends.connection.over());
        EXPECT_EQ(ends.connection.queued_bytes(), 0u);
        auto frames = co_await ends.connection.receive();
        EXPECT_TRUE(!frames && frames.error().is(ErrorCode::kTooLarge));
        co_await ends.connection.close();
    });
}

TEST(Connection, SendsASingleFrameAboveItsBound) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime, ConnectionOptions{.send_queue_bytes = 1000}};
        ends.connection.send(Bytes{ByteBuffer(3'000'000)});
        EXPECT_TRUE(co_await ends.connection.drained(0));
        EXPECT_EQ(ends.peer->taken.size(), 3'000'000u);
        co_await ends.connection.close();
    });
}

TEST(Connection, EndsWhenSendingFails) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ends.peer->take_until(3);
        ends.connection.send(ByteBuffer(10, std::byte{1}));
        co_await until([&ends] { return ends.peer->taken.size() == 3; });
        ends.peer->break_off();
        auto drained = co_await ends.connection.drained(0);
        EXPECT_TRUE(!drained && drained.error().is(ErrorCode::kUnavailable));
        co_await ends.connection.close();
    });
}

TEST(Connection, DrainsBeforeItCloses) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ends.peer->take_until(50'000);
        ends.connection.send(ByteBuffer(100'000, std::byte{1}));
        spawn(runtime.executor, [&ends]() -> Task<void> {
            co_await until([&ends] { return ends.peer->taken.size() == 50'000; });
            ends.peer->take_until(SIZE_MAX);
        });
        co_await ends.connection.close_after_drain(Deadline::never());
        EXPECT_EQ(ends.peer->taken.size(), 100'000u);
        EXPECT_TRUE(ends.peer->closed);
    });
}

TEST(Connection, ClosesAtTheDeadlineWhenItCannotDrain) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ends.peer->take_until(1);
        ends.connection.send(ByteBuffer(100, std::byte{1}));
        co_await ends.connection.close_after_drain(Deadline::after(runtime.clock, std::chrono::milliseconds{2}));
        EXPECT_TRUE(ends.peer->closed);
        EXPECT_LE(ends.peer->taken.size(), 1u);
    });
}

TEST(Connection, WritesAtOnceWhatTheStreamTakesAndTheRestInOrder) {
    run([](Runtime runtime) -> Task<void> {
        for (const std::size_t first : {0u, 1u, 8u, 11u, 5000u, 100'000u, 200'000u}) {
            Ends ends{runtime};
            ends.peer->tries = true;
            ends.peer->take_until(first);
            ByteBuffer expected;
            Dice dice{first + 1};
            for (int i = 0; i < 40; ++i) {
                const Bytes payload = dice.bytes(i % 3 == 0 ? 9000 : 3);
                put_frame(7, payload, expected);
                ends.connection.send_frame(wire::FrameType{7}, payload);
            }
            co_await until([&] { return ends.peer->taken.size() == std::min(first, expected.size()); });
            EXPECT_EQ(ends.connection.queued_bytes(), expected.size() - ends.peer->taken.size());
            ends.peer->take_until(SIZE_MAX);
            EXPECT_TRUE(co_await ends.connection.drained(0));
            EXPECT_TRUE(ends.peer->taken == expected);
            co_await ends.connection.close();
        }
    });
}

TEST(Connection, SendsWhatIsEncodedInPlace) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ByteBuffer expected;
        for (int i = 0; i < 3000; ++i) {
            const std::string text(static_cast<std::size_t>(i % 100), 'x');
            put_frame(i, as_bytes(text), expected);
            ends.connection.send_encoded([&](ByteBuffer& out) { put_frame(i, as_bytes(text), out); });
        }
        EXPECT_EQ(ends.connection.queued_bytes(), expected.size());
        EXPECT_TRUE(co_await ends.connection.drained(0));
        EXPECT_TRUE(ends.peer->taken == expected);
        co_await ends.connection.close();
        ends.connection.send_encoded([](ByteBuffer&) { ADD_FAILURE() << "nothing is encoded for a closed connection"; });
    });
}

TEST(Connection, ReceivesRunsWithoutCountingReferences) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ByteBuffer bytes;
        put_frame(7, as_bytes("one"), bytes);
        put_frame(8, {}, bytes);
        put_frame(9, as_bytes("three"), bytes);
        ends.peer->arrive(bytes);
        Bytes kept;
        {
            const auto received = co_await ends.connection.receive_run();
            EXPECT_TRUE(received);
            if (!received) co_return;
            EXPECT_EQ(received->size(), 3u);
            std::string all;
            for (const FrameView frame : *received) {
                all += std::to_string(static_cast<int>(frame.type)) + std::string{as_text(frame.payload)};
                if (frame.type == wire::FrameType{9}) kept = received->share(frame).payload;
            }
            EXPECT_EQ(all, "7one89three");
        }
        ends.peer->arrive(ByteBuffer(8, std::byte{0}));
        EXPECT_TRUE(co_await ends.connection.receive_run());
        EXPECT_EQ(as_text(kept), "three");
        co_await ends.connection.close();
    });
}

// The smallest frames are many times larger as values than on the wire.
TEST(Connection, BoundsTheFramesOfOneRun) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ends.peer->arrive(ByteBuffer(8 * 5000, std::byte{0}));
        for (std::size_t left = 5000; left > 0;) {
            const auto frames = co_await ends.connection.receive();
            EXPECT_TRUE(frames && frames->size() <= ReceiveBuffer::kFramesPerRun);
            if (!frames) break;
            left -= frames->size();
        }
        co_await ends.connection.close();
    });
}

TEST(Connection, TellsThePeerTheEndAndReadsOnUntilItHasEndedToo) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ends.peer->closes_when_told = false;
        ends.connection.send(ByteBuffer(100, std::byte{1}));
        bool closed = false;
        spawn(runtime.executor, [&]() -> Task<void> {
            co_await ends.connection.close_after_drain(Deadline::never());
            closed = true;
        });
        co_await until([&] { return ends.peer->told_end; });
        EXPECT_EQ(ends.peer->taken.size(), 100u);
        // What comes now is read, but not by anybody who asks for frames.
        ends.peer->arrive(from_hex("00000001 00000000"));
        spawn(runtime.executor, [&]() -> Task<void> {
            co_await until([&] { return ends.connection.received_bytes() == 8; });
            EXPECT_FALSE(closed);
            ends.peer->end();
        });
        const auto frames = co_await ends.connection.receive();
        EXPECT_TRUE(!frames && frames.error().is(ErrorCode::kClosed));
        co_await until([&] { return closed; });
        EXPECT_EQ(ends.connection.end_reason(), EndReason::kClosedHere);
    });
}

// A stream may read what it was given until its write() has ended, also after close().
TEST(Connection, KeepsWhatIsBeingWrittenUntilTheWriteHasEnded) {
    class LateStream final : public ByteStream {
    public:
        LateStream(Runtime runtime, ByteBuffer& read_late) : runtime_{std::move(runtime)}, read_late_{read_late} {}
        Task<Result<std::size_t>> read_some(MutableByteView) override {
            while (!closed_) co_await yield();
            co_return Error{ErrorCode::kClosed, "closed"};
        }
        Task<Result<void>> write(std::span<const ByteView> pieces) override {
            while (!closed_) co_await yield();
            for (int i = 0; i < 10; ++i) co_await yield();
            for (const ByteView piece : pieces) read_late_.append(piece);
            co_return Error{ErrorCode::kClosed, "closed"};
        }
        void close() override { closed_ = true; }
        std::string peer() const override { return "late:1"; }

    private:
        Runtime runtime_;
        ByteBuffer& read_late_;
        bool closed_ = false;
    };
    run([](Runtime runtime) -> Task<void> {
        ByteBuffer read_late;
        Connection connection{runtime, std::make_unique<LateStream>(runtime, read_late)};
        connection.send(ByteBuffer(10'000, std::byte{5}));
        connection.send(ByteBuffer(100, std::byte{5}));
        for (int i = 0; i < 10; ++i) co_await yield();
        co_await connection.close();
        EXPECT_TRUE(read_late == ByteBuffer(10'100, std::byte{5}));
        EXPECT_EQ(connection.queued_bytes(), 0u);
    });
}

TEST(Connection, TellsItsOwnerOnceThatItEnded) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        int told = 0;
        ends.connection.on_end([&told] { ++told; });
        ends.connection.shut(Error{ErrorCode::kBadRequest, "nonsense"});
        EXPECT_EQ(told, 1);
        EXPECT_EQ(ends.connection.end_reason(), EndReason::kByOwner);
        co_await ends.connection.close();
        EXPECT_EQ(told, 1);
    });
}

TEST(EndReason, HasANameEach) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < kEndReasons; ++i) names.insert(to_string(static_cast<EndReason>(i)));
    EXPECT_EQ(names.size(), kEndReasons);
    EXPECT_EQ(names.count("unknown"), 0u);
    EXPECT_EQ(to_string(static_cast<EndReason>(kEndReasons)), "unknown");
}

TEST(Connection, ClosesWhileAWriteIsStuck) {
    run([](Runtime runtime) -> Task<void> {
        Ends ends{runtime};
        ends.peer->take_until(1);
        ends.connection.send(ByteBuffer(100, std::byte{1}));
        co_await until([&ends] { return ends.peer->taken.size() == 1; });
        co_await ends.connection.close();
        EXPECT_EQ(ends.peer->taken.size(), 1u);
    });
}

}  // namespace
}  // namespace millrace::transport
