// SPDX-License-Identifier: Apache-2.0
//
// One connection against one container whose log the test holds and releases, byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/binary.h"
#include "common/model/segment_name.h"
#include "common/transport/testing/fake_stream.h"
#include "common/wire/messages.h"
#include "segmentstore/container/fake_log.h"
#include "segmentstore/server/session.h"
#include "tests/sim/world.h"

namespace millrace::segmentstore {
namespace {

using namespace std::chrono_literals;
using transport::testing::FakePeer;
using transport::testing::FakeStream;

constexpr const char* kSegment = "s/t/0.#epoch.0";

WriterId id_of(std::string_view hex) {
    const ByteBuffer bytes = from_hex(hex);
    WriterId id;
    std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
    return id;
}
const WriterId kWriter = id_of("112233445566778899aabbccddeeff00");
const WriterId kOther = id_of("00000000000000000000000000000001");
constexpr wire::RequestId kRequest = std::int64_t{1} << 32;

class SessionTest : public ::testing::Test {
protected:
    struct Connected {
        std::shared_ptr<FakePeer> peer = std::make_shared<FakePeer>();
        std::unique_ptr<Session> session;
        std::size_t parsed = 0;
        bool ended = false;
    };

    // `exclusive`: nobody can take the container's log over.
    explicit SessionTest(bool exclusive = true) {
        disk_.exclusive = exclusive;
        container::ContainerOptions options;
        options.id = ContainerId{0};
        container_ = std::make_unique<container::Container>(world_.executor(), world_.clock(), log_, credits_, cache_,
                                                            options, nullptr);
        const auto recovered = world_.run([this] { return container_->recover(); });
        EXPECT_TRUE(recovered.ok());
        shared_ = std::make_unique<SessionShared>(SessionShared{
            node_.runtime(), {container_.get()}, credits_, metrics_,
            [this](const std::string&, const Error& reason) { bad_peers_.push_back(reason.to_string()); },
            [this](const Error& reason) { bad_reads_.push_back(reason.to_string()); }});
    }

    ~SessionTest() override {
        log_.hold(false);
        for (const auto& connected : connections_) connected->peer->end();
        settle();
        for (const auto& connected : connections_) EXPECT_TRUE(connected->ended);
        connections_.clear();
        world_.run([this] { return container_->close(); });
    }

    Connected& connect() {
        Connected& connected = *connections_.emplace_back(std::make_unique<Connected>());
        connected.session = std::make_unique<Session>(*shared_, std::make_unique<FakeStream>(connected.peer));
        world_.spawn([&connected]() -> Task<void> {
            co_await connected.session->run();
            connected.ended = true;
        });
        return connected;
    }
    void settle() { world_.run_for(1ms); }

    static void arrive(Connected& to, std::string_view hex) { to.peer->arrive(from_hex(hex).view()); }
    template <class... M>
    static void send(Connected& to, const M&... messages) {
        ByteBuffer bytes;
        (wire::encode(messages, bytes), ...);
        to.peer->arrive(bytes.view());
    }
    // Everything that was sent to the peer since the last call, as hex.
    std::string taken_hex(Connected& from) {
        settle();
        const std::string hex = to_hex(from.peer->taken.view().subspan(from.parsed));
        from.parsed = from.peer->taken.size();
        return hex;
    }
    std::vector<wire::Message> taken(Connected& from) {
        settle();
        std::vector<wire::Message> messages;
        while (from.peer->taken.size() - from.parsed >= wire::kFrameHeaderBytes) {
            const ByteView rest = from.peer->taken.view().subspan(from.parsed);
            const wire::FrameHeader header = wire::read_frame_header(rest);
            const auto length = static_cast<std::size_t>(header.length);
            if (rest.size() < wire::kFrameHeaderBytes + length) break;
            auto message = wire::decode({header.type, Bytes::copy_of(rest.subspan(wire::kFrameHeaderBytes, length))});
            EXPECT_TRUE(message.ok());
            if (message) messages.push_back(std::move(message).value());
            from.parsed += wire::kFrameHeaderBytes + length;
        }
        return messages;
    }
    template <class M>
    M take_one(Connected& from) {
        const auto messages = taken(from);
        EXPECT_EQ(messages.size(), 1u);
        if (messages.size() != 1 || !std::holds_alternative<M>(messages[0])) {
            for (const auto& m : messages) ADD_FAILURE() << wire::to_string(wire::type_of(m));
            return {};
        }
        return std::get<M>(messages[0]);
    }

    static wire::SetupAppend setup(WriterId writer = kWriter, std::string segment = kSegment) {
        return {kRequest, writer, std::move(segment), ""};
    }
    static wire::AppendBlockEnd append(std::int64_t number, std::string_view data, WriterId writer = kWriter) {
        return {writer, static_cast<std::int32_t>(data.size()), Bytes::copy_of(data), 1, number, kRequest};
    }
    static wire::ReadSegment read(std::int64_t offset, std::int32_t length = 1 << 20, std::string segment = kSegment) {
        return {std::move(segment), offset, length, "", kRequest};
    }
    void create_segment(std::string segment = kSegment) {
        const auto outcome = container_->create(segment, {});
        ASSERT_EQ(outcome.status, container::Status::kOk);
        settle();
    }
    void set_up(Connected& c, WriterId writer = kWriter) {
        send(c, setup(writer));
        (void)take_one<wire::AppendSetup>(c);
    }
    std::string stored(std::string segment = kSegment) {
        return world_.run([this, segment]() -> Task<std::string> {
            std::string all;
            const auto length = static_cast<std::size_t>(container_->info(segment).length);
            while (all.size() < length) {
                container::ReadWait wait;
                const auto outcome = co_await container_->read(segment, static_cast<std::int64_t>(all.size()), 1 << 20, wait);
                if (outcome.data.empty()) break;
                all += as_text(outcome.data.view());
            }
            co_return all;
        });
    }

