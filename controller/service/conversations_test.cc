// SPDX-License-Identifier: Apache-2.0
//
// What the Java client of version 0.13.0 asks a controller for, call by call and in its order, without a JVM:
// docs/protocol/java-client.md names each of these tests.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "controller/testing/cluster.h"

namespace millrace::controller {
namespace {

using service::Service;
using Ids = std::vector<std::int64_t>;

const StreamName kTalked{"s", "x"};
const StreamName kTalkedState{"s", "_RGg"};
const StreamName kTalkedMarks{"s", "_MARKx"};

class Conversations : public testing::Test {
protected:
    Conversations() { cluster.make_scope("s"); }

    // Before it asks for segments and before it connects: who may, and where.
    void expect_way_to(const StreamName& stream, std::int64_t segment) {
        EXPECT_EQ(cluster.ask(&Service::get_delegation_token, Cluster::info(stream)).delegationtoken(), "");
        pb::SegmentId id;
        *id.mutable_streaminfo() = Cluster::info(stream);
        id.set_segmentid(segment);
        EXPECT_NE(cluster.ask(&Service::get_uri, id).port(), 0);
    }
    void expect_delegation_tokens_are_empty(const StreamName& stream) {
        EXPECT_EQ(cluster.ask(&Service::get_current_segments, Cluster::info(stream)).delegationtoken(), "");
        pb::GetSegmentsRequest head;
        *head.mutable_streaminfo() = Cluster::info(stream);
        EXPECT_EQ(cluster.ask(&Service::get_segments, head).delegationtoken(), "");
        pb::SegmentId segment;
        *segment.mutable_streaminfo() = Cluster::info(stream);
        EXPECT_EQ(cluster.ask(&Service::get_successors, segment).delegationtoken(), "");
    }
    pb::ReaderGroupConfigResponse stored_group() {
        return cluster.ask(&Service::get_reader_group_config, Cluster::group_info("g"));
    }

