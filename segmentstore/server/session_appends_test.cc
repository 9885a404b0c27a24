// SPDX-License-Identifier: Apache-2.0
//
// Writers of one connection: set-ups, appends in every form, conditional appends.
#include <limits>

#include "segmentstore/server/session_fixture.h"

namespace millrace::segmentstore {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

constexpr const char* kSetupHex =
    "00000001 0000002a 0000000100000000 112233445566778899aabbccddeeff00 000e 732f742f302e2365706f63682e30 0000";
constexpr const char* kTwoEvents = "000000000000000568656c6c6f0000000000000006776f726c6421";

std::string without_blanks(std::string text) {
    std::erase(text, ' ');
    return text;
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

// Small appends that arrive together are stored as one, and nobody can tell but by their cost.
class AppendRunTest : public SessionTest {
protected:
    AppendRunTest() {
        create_segment();
        set_up(c_);
    }
    std::uint64_t operations() const { return container_->admitted().number(); }

    Connected& c_ = connect();
};

TEST_F(AppendRunTest, SmallAppendsThatArriveTogetherAreOneOperation) {
    const std::uint64_t before = operations();
    send(c_, append(1, "one"), append(2, ""), append(5, "five"));
    const auto ack = take_one<wire::DataAppended>(c_);
    EXPECT_EQ(ack.event_number, 5);
    EXPECT_EQ(ack.previous_event_number, kNoEventNumber);
    EXPECT_EQ(ack.current_segment_write_offset, 7);
    EXPECT_EQ(operations(), before + 1);
    EXPECT_EQ(stored(), "onefive");
    EXPECT_EQ(container_->counts().appended_events, 3u);

    send(c_, append(6, "six"));
    EXPECT_EQ(take_one<wire::DataAppended>(c_).previous_event_number, 5);
    EXPECT_EQ(stored(), "onefivesix");
}

TEST_F(AppendRunTest, BlocksAreJoinedWithWhatTheirEndsBring) {
    const std::uint64_t before = operations();
    ByteBuffer bytes;
    for (std::int64_t number = 1; number <= 3; ++number) {
        wire::encode(wire::AppendBlock{kWriter, Bytes::copy_of("event")}, bytes);
        wire::encode(wire::AppendBlockEnd{kWriter, 5, Bytes{}, 2, number * 2, kRequest + number}, bytes);
    }
    c_.peer->arrive(bytes.view());
    const auto ack = take_one<wire::DataAppended>(c_);
    EXPECT_EQ(ack.event_number, 6);
    EXPECT_EQ(ack.request_id, kRequest + 3);
    EXPECT_EQ(operations(), before + 1);
    EXPECT_EQ(stored(), "eventeventevent");
    EXPECT_EQ(container_->counts().appended_events, 6u);
}

TEST_F(AppendRunTest, ANumberThatDoesNotRiseIsRefusedBehindWhatCameBefore) {
    send(c_, append(1, "one"), append(2, "two"), append(2, "again"), append(3, "lost"));
    const auto messages = taken(c_);
    ASSERT_EQ(messages.size(), 2u);
    EXPECT_EQ(std::get<wire::DataAppended>(messages[0]).event_number, 2);
    EXPECT_EQ(std::get<wire::InvalidEventNumber>(messages[1]).event_number, 2);
    EXPECT_TRUE(c_.ended);
    EXPECT_EQ(stored(), "onetwo");
}

TEST_F(AppendRunTest, ARunThatBeginsTooLowIsRefusedAsAWhole) {
    send(c_, append(7, "seven"));
    (void)take_one<wire::DataAppended>(c_);
    Connected& again = connect();
    set_up(again);
    // What comes after the refused one must not be stored, although its number would do.
    send(again, append(7, "twice"), append(8, "eight"));
    EXPECT_EQ(take_one<wire::InvalidEventNumber>(again).event_number, 7);
    EXPECT_EQ(stored(), "seven");
}

TEST_F(AppendRunTest, EndsWithAnyOtherRequest) {
    wire::GetStreamSegmentInfo info;
    info.request_id = kRequest;
    info.segment = kSegment;
    send(c_, append(1, "one"), append(2, "two"), info, append(3, "three"));
    const auto messages = taken(c_);
    ASSERT_EQ(messages.size(), 3u);
    EXPECT_EQ(std::get<wire::DataAppended>(messages[0]).event_number, 2);
    EXPECT_EQ(std::get<wire::StreamSegmentInfo>(messages[1]).write_offset, 6);
    EXPECT_EQ(std::get<wire::DataAppended>(messages[2]).event_number, 3);

    // A condition is about the length behind all that came before.
    const wire::ConditionalAppend conditional{kWriter, 6, 13, Bytes::copy_of("\0\0\0\0\0\0\0\1x"sv), kRequest};
    send(c_, append(4, "4"), append(5, "5"), conditional, append(7, "7"));
    EXPECT_EQ(taken(c_).size(), 3u);
    EXPECT_EQ(stored(), "onetwothree45\0\0\0\0\0\0\0\1x7"s);
}

TEST_F(AppendRunTest, EndsWithTheWriter) {
    set_up(c_, kOther);
    const std::uint64_t before = operations();
    send(c_, append(1, "a"), append(2, "b"), append(1, "c", kOther), append(2, "d", kOther), append(3, "e"));
    EXPECT_EQ(taken(c_).size(), 2u);
    EXPECT_EQ(operations(), before + 3);
    EXPECT_EQ(stored(), "abcde");
}

TEST_F(AppendRunTest, IsBoundedInBytesAndEvents) {
    std::uint64_t before = operations();
    const std::string data(AppendRun::kSmallBelow - 1, 'x');
    ByteBuffer bytes;
    for (std::int64_t number = 1; number <= 16; ++number) wire::encode(append(number, data), bytes);
    c_.peer->arrive(bytes.view());
    EXPECT_EQ(take_one<wire::DataAppended>(c_).event_number, 16);
    // A run also ends with what one receive brings.
    EXPECT_GE(operations(), before + bytes.size() / AppendRun::kBytesMax + 1);
    EXPECT_LE(operations(), before + 8);

    // A large one goes alone, between others.
    before = operations();
    send(c_, append(17, "s"), append(18, data + "x"), append(19, "t"));
    EXPECT_EQ(take_one<wire::DataAppended>(c_).event_number, 19);
    EXPECT_EQ(operations(), before + 3);

    // Counts are the client's to choose.
    auto many = append(20, "m");
    many.num_events = std::numeric_limits<std::int32_t>::max();
    send(c_, many, append(21, "n"));
    EXPECT_EQ(take_one<wire::DataAppended>(c_).event_number, 21);
    EXPECT_EQ(operations(), before + 5);
}

TEST_F(AppendRunTest, ASealedSegmentRefusesTheFirstOfThem) {
    ASSERT_EQ(container_->seal(kSegment).status, container::Status::kOk);
    auto first = append(1, "a");
    first.request_id = kRequest + 1;
    send(c_, first, append(2, "b"));
    const auto sealed = take_one<wire::SegmentIsSealed>(c_);
    EXPECT_EQ(sealed.offset, 1);
    EXPECT_EQ(sealed.request_id, kRequest + 1);
}

TEST_F(AppendRunTest, WhatCameBeforeABrokenFrameIsStored) {
    ByteBuffer bytes;
    wire::encode(append(1, "one"), bytes);
    wire::encode(append(2, "two"), bytes);
    wire::encode(append(1, "back"), bytes);  // numbers of one set-up never fall
    c_.peer->arrive(bytes.view());
    settle();
    EXPECT_TRUE(c_.ended);
    EXPECT_EQ(bad_peers_.size(), 1u);
    EXPECT_EQ(stored(), "onetwo");
}

}  // namespace
}  // namespace millrace::segmentstore