    sim::World world_{1};
    sim::Node& node_ = world_.add_node("a");
    log::FakeLogDisk disk_;
    log::FakeLog log_{disk_};
    container::AdmissionCredits credits_{1024 * 1024};
    container::DataCache cache_{8 * 1024 * 1024};
    ServerMetrics metrics_;
    std::unique_ptr<container::Container> container_;
    std::unique_ptr<SessionShared> shared_;
    std::vector<std::unique_ptr<Connected>> connections_;
    std::vector<std::string> bad_peers_;
    std::vector<std::string> bad_reads_;
};

constexpr const char* kSetupHex =
    "00000001 0000002a 0000000100000000 112233445566778899aabbccddeeff00 000e 732f742f302e2365706f63682e30 0000";
constexpr const char* kTwoEvents = "000000000000000568656c6c6f0000000000000006776f726c6421";

std::string without_blanks(std::string text) {
    std::erase(text, ' ');
    return text;
}

TEST_F(SessionTest, AnswersHelloAndKeepAlive) {
    Connected& c = connect();
    arrive(c, "ffffff81 00000008 00000010 00000005");
    EXPECT_EQ(taken_hex(c), "ffffff81000000080000001000000005");
    arrive(c, "00000064 00000000");
    EXPECT_EQ(taken_hex(c), "0000006400000000");
    // Peers at 15 and 17 are fine, and may ask again.
    arrive(c, "ffffff81 00000008 0000000f 00000005 ffffff81 00000008 00000011 00000005");
    EXPECT_EQ(taken_hex(c), "ffffff81000000080000001000000005ffffff81000000080000001000000005");
    EXPECT_FALSE(c.ended);
    arrive(c, "ffffff81 00000008 00000020 00000011");
    EXPECT_EQ(taken_hex(c), "ffffff81000000080000001000000005");
    EXPECT_TRUE(c.ended);
    Connected& old = connect();
    arrive(old, "ffffff81 00000008 00000004 00000001");
    EXPECT_EQ(taken_hex(old), "ffffff81000000080000001000000005");
    EXPECT_TRUE(old.ended);
}

// The worked example of docs/protocol/wire.md, each form of the same two events.
TEST_F(SessionTest, WorkedExampleIsBitExactInEveryForm) {
    struct Form {
        const char* sent;
        const char* answer;  // after AppendSetup
    };
    const char* const both_at_once =
        "00000007 00000030 112233445566778899aabbccddeeff00 0000000000000002 8000000000000000 0000000100000000 "
        "000000000000001b";
    const Form forms[] = {
        {"00000003 00000038 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f 00000000 00000006 776f726c6421 "
         "ffffffff 00000005 0000000000 "
         "00000004 0000002c 112233445566778899aabbccddeeff00 0000001b 00000000 00000002 0000000000000002 0000000100000000",
         both_at_once},
        {"00000003 0000002e 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f "
         "fffffffe 00000009 00000000 00000006 77 "
         "00000004 00000031 112233445566778899aabbccddeeff00 0000000d 00000005 6f726c6421 00000002 0000000000000002 "
         "0000000100000000",
         both_at_once},
        {"00000003 0000001d 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f "
         "00000004 0000002c 112233445566778899aabbccddeeff00 0000000d 00000000 00000001 0000000000000001 0000000100000000 "
         "00000003 0000001e 112233445566778899aabbccddeeff00 00000000 00000006 776f726c6421 "
         "00000004 0000002c 112233445566778899aabbccddeeff00 0000000e 00000000 00000001 0000000000000002 0000000100000000",
         both_at_once},  // acknowledged together
        {"00000004 00000047 112233445566778899aabbccddeeff00 0000001b 0000001b "
         "00000000 00000005 68656c6c6f 00000000 00000006 776f726c6421 00000002 0000000000000002 0000000000000008",
         "00000007 00000030 112233445566778899aabbccddeeff00 0000000000000002 8000000000000000 0000000000000008 "
         "000000000000001b"},
    };
    for (const Form& form : forms) {
        create_segment();
        Connected& c = connect();
        arrive(c, kSetupHex);
        EXPECT_EQ(taken_hex(c), without_blanks("00000002 00000030 0000000100000000 000e 732f742f302e2365706f63682e30 "
                                               "112233445566778899aabbccddeeff00 8000000000000000"));
        arrive(c, form.sent);
        EXPECT_EQ(taken_hex(c), without_blanks(form.answer));
        EXPECT_EQ(to_hex(as_bytes(stored())), kTwoEvents);
        // The empty append (form e) is acknowledged and changes nothing but the writer's number.
        arrive(c, "00000003 00000010 112233445566778899aabbccddeeff00 "
                  "00000004 0000002c 112233445566778899aabbccddeeff00 00000000 00000000 00000001 0000000000000003 "
                  "0000000100000000");
        EXPECT_EQ(taken_hex(c), without_blanks("00000007 00000030 112233445566778899aabbccddeeff00 0000000000000003 "
                                               "0000000000000002 0000000100000000 000000000000001b"));
        EXPECT_EQ(stored().size(), 27u);
        send(c, setup());
        EXPECT_EQ(take_one<wire::AppendSetup>(c).last_event_number, 3);
        EXPECT_EQ(container_->remove(kSegment).status, container::Status::kOk);
        settle();
    }
}

TEST_F(SessionTest, NothingLeavesBeforeTheLogHasIt) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.hold(true);
    send(c, append(1, "one"), append(2, "two"), append(7, "seven"), wire::KeepAlive{});
    EXPECT_TRUE(std::holds_alternative<wire::KeepAlive>(taken(c).at(0)));
    send(c, wire::GetStreamSegmentInfo{5, kSegment, ""}, wire::CreateSegment{6, kSegment, 0, 0, "", 0});
    EXPECT_TRUE(taken(c).empty());
    Connected& other = connect();
    send(other, setup());
    EXPECT_TRUE(taken(other).empty());  // its number would acknowledge what is not durable
    log_.hold(false);
    EXPECT_EQ(take_one<wire::AppendSetup>(other).last_event_number, 7);
    // The first session was overtaken: nothing is acknowledged on it, its other requests are answered.
    const auto rest = taken(c);
    ASSERT_EQ(rest.size(), 2u);
    EXPECT_EQ(std::get<wire::StreamSegmentInfo>(rest[0]).write_offset, 11);
    EXPECT_EQ(std::get<wire::SegmentAlreadyExists>(rest[1]).request_id, 6);
    // And a late append on it is refused and ends it.
    send(c, append(8, "late"));
    const auto invalid = take_one<wire::InvalidEventNumber>(c);
    EXPECT_EQ(invalid.request_id, kRequest);
    EXPECT_EQ(invalid.event_number, 8);
    EXPECT_TRUE(c.ended);
    EXPECT_EQ(stored(), "onetwoseven");
}

TEST_F(SessionTest, AcknowledgementsOfOneCommitAreOnePerWriter) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    set_up(c, kOther);
    log_.hold(true);
    for (int i = 1; i <= 5; ++i) send(c, append(i * 10, "x"), append(i, "yy", kOther));
    EXPECT_TRUE(taken(c).empty());
    log_.hold(false);
    // Two entries were made of it; each writer's acknowledgements join without a gap.
    std::map<WriterId, std::int64_t> acknowledged{{kWriter, kNoEventNumber}, {kOther, kNoEventNumber}};
    std::size_t acks = 0;
    for (const auto& message : taken(c)) {
        const auto& ack = std::get<wire::DataAppended>(message);
        EXPECT_EQ(ack.previous_event_number, acknowledged[ack.writer_id]);
        EXPECT_LT(ack.previous_event_number, ack.event_number);
        acknowledged[ack.writer_id] = ack.event_number;
        ++acks;
    }
    EXPECT_EQ(acknowledged[kWriter], 50);
    EXPECT_EQ(acknowledged[kOther], 5);
    EXPECT_LE(acks, 4u);
}

TEST_F(SessionTest, ASealedSegmentTakesSetUpsAndFailsAppendsAfterPendingAcks) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.hold(true);
    send(c, append(1, "a"), append(2, "b"), wire::SealSegment{9, kSegment, ""}, append(3, "c"), append(4, "d"));
    EXPECT_TRUE(taken(c).empty());
    log_.hold(false);
    const auto messages = taken(c);
    ASSERT_GE(messages.size(), 3u);
    std::size_t at = 0;
    std::int64_t acknowledged = kNoEventNumber;
    for (; std::holds_alternative<wire::DataAppended>(messages[at]); ++at) {
        acknowledged = std::get<wire::DataAppended>(messages[at]).event_number;
    }
    EXPECT_EQ(acknowledged, 2);
    EXPECT_EQ(std::get<wire::SegmentSealed>(messages[at]).request_id, 9);
    const auto sealed = std::get<wire::SegmentIsSealed>(messages[at + 1]);
    EXPECT_EQ(sealed.offset, 3);
    EXPECT_EQ(sealed.segment, kSegment);
    EXPECT_EQ(messages.size(), at + 2);  // append 4 is dropped silently
    EXPECT_FALSE(c.ended);
    send(c, setup());
    EXPECT_EQ(take_one<wire::AppendSetup>(c).last_event_number, 2);
    send(c, append(3, "c"));
    EXPECT_EQ(take_one<wire::SegmentIsSealed>(c).offset, 3);
    send(c, wire::SealSegment{10, kSegment, ""});
    EXPECT_EQ(take_one<wire::SegmentIsSealed>(c).offset, -1);
    EXPECT_EQ(stored(), "ab");
}

TEST_F(SessionTest, DuplicatesAndGoingBackEndTheConnection) {
    create_segment();
    {
        Connected& c = connect();
        set_up(c);
        send(c, append(5, "five"), append(5, "five"));
        const auto messages = taken(c);
        ASSERT_EQ(messages.size(), 2u);
        EXPECT_EQ(std::get<wire::DataAppended>(messages[0]).event_number, 5);
        EXPECT_EQ(std::get<wire::InvalidEventNumber>(messages[1]).event_number, 5);
        EXPECT_TRUE(c.ended);
    }
    Connected& c = connect();
    set_up(c);
    send(c, append(3, "three"));
    EXPECT_EQ(take_one<wire::InvalidEventNumber>(c).event_number, 3);
    EXPECT_TRUE(c.ended);
    EXPECT_EQ(stored(), "five");
}

