// SPDX-License-Identifier: Apache-2.0
//
// Requests of one connection, every field of them, and their answers.
#include <limits>
#include <set>

#include "segmentstore/server/session_fixture.h"

namespace millrace::segmentstore {
namespace {

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

}  // namespace
}  // namespace millrace::segmentstore