    Cluster cluster;
};

TEST_F(Conversations, AReaderGroupIsMadeReadResetAndDeleted) {
    cluster.create(kTalked, 2);
    // createReaderGroup; the group's state; where its streams begin; the state once more for the reader, and the marks.
    pb::ReaderGroupConfiguration config = Cluster::group_config("g", {Cluster::cut(kTalked, {})});
    const auto created = cluster.ask(&Service::create_reader_group, config);
    ASSERT_EQ(created.status(), pb::CreateReaderGroupResponse::SUCCESS);
    EXPECT_EQ(created.config().generation(), 0) << "the client sends -1";
    EXPECT_NE(created.config().readergroupid(), config.readergroupid()) << "and an id of zeros";
    EXPECT_EQ(cluster.current(kTalkedState), Ids{0});
    EXPECT_EQ(cluster.head(kTalked), (Cluster::Offsets{{0, 0}, {1, 0}}));
    EXPECT_EQ(cluster.current(kTalkedMarks), Ids{0}) << "nobody made them; a reader that does not find them fails";
    for (const StreamName& stream : {kTalkedState, kTalked, kTalkedMarks}) expect_way_to(stream, 0);

    // resetReaderGroup sends what it was told, with the generation that it knows, and keeps the one that it is told.
    config = created.config();
    *config.mutable_startingstreamcuts(0) = Cluster::cut(kTalked, {{0, 7}, {1, 0}});
    const auto reset = cluster.ask(&Service::update_reader_group, config);
    EXPECT_EQ(reset.status(), pb::UpdateReaderGroupResponse::SUCCESS);
    EXPECT_EQ(reset.generation(), 1);
    EXPECT_EQ(stored_group().config().startingstreamcuts(0).cut().at(0), 7);
    EXPECT_EQ(cluster.current(kTalkedState), Ids{0}) << "the readers meet in the same state";

    EXPECT_EQ(cluster.ask(&Service::delete_reader_group, Cluster::group_info("g", config.readergroupid())).status(),
              pb::DeleteReaderGroupStatus::SUCCESS);
    EXPECT_EQ(stored_group().status(), pb::ReaderGroupConfigResponse::RG_NOT_FOUND);
}

TEST_F(Conversations, AWriterThatMeetsASealAsksForTheSuccessorsAlone) {
    cluster.create(kTalked, 2);
    EXPECT_EQ(cluster.current(kTalked), (Ids{0, 1}));
    const auto started = cluster.scale(kTalked, {0}, {{0.0, 0.2}, {0.2, 0.5}});
    ASSERT_TRUE(started.ok());
    ASSERT_TRUE(cluster.run_until([&] { return cluster.check_scale(kTalked, started->epoch()) == pb::ScaleStatusResponse::SUCCESS; }));
    const std::int64_t left = SegmentId::of(2, StreamEpoch{1}).value;
    const std::int64_t right = SegmentId::of(3, StreamEpoch{1}).value;
    EXPECT_EQ(cluster.successors(kTalked, 0), std::to_string(left) + "<-0 " + std::to_string(right) + "<-0");
    // It puts their ranges in place of the old one, so they have to fit it to the bit.
    pb::SegmentId segment;
    *segment.mutable_streaminfo() = Cluster::info(kTalked);
    const auto reply = cluster.ask(&Service::get_successors, segment);
    ASSERT_EQ(reply.segments_size(), 2);
    EXPECT_EQ(reply.segments(0).segment().minkey(), 0.0);
    EXPECT_EQ(reply.segments(0).segment().maxkey(), reply.segments(1).segment().minkey());
    EXPECT_EQ(reply.segments(1).segment().maxkey(), 0.5);
    expect_delegation_tokens_are_empty(kTalked);
}

TEST_F(Conversations, AWriterToASealedStreamFindsNoSuccessors) {
    cluster.create(kTalked, 1);
    cluster.seal(kTalked);
    EXPECT_EQ(cluster.successors(kTalked, 0), "");
    EXPECT_EQ(cluster.current(kTalked), Ids{});
}

TEST_F(Conversations, AReaderLearnsOfEverySegmentThatASuccessorContinues) {
    // It goes on with a successor only when all of these are read to their ends.
    cluster.create(kTalked, 2);
    pb::StreamConfig config = Cluster::config(kTalked, 1);
    ASSERT_EQ(cluster.update(config), pb::UpdateStreamStatus::SUCCESS);
    const Ids merged = cluster.current(kTalked);
    ASSERT_EQ(merged.size(), 1u);
    for (const std::int64_t segment : {0, 1}) EXPECT_EQ(cluster.successors(kTalked, segment), std::to_string(merged[0]) + "<-0,1");
}

TEST_F(Conversations, AStreamsInfoIsItsConfigurationItsHeadAndItsTail) {
    cluster.create(kTalked, 2);
    ASSERT_EQ(cluster.scale(kTalked, {0}, {{0.0, 0.5}})->status(), pb::ScaleResponse::STARTED);
    ASSERT_TRUE(cluster.settle());
    const std::int64_t replaced = SegmentId::of(2, StreamEpoch{1}).value;
    EXPECT_EQ(cluster.ask(&Service::get_stream_configuration, Cluster::info(kTalked)).scalingpolicy().minnumsegments(), 2);
    EXPECT_EQ(cluster.head(kTalked), (Cluster::Offsets{{0, 0}, {1, 0}}));
    EXPECT_EQ(cluster.current(kTalked), (Ids{replaced, 1})) << "it asks the store for their lengths";
    // That no segment is current is how it knows that the stream is sealed.
    cluster.seal(kTalked);
    EXPECT_EQ(cluster.current(kTalked), Ids{});
    EXPECT_EQ(cluster.head(kTalked), (Cluster::Offsets{{0, 0}, {1, 0}}));
}

TEST_F(Conversations, ABatchReadsWhatLiesBetweenHeadAndTail) {
    cluster.create(kTalked, 2);
    ASSERT_EQ(cluster.scale(kTalked, {0, 1}, {{0.0, 0.3}, {0.3, 0.6}, {0.6, 1.0}})->status(), pb::ScaleResponse::STARTED);
    ASSERT_TRUE(cluster.settle());
    for (auto& [name, segment] : cluster.segments.segments) segment.length = 100;
    const Ids tail = cluster.current(kTalked);
    ASSERT_EQ(tail.size(), 3u);
    const Cluster::Offsets ends{{tail[0], 100}, {tail[1], 100}, {tail[2], 100}};
    EXPECT_EQ(cluster.between(kTalked, cluster.head(kTalked), ends), (Ids{0, 1, tail[0], tail[1], tail[2]}));
    // Truncated, the head is where the cut was, in the middle of segments.
    const Cluster::Offsets middle{{tail[0], 40}, {tail[1], 0}, {tail[2], 100}};
    EXPECT_EQ(cluster.truncate(kTalked, middle), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.head(kTalked), middle);
    EXPECT_EQ(cluster.between(kTalked, cluster.head(kTalked), ends), tail);
}

TEST_F(Conversations, AScopeIsEmptiedBeforeItGoes) {
    cluster.create(kTalked, 1);
    pb::ScopeInfo scope;
    scope.set_scope("s");
    EXPECT_EQ(cluster.ask(&Service::delete_scope, scope).status(), pb::DeleteScopeStatus::SCOPE_NOT_EMPTY);
    // deleteStream first, then sealStream, which may come twice, then deleteStream until it says that nothing is there.
    EXPECT_EQ(cluster.remove(kTalked), pb::DeleteStreamStatus::STREAM_NOT_SEALED);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(cluster.seal(kTalked), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.remove(kTalked), pb::DeleteStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.remove(kTalked), pb::DeleteStreamStatus::STREAM_NOT_FOUND);
    EXPECT_EQ(cluster.ask(&Service::delete_scope, scope).status(), pb::DeleteScopeStatus::SUCCESS);
    EXPECT_FALSE(cluster.ask(&Service::check_scope_exists, scope).exists());
}

}  // namespace
}  // namespace millrace::controller