TEST_F(SessionTest, LifecycleRequestsAnswerAsTheProtocolSays) {
    Connected& c = connect();
    send(c, wire::GetStreamSegmentInfo{1, kSegment, ""});
    EXPECT_EQ(take_one<wire::NoSuchSegment>(c).offset, -1);
    send(c, setup());
    EXPECT_EQ(take_one<wire::NoSuchSegment>(c).segment, kSegment);
    send(c, append(1, "dropped"));
    EXPECT_TRUE(taken(c).empty());
    send(c, wire::CreateSegment{2, kSegment, 100, 1, "", -5});
    EXPECT_EQ(take_one<wire::SegmentCreated>(c).request_id, 2);
    send(c, wire::CreateSegment{3, kSegment, 100, 1, "", 0});
    EXPECT_EQ(take_one<wire::SegmentAlreadyExists>(c).request_id, 3);
    send(c, wire::CreateSegment{4, "with blank", 100, 1, "", 0});
    const auto error = take_one<wire::ErrorMessage>(c);
    EXPECT_EQ(error.error_code, 0);
    EXPECT_NE(error.message.find("with blank"), std::string::npos);
    send(c, wire::GetStreamSegmentInfo{5, kSegment, ""});
    const auto info = take_one<wire::StreamSegmentInfo>(c);
    EXPECT_TRUE(info.exists);
    EXPECT_FALSE(info.is_sealed || info.is_deleted);
    EXPECT_EQ(info.write_offset, 0);
    send(c, wire::SealSegment{6, "no/such/0.#epoch.0", ""});
    EXPECT_EQ(take_one<wire::NoSuchSegment>(c).request_id, 6);
    send(c, wire::SealSegment{7, kSegment, ""});
    EXPECT_EQ(take_one<wire::SegmentSealed>(c).request_id, 7);
    send(c, wire::GetStreamSegmentInfo{8, kSegment, ""});
    EXPECT_TRUE(take_one<wire::StreamSegmentInfo>(c).is_sealed);
    send(c, wire::DeleteSegment{9, kSegment, ""});
    EXPECT_EQ(take_one<wire::SegmentDeleted>(c).request_id, 9);
    send(c, wire::DeleteSegment{10, kSegment, ""});
    EXPECT_EQ(take_one<wire::NoSuchSegment>(c).request_id, 10);
}

TEST_F(SessionTest, ReadsEchoWhatWasAskedAndKeepToItsLimits) {
    Connected& c = connect();
    send(c, read(17));
    EXPECT_EQ(take_one<wire::NoSuchSegment>(c).offset, 17);
    create_segment();
    set_up(c);
    send(c, append(1, std::string(3 * 1024 * 1024, 'x')));
    EXPECT_EQ(take_one<wire::DataAppended>(c).current_segment_write_offset, 3 * 1024 * 1024);
    send(c, read(5, 100));
    auto reply = take_one<wire::SegmentRead>(c);
    EXPECT_EQ(reply.offset, 5);
    EXPECT_EQ(reply.segment, kSegment);
    EXPECT_EQ(reply.request_id, kRequest);
    EXPECT_EQ(reply.data.size(), 100u);
    EXPECT_FALSE(reply.at_tail || reply.end_of_segment);
    for (const std::int32_t small : {0, -7, 3}) {
        send(c, read(0, small));
        EXPECT_EQ(take_one<wire::SegmentRead>(c).data.size(), 8u);
    }
    send(c, read(0, 8 * 1024 * 1024));
    reply = take_one<wire::SegmentRead>(c);
    EXPECT_GT(reply.data.size(), 0u);
    EXPECT_LE(reply.data.size(), 2u * 1024 * 1024);
    send(c, read(-1));
    EXPECT_EQ(take_one<wire::ErrorMessage>(c).error_code, 0);
    send(c, read(3 * 1024 * 1024 - 4));
    reply = take_one<wire::SegmentRead>(c);
    EXPECT_EQ(reply.data.size(), 4u);
    EXPECT_TRUE(reply.at_tail);
    send(c, wire::SealSegment{9, kSegment, ""});
    (void)take_one<wire::SegmentSealed>(c);
    send(c, read(3 * 1024 * 1024));
    reply = take_one<wire::SegmentRead>(c);
    EXPECT_TRUE(reply.end_of_segment && reply.data.empty() && !reply.at_tail);
    send(c, read(3 * 1024 * 1024 + 1));
    EXPECT_EQ(take_one<wire::ErrorMessage>(c).error_code, 0);
}

TEST_F(SessionTest, TailReadsWaitWithoutLimitAndBlockNothing) {
    create_segment();
    create_segment("s/t/1.#epoch.0");
    create_segment("s/t/2.#epoch.0");
    Connected& c = connect();
    send(c, read(0), read(0, 100, "s/t/1.#epoch.0"), read(0, 100, "s/t/2.#epoch.0"));
    EXPECT_TRUE(taken(c).empty());
    for (int i = 0; i < 30; ++i) {
        world_.run_for(10s);
        send(c, wire::KeepAlive{});
        (void)take_one<wire::KeepAlive>(c);
    }
    set_up(c);
    send(c, append(1, "!"));
    auto messages = taken(c);
    ASSERT_EQ(messages.size(), 2u);
    const std::size_t read_at = std::holds_alternative<wire::SegmentRead>(messages[0]) ? 0 : 1;
    const auto& woken = std::get<wire::SegmentRead>(messages[read_at]);
    EXPECT_EQ(woken.data, Bytes::copy_of("!"));
    EXPECT_TRUE(woken.at_tail);
    EXPECT_EQ(woken.offset, 0);
    send(c, wire::SealSegment{1, "s/t/1.#epoch.0", ""});
    messages = taken(c);
    ASSERT_EQ(messages.size(), 2u);
    const std::size_t sealed_at = std::holds_alternative<wire::SegmentIsSealed>(messages[0]) ? 0 : 1;
    EXPECT_EQ(std::get<wire::SegmentIsSealed>(messages[sealed_at]).offset, 0);
    EXPECT_EQ(std::get<wire::SegmentIsSealed>(messages[sealed_at]).segment, "s/t/1.#epoch.0");
    send(c, wire::DeleteSegment{2, "s/t/2.#epoch.0", ""});
    messages = taken(c);
    ASSERT_EQ(messages.size(), 2u);
    const std::size_t gone_at = std::holds_alternative<wire::NoSuchSegment>(messages[0]) ? 0 : 1;
    EXPECT_EQ(std::get<wire::NoSuchSegment>(messages[gone_at]).offset, 0);
    EXPECT_EQ(shared_->waiting_reads, 0u);
}

TEST_F(SessionTest, WaitingReadsEndWithTheirConnectionAndAreBounded) {
    create_segment();
    Connected& c = connect();
    ByteBuffer many;
    for (std::size_t i = 0; i < Session::kMaxReads; ++i) wire::encode(read(static_cast<std::int64_t>(i)), many);
    c.peer->arrive(many.view());
    settle();
    EXPECT_EQ(shared_->waiting_reads, Session::kMaxReads);
    Connected& modest = connect();
    send(modest, read(0));
    settle();
    send(c, read(0));
    settle();
    EXPECT_TRUE(c.ended);
    EXPECT_EQ(bad_peers_.size(), 1u);
    EXPECT_EQ(shared_->waiting_reads, 1u);
    modest.peer->end();
    settle();
    EXPECT_TRUE(modest.ended);
    EXPECT_EQ(shared_->waiting_reads, 0u);
}

