// SPDX-License-Identifier: Apache-2.0
//
// Workflows among each other, and what holds them up. What crashes do to them: crash_walk_test.cc.
#include <gtest/gtest.h>

#include "controller/testing/cluster.h"

namespace millrace::controller {
namespace {

const StreamName kName{"s", "x"};

TEST(Workflow, GoesOnWhenTheSegmentStoreComesBack) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.segments.cut_off = true;
    bool answered = false;
    cluster.begin([&answered](service::Service& service) -> Task<void> {
        const auto reply = co_await service.create_stream(Cluster::config(kName, 2));
        EXPECT_TRUE(reply && reply->status() == pb::CreateStreamStatus::SUCCESS);
        answered = true;
    });
    cluster.world().run_for(std::chrono::seconds{20});
    EXPECT_FALSE(answered);
    cluster.segments.cut_off = false;
    ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
    EXPECT_TRUE(answered);
}

TEST(Workflow, CallGivesUpAfterTwoMinutesAndTheWorkGoesOn) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.segments.cut_off = true;
    const MonotonicTime began = cluster.world().now();
    const auto reply = cluster.call(&service::Service::create_stream, Cluster::config(kName, 2));
    ASSERT_FALSE(reply.ok());
    EXPECT_TRUE(reply.error().is(ErrorCode::kTimedOut));
    EXPECT_NE(reply.error().detail().find("cut off"), std::string::npos) << "says what is in the way";
    EXPECT_GE(cluster.world().now() - began, std::chrono::minutes{2});
    cluster.segments.cut_off = false;
    ASSERT_TRUE(cluster.settle());
    EXPECT_EQ(cluster.current(kName).size(), 2u);
    EXPECT_EQ(cluster.create(kName, 2), pb::CreateStreamStatus::STREAM_EXISTS);
}

TEST(Workflow, ASegmentStoreThatLosesHalfOfTheCallsOnlyDelays) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.segments.fate = [random = std::make_shared<SeededRandom>(7)](const std::string&) {
        if (random->one_in(4)) return segments::FakeSegments::Outcome::kLost;
        if (random->one_in(3)) return segments::FakeSegments::Outcome::kDoneUnheard;
        return segments::FakeSegments::Outcome::kNormal;
    };
    EXPECT_EQ(cluster.create(kName, 1), pb::CreateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.scale(kName, {0}, {{0.0, 1.0}})->status(), pb::ScaleResponse::STARTED);
    ASSERT_TRUE(cluster.settle());
    EXPECT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.remove(kName), pb::DeleteStreamStatus::SUCCESS);
    EXPECT_TRUE(cluster.segments.segments.empty());
}

TEST(Workflow, StreamsThatAreHeldUpDoNotHoldUpOthers) {
    Cluster cluster;
    cluster.make_scope("s");
    bool broken = true;
    cluster.segments.fate = [&broken](const std::string& what) {
        using Outcome = segments::FakeSegments::Outcome;
        return broken && what.starts_with("create s/bad") ? Outcome::kLost : Outcome::kNormal;
    };
    for (std::size_t i = 0; i < 2 * workflow::kRunsAtOnce; ++i) {
        cluster.begin([name = StreamName{"s", "bad" + std::to_string(i)}](service::Service& service) -> Task<void> {
            const auto reply = co_await service.create_stream(Cluster::config(name, 1));
            EXPECT_TRUE(reply && reply->status() == pb::CreateStreamStatus::SUCCESS);
        });
    }
    cluster.world().run_for(std::chrono::seconds{10});
    EXPECT_FALSE(cluster.ended());
    const MonotonicTime began = cluster.world().now();
    EXPECT_EQ(cluster.create(kName, 1), pb::CreateStreamStatus::SUCCESS);
    EXPECT_LT(cluster.world().now() - began, std::chrono::seconds{1});
    broken = false;
    EXPECT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
}

TEST(Workflow, ManySegmentsAreAllMade) {
    Cluster cluster;
    cluster.make_scope("s");
    EXPECT_EQ(cluster.create(kName, 1000), pb::CreateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.segments.segments.size(), 1000u);
}

}  // namespace
}  // namespace millrace::controller
