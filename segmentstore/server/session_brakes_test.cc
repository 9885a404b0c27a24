// SPDX-License-Identifier: Apache-2.0
//
// What does not fit: peers that do not read, writers that are held back, full disks.
#include "segmentstore/server/session_fixture.h"

namespace millrace::segmentstore {
namespace {

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

}  // namespace
}  // namespace millrace::segmentstore