TEST_F(SessionTest, BadFramesEndOnlyTheirConnection) {
    create_segment();
    const char* const bad[] = {
        "00000006 00000000",                                      // a code that nobody uses
        "000003e7 00000004 00000000",                             // unknown
        "00000001 00000005 0000000000",                           // cut short
        "00000009 ffffffff",                                      // negative length
        "00000003 01000000",                                      // oversized
        "00000000 00000005 68656c6c6f",                           // Event at top level
        "fffffffe 00000001 00",                                   // PartialEvent at top level
        "00000007 00000010 112233445566778899aabbccddeeff00",     // a reply
        "fffffffd 0000000e 00000000 0000 0000000000000000",       // an admin command
        "00000003 00000010 112233445566778899aabbccddeeff00",     // AppendBlock of a writer not set up
        "00000004 0000002c 112233445566778899aabbccddeeff00 00000000 00000000 00000001 0000000000000001 0000000100000000",
        "00000005 00000004 00000000",                             // ConditionalAppend, cut short
    };
    Connected& good = connect();
    set_up(good);
    std::size_t reported = 0;
    for (const char* const frame : bad) {
        Connected& c = connect();
        arrive(c, frame);
        settle();
        EXPECT_TRUE(c.ended) << frame;
        EXPECT_TRUE(c.peer->taken.empty()) << frame;
        EXPECT_EQ(bad_peers_.size(), ++reported) << frame;
    }
    // Random bytes, and a frame that ends in the middle.
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Connected& c = connect();
        SeededRandom random{seed};
        ByteBuffer garbage;
        garbage.resize(random.between(8, 300));
        random.fill(garbage.mutable_view());
        if (random.one_in(2)) {  // a plausible header
            for (const std::size_t zero : {0, 1, 2, 4, 5, 6}) garbage[zero] = std::byte{0};
        }
        c.peer->arrive(garbage.view());
        c.peer->end();
        settle();
        EXPECT_TRUE(c.ended) << seed;
    }
    send(good, append(1, "unharmed"));
    EXPECT_EQ(take_one<wire::DataAppended>(good).event_number, 1);
}

// The least and the greatest of every field, and what lies beside the limits: each request has the documented answer.
TEST_F(SessionTest, FieldsOutOfRangeHaveTheirDocumentedAnswers) {
    using wire::FrameType;
    constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    constexpr std::int32_t kLeast32 = std::numeric_limits<std::int32_t>::min();
    constexpr std::int32_t kMost32 = std::numeric_limits<std::int32_t>::max();
    const std::string longest(kMaxSegmentNameBytes, 'n');
    const std::string too_long = longest + 'n';
    create_segment();
    Connected& good = connect();
    set_up(good);
    send(good, append(1, "0123456789"));
    (void)take_one<wire::DataAppended>(good);

    // What a connection of its own, with one writer, gets for a request.
    enum class End : std::uint8_t { kStays, kEnds };
    struct Outcome {
        std::vector<FrameType> answers;
        End end = End::kStays;
        bool operator==(const Outcome&) const = default;
    };
    std::uint32_t writers = 0;
    const auto expect = [&](const auto& make, Outcome expected, const char* what) {
        WriterId writer;
        writer.bytes[0] = std::byte{0xee};
        std::memcpy(&writer.bytes[4], &++writers, sizeof writers);
        Connected& c = connect();
        set_up(c, writer);
        const auto messages = make(writer);
        for (const wire::Message& message : messages) {
            ByteBuffer frame;
            wire::encode(message, frame);
            c.peer->arrive(frame.view());
        }
        Outcome outcome;
        for (const wire::Message& answer : taken(c)) outcome.answers.push_back(wire::type_of(answer));
        outcome.end = c.ended ? End::kEnds : End::kStays;
        EXPECT_TRUE(outcome == expected) << what << ": " << outcome.answers.size() << " answers, the first "
                                         << (outcome.answers.empty() ? "none" : wire::to_string(outcome.answers[0]))
                                         << (c.ended ? ", and the end: " + bad_peers_.back() : "");
        c.peer->end();
        settle();
    };
    const auto one = [](const wire::Message& message) { return [message](WriterId) { return std::vector{message}; }; };
    const auto answer = [](FrameType type) { return Outcome{{type}, End::kStays}; };
    const Outcome silence;
    const Outcome ends{{}, End::kEnds};

    expect(one(wire::Hello{kMost32, kLeast32}), answer(FrameType::kHello), "every version");
    expect(one(wire::Hello{kLeast32, kLeast32}), {{FrameType::kHello}, End::kEnds}, "a version before all others");
    expect(one(wire::Hello{kMost32, 17}), {{FrameType::kHello}, End::kEnds}, "a version after all others");
    expect(one(wire::Padding{100'000}), silence, "padding that nobody needs");

    for (const std::string& name : {std::string{}, std::string{"/"}, std::string{"no such"}, std::string("\0", 1), longest}) {
        expect(one(setup(kOther, name)), answer(FrameType::kNoSuchSegment), "setting a writer up");
        expect(one(read(0, 1, name)), answer(FrameType::kNoSuchSegment), "reading");
        expect(one(wire::GetStreamSegmentInfo{1, name, ""}), answer(FrameType::kNoSuchSegment), "info");
        expect(one(wire::SealSegment{1, name, ""}), answer(FrameType::kNoSuchSegment), "sealing");
        expect(one(wire::DeleteSegment{1, name, ""}), answer(FrameType::kNoSuchSegment), "deleting");
        expect(one(wire::TruncateSegment{1, name, 0, ""}), answer(FrameType::kNoSuchSegment), "truncating");
        expect(one(wire::GetSegmentAttribute{1, name, {}, ""}), answer(FrameType::kNoSuchSegment), "an attribute");
        expect(one(wire::UpdateSegmentAttribute{1, name, {}, 0, 0, ""}), answer(FrameType::kNoSuchSegment), "setting one");
    }
    expect(one(setup(kOther, too_long)), ends, "setting a writer up for too long a name");
    const wire::Message named_too_long[] = {read(0, 1, too_long),
                                            wire::GetStreamSegmentInfo{1, too_long, ""},
                                            wire::SealSegment{1, too_long, ""},
                                            wire::DeleteSegment{1, too_long, ""},
                                            wire::TruncateSegment{1, too_long, 0, ""},
                                            wire::GetSegmentAttribute{1, too_long, {}, ""},
                                            wire::UpdateSegmentAttribute{1, too_long, {}, 0, 0, ""}};
    for (const wire::Message& message : named_too_long) expect(one(message), answer(FrameType::kErrorMessage), "too long a name");
    for (const std::string& name : {std::string{}, std::string{" "}, std::string{"a b"}, std::string{"\xc3\xa9"}, std::string("a\0b", 3),
                                    std::string{"a\x7f"}, too_long}) {
        expect(one(wire::CreateSegment{1, name, 0, 0, "", 0}), answer(FrameType::kErrorMessage), "no name for a segment");
    }

    std::int64_t made = 0;
    for (const std::int64_t value : {kLeast, std::int64_t{-1}, kMost}) {
        const auto small = static_cast<std::int32_t>(std::clamp<std::int64_t>(value, kLeast32, kMost32));
        const std::string segment = "extreme/" + std::to_string(++made);
        expect(one(wire::CreateSegment{value, segment, small, static_cast<std::int8_t>(std::clamp(small, -128, 127)), "", value}),
               answer(FrameType::kSegmentCreated), "a policy that means nothing");
        expect(one(wire::SealSegment{value, segment, ""}), answer(FrameType::kSegmentSealed), "any request id");
        expect(one(wire::TruncateSegment{1, kSegment, value, ""}), answer(FrameType::kSegmentIsTruncated), "truncating there");
        expect(one(read(0, small)), answer(FrameType::kSegmentRead), "any suggested length");
        AttributeId attribute;
        attribute.bytes[0] = static_cast<std::byte>(made);
        expect(one(wire::UpdateSegmentAttribute{1, kSegment, attribute, value, wire::kNoAttributeValue, ""}),
               answer(FrameType::kSegmentAttributeUpdated), "any value");
    }
    expect(one(read(kLeast)), answer(FrameType::kErrorMessage), "reading before the beginning");
    expect(one(read(kMost)), silence, "reading far behind the end waits");

    const auto block = [](std::string_view data, std::int32_t whole, std::int32_t events, std::int64_t number) {
        return [=](WriterId writer) {
            return std::vector<wire::Message>{wire::AppendBlock{writer, Bytes::copy_of(data)},
                                              wire::AppendBlockEnd{writer, whole, {}, events, number, 1}};
        };
    };
    for (const std::int32_t whole : {kLeast32, -1, 3, kMost32}) expect(block("ab", whole, 1, 1), ends, "bytes of whole events");
    for (const std::int32_t events : {kLeast32, -1, 0}) expect(block("ab", 2, events, 1), ends, "no events");
    for (const std::int64_t number : {kLeast, std::int64_t{-1}}) expect(block("ab", 2, 1, number), ends, "a negative event number");
    expect(block("ab", 2, kMost32, kMost), answer(FrameType::kDataAppended), "the last of all events");
    const Bytes no_payload = Bytes::copy_of(std::string(wire::kFrameHeaderBytes, '\0'));  // an event's header alone
    for (const std::int64_t offset : {kLeast, std::int64_t{-1}, kMost}) {
        expect([&](WriterId writer) { return std::vector<wire::Message>{wire::ConditionalBlockEnd{writer, 1, offset, {}, 1}}; },
               answer(FrameType::kConditionalCheckFailed), "an offset where no segment ends");
        expect([&](WriterId writer) { return std::vector<wire::Message>{wire::ConditionalAppend{writer, 1, offset, no_payload, 1}}; },
               answer(FrameType::kConditionalCheckFailed), "an offset where no segment ends");
    }
    for (const std::int64_t number : {kLeast, std::int64_t{-1}}) {
        expect([&](WriterId writer) { return std::vector<wire::Message>{wire::ConditionalBlockEnd{writer, number, 10, {}, 1}}; },
               ends, "a negative event number");
    }

    send(good, append(2, "unharmed"));
    EXPECT_EQ(take_one<wire::DataAppended>(good).event_number, 2);
    EXPECT_EQ(stored(), "0123456789abunharmed");
    // What was stored of all that can be read back at the next start.
    log::FakeLog next_log{disk_};
    container::DataCache cache{8 * 1024 * 1024};
    container::ContainerOptions options;
    options.id = ContainerId{0};
    container::Container next{world_.executor(), world_.clock(), next_log, credits_, cache, options, nullptr};
    const auto recovered = world_.run([&] { return next.recover(); });
    EXPECT_TRUE(recovered.ok()) << recovered.error().to_string();
    EXPECT_EQ(next.counts().segments, container_->counts().segments);
    world_.run([&] { return next.close(); });
}

TEST_F(SessionTest, EveryTypeThatIsNoRequestEndsTheConnection) {
    // As the protocol numbers them; what is not offered is answered, see KnownRequestsThatWeDoNotOfferAreAnswered.
    const std::set<std::int32_t> requests{-127, -1, 1, 3, 4, 5, 9, 11, 20, 28, 30, 32, 34, 36, 38, 40, 41,
                                          58, 68, 70, 71, 74, 76, 78, 83, 85, 88, 89, 90, 100};
    const auto ended_by = [this](std::int32_t type) {
        ByteBuffer frame;
        BigEndianWriter out{frame};
        out.i32(type);
        out.i32(64);
        frame.resize(frame.size() + 64);
        Connected& c = connect();
        c.peer->arrive(frame.view());
        settle();
        const bool ended = c.ended && c.peer->taken.empty();
        c.peer->end();
        settle();
        return ended;
    };
    for (std::int32_t type = -300; type <= 300; ++type) {
        if (!requests.contains(type)) EXPECT_TRUE(ended_by(type)) << type;
    }
    for (const std::int32_t type : {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max(), 1 << 24, 1 << 16}) {
        EXPECT_TRUE(ended_by(type)) << type;
    }
}

TEST_F(SessionTest, AWriterThatWasSetUpElsewhereIsNeverAcknowledgedHereAgain) {
    create_segment();
    Connected& before = connect();
    set_up(before);
    log_.hold(true);
    send(before, append(1, "a"), append(2, "b"));
    EXPECT_TRUE(taken(before).empty());
    Connected& after = connect();
    send(after, setup());
    EXPECT_TRUE(taken(after).empty());  // what it will say is not durable yet
    send(before, append(3, "c"));
    log_.hold(false);
    EXPECT_EQ(take_one<wire::AppendSetup>(after).last_event_number, 2);
    // Nothing but the refusal, although 1 and 2 are stored.
    const auto refused = take_one<wire::InvalidEventNumber>(before);
    EXPECT_EQ(refused.event_number, 3);
    EXPECT_EQ(refused.writer_id, kWriter);
    EXPECT_TRUE(before.ended);
    send(after, append(3, "C"));
    EXPECT_EQ(take_one<wire::DataAppended>(after).previous_event_number, 2);
    EXPECT_EQ(stored(), "abC");
}

TEST_F(SessionTest, KnownRequestsThatWeDoNotOfferAreAnswered) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    arrive(c, "0000003a 00000020 0000000100000007 000474657374 00057465737432 000000000000000000000000");  // MergeSegments
    const auto answer = take_one<wire::OperationUnsupported>(c);
    EXPECT_EQ(answer.request_id, 0x0000000100000007);
    EXPECT_EQ(answer.operation_name, "MergeSegments");
    EXPECT_FALSE(c.ended);
}

TEST_F(SessionTest, ConditionalAppendsAreStoredOnlyWhereTheSegmentEndsThere) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    // "abc" as an event has 11 bytes.
    arrive(c, "00000005 00000037 112233445566778899aabbccddeeff00 0000000000000001 0000000000000000 "
              "00000000 00000003 616263 0000000100000008 00000000");
    auto ack = take_one<wire::DataAppended>(c);
    EXPECT_EQ(ack.event_number, 1);
    EXPECT_EQ(ack.request_id, 0x0000000100000008);
    EXPECT_EQ(ack.current_segment_write_offset, 11);
    // Not there: the writer goes on.
    arrive(c, "00000059 0000002f 112233445566778899aabbccddeeff00 0000000000000002 000000000000000a 00000003 616263 "
              "0000000100000009");
    const auto failed = take_one<wire::ConditionalCheckFailed>(c);
    EXPECT_EQ(failed.event_number, 2);
    EXPECT_EQ(failed.request_id, 0x0000000100000009);
    // Two at once are answered one by one: each request waits for its own id.
    arrive(c, "00000059 0000002f 112233445566778899aabbccddeeff00 0000000000000002 000000000000000b 00000003 616263 "
              "000000010000000a "
              "00000059 0000002f 112233445566778899aabbccddeeff00 0000000000000003 000000000000000e 00000003 646566 "
              "000000010000000b");
    settle();
    const auto messages = taken(c);
    ASSERT_EQ(messages.size(), 2u);
    EXPECT_EQ(std::get<wire::DataAppended>(messages[0]).request_id, 0x000000010000000a);
    EXPECT_EQ(std::get<wire::DataAppended>(messages[1]).request_id, 0x000000010000000b);
    EXPECT_EQ(std::get<wire::DataAppended>(messages[1]).current_segment_write_offset, 17);
    // The event's number is looked at before the offset.
    arrive(c, "00000059 0000002f 112233445566778899aabbccddeeff00 0000000000000003 0000000000000000 00000003 616263 "
              "000000010000000c");
    EXPECT_EQ(take_one<wire::InvalidEventNumber>(c).event_number, 3);
    EXPECT_TRUE(c.ended);
}

TEST_F(SessionTest, ConditionalAppendsDoNotComeInsideAnAppendBlock) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    arrive(c, "00000003 00000011 112233445566778899aabbccddeeff00 61 "
              "00000059 0000002f 112233445566778899aabbccddeeff00 0000000000000001 0000000000000000 00000003 616263 "
              "0000000100000009");
    EXPECT_TRUE(taken(c).empty());
    EXPECT_TRUE(c.ended);
}

TEST_F(SessionTest, TruncationAnswersAsTheProtocolSays) {
    Connected& c = connect();
    const auto truncate = [&](std::int64_t offset) {
        wire::TruncateSegment message;
        message.request_id = 77;
        message.segment = kSegment;
        message.truncation_offset = offset;
        send(c, message);
    };
    truncate(5);
    EXPECT_EQ(take_one<wire::NoSuchSegment>(c).offset, 5);
    create_segment();
    set_up(c);
    send(c, append(1, "0123456789"));
    (void)take_one<wire::DataAppended>(c);
    truncate(4);
    EXPECT_EQ(take_one<wire::SegmentTruncated>(c).request_id, 77);
    truncate(4);  // again
    EXPECT_EQ(take_one<wire::SegmentTruncated>(c).segment, kSegment);
    for (const std::int64_t offset : {3, 11, -1}) {
        truncate(offset);
        const auto refused = take_one<wire::SegmentIsTruncated>(c);
        EXPECT_EQ(refused.start_offset, 4);
        EXPECT_EQ(refused.offset, offset);
    }
    wire::GetStreamSegmentInfo info;
    info.segment = kSegment;
    send(c, info);
    EXPECT_EQ(take_one<wire::StreamSegmentInfo>(c).start_offset, 4);
    wire::SealSegment seal;
    seal.segment = kSegment;
    send(c, seal);
    (void)take_one<wire::SegmentSealed>(c);
    truncate(10);  // sealed segments too
    EXPECT_EQ(take_one<wire::SegmentTruncated>(c).request_id, 77);
}

TEST_F(SessionTest, AttributesAreComparedAndSet) {
    Connected& c = connect();
    wire::UpdateSegmentAttribute update;
    update.request_id = 1;
    update.segment = kSegment;
    update.attribute_id.bytes[3] = std::byte{7};
    update.new_value = 12;
    update.expected_value = wire::kNoAttributeValue;
    wire::GetSegmentAttribute get;
    get.request_id = 2;
    get.segment = kSegment;
    get.attribute_id = update.attribute_id;
    send(c, update);
    EXPECT_EQ(take_one<wire::NoSuchSegment>(c).request_id, 1);
    send(c, get);
    EXPECT_EQ(take_one<wire::NoSuchSegment>(c).request_id, 2);
    create_segment();
    send(c, get);
    EXPECT_EQ(take_one<wire::SegmentAttribute>(c).value, wire::kNoAttributeValue);
    send(c, update);
    EXPECT_TRUE(take_one<wire::SegmentAttributeUpdated>(c).success);
    send(c, update);
    EXPECT_FALSE(take_one<wire::SegmentAttributeUpdated>(c).success);
    send(c, get);
    EXPECT_EQ(take_one<wire::SegmentAttribute>(c).value, 12);
    wire::SealSegment seal;
    seal.segment = kSegment;
    send(c, seal);
    (void)take_one<wire::SegmentSealed>(c);
    update.expected_value = 12;
    send(c, update);
    EXPECT_EQ(take_one<wire::SegmentIsSealed>(c).request_id, 1);
    send(c, get);
    EXPECT_EQ(take_one<wire::SegmentAttribute>(c).value, 12);
}

TEST_F(SessionTest, APeerThatNeverReadsIsBoundedAndCutOff) {
    create_segment();
    Connected& writer = connect();
    set_up(writer);
    for (int i = 1; i <= 8; ++i) {
        send(writer, append(i, std::string(900'000, 'x')));
        (void)take_one<wire::DataAppended>(writer);
    }
    Connected& c = connect();
    c.peer->take_until(0);
    ByteBuffer requests;
    for (int i = 0; i < 500; ++i) wire::encode(read(0, 2 * 1024 * 1024), requests);
    c.peer->arrive(requests.view());
    settle();
    EXPECT_FALSE(c.ended);
    EXPECT_LE(shared_->waiting_reads, 500u);
    world_.run_for(70s);
    EXPECT_TRUE(c.ended);
    EXPECT_EQ(shared_->waiting_reads, 0u);
    ASSERT_EQ(bad_peers_.size(), 1u);
    EXPECT_NE(bad_peers_[0].find("took nothing for 60 s"), std::string::npos) << bad_peers_[0];
    // A slow one that takes a little now and then is served.
    Connected& slow = connect();
    slow.peer->take_until(0);
    slow.peer->arrive(requests.view().first(requests.size() / 500 * 10));
    for (std::size_t i = 1; i <= 40; ++i) {
        slow.peer->take_until(i * 100'000);
        world_.run_for(5s);
    }
    EXPECT_FALSE(slow.ended);
    slow.peer->take_until(SIZE_MAX);
    EXPECT_EQ(taken(slow).size(), 10u);
}

TEST_F(SessionTest, AFullDiskTellsWritersAndKeepsReadsGoing) {
    create_segment();
    Connected& c = connect();
    Connected& reader = connect();
    set_up(c);
    send(c, append(1, "kept"));
    (void)take_one<wire::DataAppended>(c);
    log_.set_full(true);
    send(c, append(2, "stuck"));
    EXPECT_TRUE(taken(c).empty());  // it commits when there is space
    world_.run_for(3s);
    EXPECT_TRUE(taken(c).empty());
    world_.run_for(3s);
    const auto error = take_one<wire::ErrorMessage>(c);
    EXPECT_EQ(error.request_id, kRequest);
    EXPECT_EQ(error.segment, kSegment);
    EXPECT_NE(error.message.find("disk is full"), std::string::npos);
    EXPECT_TRUE(c.ended);
    send(reader, read(0), wire::GetStreamSegmentInfo{3, kSegment, ""}, wire::CreateSegment{4, "s/t/9.#epoch.0", 0, 0, "", 0});
    auto messages = taken(reader);
    ASSERT_EQ(messages.size(), 3u);
    EXPECT_EQ(std::get<wire::SegmentRead>(messages[0]).data, Bytes::copy_of("kept"));
    EXPECT_EQ(std::get<wire::StreamSegmentInfo>(messages[1]).write_offset, 4);
    EXPECT_EQ(std::get<wire::ErrorMessage>(messages[2]).request_id, 4);
    Connected& again = connect();
    send(again, setup());
    EXPECT_NE(take_one<wire::ErrorMessage>(again).message.find("disk is full"), std::string::npos);
    EXPECT_TRUE(again.ended);
    log_.set_full(false);
    world_.run_for(1s);
    Connected& later = connect();
    send(later, setup());
    EXPECT_EQ(take_one<wire::AppendSetup>(later).last_event_number, 2);
    send(later, append(3, "!"));
    EXPECT_EQ(take_one<wire::DataAppended>(later).previous_event_number, 2);
    EXPECT_EQ(stored(), "keptstuck!");
}

TEST_F(SessionTest, ADiskThatIsFullForAMomentCostsNobodyAnything) {
    create_segment();
    Connected& c = connect();
    Connected& late = connect();
    set_up(c);
    set_up(late, kOther);
    log_.set_full(true);
    send(c, append(1, "one"));
    settle();
    ASSERT_TRUE(container_->full());
    send(c, append(2, "two"), setup(kOther));
    send(late, wire::CreateSegment{4, "s/t/9.#epoch.0", 0, 0, "", 0});
    world_.run_for(500ms);
    EXPECT_TRUE(taken(c).empty());
    EXPECT_TRUE(taken(late).empty());
    log_.set_full(false);
    world_.run_for(300ms);
    std::int64_t acknowledged = kNoEventNumber;
    std::size_t set_ups = 0;
    for (const auto& message : taken(c)) {
        if (const auto* ack = std::get_if<wire::DataAppended>(&message)) acknowledged = ack->event_number;
        else if (std::holds_alternative<wire::AppendSetup>(message)) ++set_ups;
        else ADD_FAILURE() << wire::to_string(wire::type_of(message));
    }
    EXPECT_EQ(acknowledged, 2);
    EXPECT_EQ(set_ups, 1u);
    EXPECT_EQ(take_one<wire::SegmentCreated>(late).request_id, 4);
    EXPECT_FALSE(c.ended || late.ended);
    EXPECT_EQ(stored(), "onetwo");
}

TEST_F(SessionTest, AFullDiskRefusesNewAppendsAfterAMomentAndWaitingSetUpsLater) {
    create_segment();
    Connected& c = connect();
    Connected& other = connect();
    set_up(c);
    log_.set_full(true);
    send(c, append(1, "one"));
    settle();
    send(c, append(2, "two"));
    send(other, setup(kOther));
    world_.run_for(900ms);
    EXPECT_TRUE(taken(c).empty());
    world_.run_for(200ms);
    EXPECT_NE(take_one<wire::ErrorMessage>(c).message.find("disk is full"), std::string::npos);
    EXPECT_TRUE(c.ended);
    EXPECT_TRUE(taken(other).empty());
    world_.run_for(4s);
    EXPECT_NE(take_one<wire::ErrorMessage>(other).message.find("disk is full"), std::string::npos);
    EXPECT_TRUE(other.ended);
    log_.set_full(false);
    world_.run_for(1s);
    EXPECT_EQ(stored(), "one");
}

TEST_F(SessionTest, NamesThatAreTooLongAreRefusedAndNotKept) {
    const std::string name(kMaxSegmentNameBytes + 1, 'x');
    Connected& c = connect();
    send(c, read(0, 100, name), wire::GetStreamSegmentInfo{1, name, ""}, wire::CreateSegment{2, name, 0, 0, "", 0},
         wire::SealSegment{3, name, ""}, wire::DeleteSegment{4, name, ""});
    const auto messages = taken(c);
    ASSERT_EQ(messages.size(), 5u);
    for (const auto& message : messages) EXPECT_EQ(std::get<wire::ErrorMessage>(message).error_code, 0);
    EXPECT_FALSE(c.ended);
    EXPECT_EQ(shared_->waiting_reads, 0u);
}

TEST_F(SessionTest, WhatStaysIncompleteForTooLongEndsItsConnection) {
    create_segment();
    Connected& quiet = connect();
    Connected& half = connect();
    Connected& open = connect();
    Connected& dribbling = connect();
    Connected& mute = connect();
    set_up(open);
    send(quiet, wire::KeepAlive{});
    arrive(half, "00000001 0000002a 00000001");
    arrive(open, "00000003 00000011 112233445566778899aabbccddeeff00 61");
    arrive(dribbling, "00000064 000000ff");
    for (int i = 0; i < 16; ++i) {
        if (i == 11) {
            EXPECT_FALSE(half.ended || open.ended || dribbling.ended || mute.ended);
        }
        if (!dribbling.ended) arrive(dribbling, "00");
        world_.run_for(5s);
    }
    EXPECT_TRUE(half.ended && open.ended && dribbling.ended && mute.ended);
    EXPECT_FALSE(quiet.ended);
    const auto reported = [this](std::string_view what) {
        return std::count_if(bad_peers_.begin(), bad_peers_.end(),
                             [what](const std::string& line) { return line.find(what) != std::string::npos; });
    };
    EXPECT_EQ(bad_peers_.size(), 4u);
    EXPECT_EQ(reported("inside a frame"), 2);
    EXPECT_EQ(reported("left an append block incomplete for 60 s"), 1);
    EXPECT_EQ(reported("began no frame within 60 s of connecting"), 1);
}

TEST_F(SessionTest, EverythingThatAddsToTheLogIsBraked) {
    create_segment();
    Connected& c = connect();
    Connected& other = connect();
    set_up(c);
    log_.hold(true);
    send(c, append(1, std::string(700'000, 'x')), append(2, std::string(700'000, 'x')));
    settle();
    ASSERT_FALSE(credits_.available());
    const container::Lsn before = container_->admitted();
    Connected& sealing = connect();
    Connected& removing = connect();
    send(other, wire::CreateSegment{4, "s/t/9.#epoch.0", 0, 0, "", 0});
    send(sealing, wire::SealSegment{5, kSegment, ""});
    send(removing, wire::DeleteSegment{6, kSegment, ""});
    world_.run_for(3s);
    EXPECT_EQ(container_->admitted(), before);
    world_.run_for(2s);  // one each gets through
    EXPECT_GT(container_->admitted(), before);
    log_.hold(false);
    EXPECT_EQ(take_one<wire::SegmentCreated>(other).request_id, 4);
    EXPECT_EQ(take_one<wire::SegmentSealed>(sealing).request_id, 5);
    EXPECT_EQ(take_one<wire::SegmentDeleted>(removing).request_id, 6);
}

TEST_F(SessionTest, WhatSharesAConnectionWithBrakedWritersGoesOn) {
    create_segment();
    create_segment("s/t/1.#epoch.0");
    Connected& c = connect();
    set_up(c);
    send(c, append(1, "readable"));
    (void)take_one<wire::DataAppended>(c);
    log_.hold(true);
    send(c, append(2, std::string(600'000, 'x')), append(3, std::string(600'000, 'x')));
    settle();
    ASSERT_FALSE(credits_.available());
    const container::Lsn before = container_->admitted();
    // The seal and the set-up stay behind the appends that were sent before them.
    send(c, append(4, "four"), append(5, "five"), wire::SealSegment{5, kSegment, ""}, setup(kOther), append(0, "late", kOther),
         read(0, 8), wire::KeepAlive{}, wire::GetSegmentAttribute{6, kSegment, AttributeId{kWriter.bytes}, ""});
    auto messages = taken(c);
    ASSERT_EQ(messages.size(), 2u);
    EXPECT_EQ(std::get<wire::SegmentRead>(messages[0]).data, Bytes::copy_of("readable"));
    EXPECT_TRUE(std::holds_alternative<wire::KeepAlive>(messages[1]));
    EXPECT_EQ(container_->admitted(), before);
    log_.hold(false);
    settle();
    messages = taken(c);
    std::vector<std::string> kinds;
    for (const auto& message : messages) {
        if (const auto* ack = std::get_if<wire::DataAppended>(&message)) kinds.push_back("up to " + std::to_string(ack->event_number));
        else kinds.push_back(wire::to_string(wire::type_of(message)));
    }
    ASSERT_GE(kinds.size(), 5u);
    const std::vector<std::string> last{kinds.end() - 4, kinds.end()};
    EXPECT_THAT(last, ::testing::ElementsAre("up to 5", "SegmentSealed", "AppendSetup", "SegmentIsSealed"));
    EXPECT_THAT(kinds, ::testing::Contains("SegmentAttribute"));
    EXPECT_EQ(stored(), "readable" + std::string(1'200'000, 'x') + "fourfive");
}

TEST_F(SessionTest, WritersThatAreHeldBackStillGetAFrameThrough) {
    create_segment();
    create_segment("s/t/1.#epoch.0");
    bool held_back = true;
    credits_.hold_back_while([&held_back] { return held_back; });
    Connected& c = connect();
    set_up(c);
    send(c, append(1, "1"), append(2, "2"), append(3, "3"));
    EXPECT_TRUE(taken(c).empty());
    Connected& other = connect();
    send(other, wire::DeleteSegment{6, "s/t/1.#epoch.0", ""});
    EXPECT_EQ(take_one<wire::SegmentDeleted>(other).request_id, 6);
    world_.run_for(5s);
    EXPECT_EQ(take_one<wire::DataAppended>(c).event_number, 1);
    held_back = false;
    credits_.changed().notify_all();
    settle();
    EXPECT_EQ(stored(), "123");
}

TEST_F(SessionTest, BrakedFramesAreBounded) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.hold(true);
    for (int i = 1; i <= 40; ++i) send(c, append(i, std::string(100'000, 'x')));
    send(c, wire::KeepAlive{});
    // Twenty or so are admitted or held; what is behind them is not looked at.
    EXPECT_TRUE(taken(c).empty());
    log_.hold(false);
    world_.run_for(1s);
    const auto messages = taken(c);
    EXPECT_TRUE(std::any_of(messages.begin(), messages.end(),
                            [](const auto& message) { return std::holds_alternative<wire::KeepAlive>(message); }));
    EXPECT_EQ(stored().size(), 4'000'000u);
}

TEST_F(SessionTest, BrakedFramesEndWithTheirConnection) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.hold(true);
    for (int i = 1; i <= 15; ++i) send(c, append(i, std::string(100'000, 'x')));
    settle();
    const container::Lsn admitted = container_->admitted();
    c.peer->end();
    settle();
    EXPECT_TRUE(c.ended);
    log_.hold(false);
    world_.run_for(1s);
    EXPECT_EQ(container_->admitted(), admitted);
    EXPECT_EQ(credits_.taken(), 0u);
}

TEST_F(SessionTest, BrokenFramesOfBrakedWritersEndTheConnection) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.hold(true);
    send(c, append(1, std::string(1'200'000, 'x')), append(2, "held"));
    arrive(c, "0000000400000000");
    settle();
    EXPECT_FALSE(c.ended);
    log_.hold(false);
    world_.run_for(1s);
    EXPECT_TRUE(c.ended);
    ASSERT_EQ(bad_peers_.size(), 1u);
    EXPECT_EQ(stored().size(), 1'200'004u);
}

TEST_F(SessionTest, AppendsAreBrakedBeforeMemoryRunsOut) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.hold(true);
    for (int i = 1; i <= 10; ++i) send(c, append(i, std::string(300'000, 'x')));
    settle();
    const std::size_t admitted = credits_.taken();
    EXPECT_GE(admitted, 1024u * 1024);
    EXPECT_LT(admitted, 1024u * 1024 + 400'000);
    world_.run_for(5s);  // a frame gets through now and then
    EXPECT_GT(credits_.taken(), admitted);
    EXPECT_LT(credits_.taken(), admitted + 700'000);
    log_.hold(false);
    world_.run_for(1s);
    std::int64_t acknowledged = 0;
    for (const auto& message : taken(c)) acknowledged = std::get<wire::DataAppended>(message).event_number;
    EXPECT_EQ(acknowledged, 10);
    EXPECT_EQ(credits_.taken(), 0u);
}

TEST_F(SessionTest, AFailedLogEndsConnectionsWithoutAnotherAck) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.hold(true);
    send(c, append(1, "doomed"));
    settle();
    log_.fail();
    EXPECT_TRUE(taken(c).empty());
    EXPECT_TRUE(c.ended);
}

// Tokens are a list of words: "read" or "update", "expired", and the one segment for which they are good.
class WordTokens final : public TokenVerifier {
public:
    Result<std::shared_ptr<const Principal>> verify(std::string_view token) const override {
        ++verified;
        if (token.empty()) return Error{ErrorCode::kUnauthenticated, "no token"};
        return std::shared_ptr<const Principal>{std::make_shared<Holder>(token)};
    }
    mutable int verified = 0;

private:
    struct Holder final : Principal {
        explicit Holder(std::string_view token) : words{token} {}
        bool may(Permission permission, std::string_view segment) const override {
            const bool enough = words.find("update") != std::string::npos ||
                                (permission == Permission::kRead && words.find("read") != std::string::npos);
            return enough && words.find(segment) != std::string::npos;
        }
        std::optional<WallTime> expires() const override {
            if (words.find("expired") == std::string::npos) return std::nullopt;
            return WallTime{};
        }
        std::string words;
    };
};

TEST_F(SessionTest, RequestsNeedATokenThatAllowsThem) {
    const WordTokens tokens;
    shared_->tokens = &tokens;
    create_segment();
    Connected& c = connect();
    const std::string segment = kSegment;
    const auto refused = [&](const auto& message, std::int32_t code) {
        send(c, message);
        const auto answer = take_one<wire::AuthTokenCheckFailed>(c);
        EXPECT_EQ(answer.request_id, kRequest);
        EXPECT_EQ(answer.error_code, code);
    };
    const std::string reads = "read " + segment;
    const std::string updates = "update " + segment;
    for (const std::string& token : {std::string{}, std::string{"update s/t/7.#epoch.0"}}) {
        refused(wire::SetupAppend{kRequest, kWriter, segment, token}, 0);
        refused(wire::ReadSegment{segment, 0, 100, token, kRequest}, 0);
        refused(wire::GetStreamSegmentInfo{kRequest, segment, token}, 0);
        refused(wire::GetSegmentAttribute{kRequest, segment, AttributeId{kOther.bytes}, token}, 0);
    }
    for (const std::string& token : {std::string{}, reads}) {
        refused(wire::SetupAppend{kRequest, kWriter, segment, token}, 0);
        refused(wire::CreateSegment{kRequest, segment, 0, 0, token, 0}, 0);
        refused(wire::SealSegment{kRequest, segment, token}, 0);
        refused(wire::TruncateSegment{kRequest, segment, 0, token}, 0);
        refused(wire::DeleteSegment{kRequest, segment, token}, 0);
        refused(wire::UpdateSegmentAttribute{kRequest, segment, AttributeId{kOther.bytes}, 1, -1, token}, 0);
    }
    refused(wire::ReadSegment{segment, 0, 100, "expired " + reads, kRequest}, 1);

    // What a refused writer sends behind its set-up is dropped, and its connection lives.
    send(c, append(1, "dropped"));
    send(c, wire::GetStreamSegmentInfo{kRequest, segment, reads});
    EXPECT_EQ(take_one<wire::StreamSegmentInfo>(c).write_offset, 0);
    send(c, wire::SetupAppend{kRequest, kWriter, segment, updates}, append(2, "kept"));
    EXPECT_EQ(taken(c).size(), 2u);
    EXPECT_EQ(stored(), "kept");
    EXPECT_TRUE(bad_peers_.empty());
}

TEST_F(SessionTest, ATokenIsVerifiedWhenItChanges) {
    const WordTokens tokens;
    shared_->tokens = &tokens;
    create_segment();
    Connected& c = connect();
    const std::string token = std::string{"read "} + kSegment;
    for (int i = 0; i < 5; ++i) send(c, wire::GetStreamSegmentInfo{kRequest, kSegment, token});
    EXPECT_EQ(taken(c).size(), 5u);
    EXPECT_EQ(tokens.verified, 1);
    send(c, wire::GetStreamSegmentInfo{kRequest, kSegment, ""}, wire::GetStreamSegmentInfo{kRequest, kSegment, token});
    EXPECT_EQ(taken(c).size(), 2u);
    EXPECT_EQ(tokens.verified, 3);
}

// Of a container whose log somebody else may take over.
class SharedSessionTest : public SessionTest {
protected:
    SharedSessionTest() : SessionTest{false} {}
};

TEST_F(SharedSessionTest, TellsFactsOnceTheyAreProven) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.hold_confirmations(true);
    send(c, wire::GetStreamSegmentInfo{kRequest, kSegment, ""});
    send(c, read(0, 8, "s/t/9.#epoch.0"));
    EXPECT_TRUE(taken(c).empty());
    log_.hold_confirmations(false);
    const auto messages = taken(c);
    ASSERT_EQ(messages.size(), 2u);
    EXPECT_TRUE(std::holds_alternative<wire::StreamSegmentInfo>(messages[0]));
    EXPECT_TRUE(std::holds_alternative<wire::NoSuchSegment>(messages[1]));
}

TEST_F(SharedSessionTest, AcknowledgesAndServesBytesWithoutProof) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.set_unproven(true);
    send(c, append(1, "hello"));
    (void)take_one<wire::DataAppended>(c);
    send(c, read(0, 8));
    EXPECT_EQ(take_one<wire::SegmentRead>(c).data, Bytes::copy_of("hello"));
}

TEST_F(SharedSessionTest, AReplacedOwnerAnswersNothingMore) {
    create_segment();
    Connected& c = connect();
    log_.set_fenced(true);
    send(c, wire::GetStreamSegmentInfo{kRequest, "s/t/9.#epoch.0", ""});
    send(c, read(0, 8, "s/t/9.#epoch.0"));
    send(c, setup(kWriter, "s/t/9.#epoch.0"));
    EXPECT_TRUE(taken(c).empty());
    EXPECT_TRUE(c.ended);
}

}  // namespace
}  // namespace millrace::segmentstore
