// SPDX-License-Identifier: Apache-2.0
//
// Streams of marks: there for whoever asks, made no sooner, and gone with what they mark.
#include <gtest/gtest.h>

#include "controller/testing/cluster.h"

namespace millrace::controller {
namespace {

using service::Service;

const StreamName kMarked{"s", "x"};
const StreamName kMarks{"s", "_MARKx"};

TEST(Marks, AreMadeWhenFirstAskedFor) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kMarked, 3);
    EXPECT_FALSE(cluster.record(kMarks).has_value());
    EXPECT_TRUE(cluster.ask(&Service::check_stream_exists, Cluster::info(kMarks)).exists());
    EXPECT_FALSE(cluster.record(kMarks).has_value()) << "nobody needs them for that";
    EXPECT_EQ(cluster.current(kMarks), std::vector<std::int64_t>{0});
    EXPECT_TRUE(cluster.segments.segments.contains("s/_MARKx/0.#epoch.0"));
    EXPECT_EQ(cluster.current(kMarks), std::vector<std::int64_t>{0});
    EXPECT_EQ(cluster.create(kMarks, 1), pb::CreateStreamStatus::STREAM_EXISTS);
    cluster.seal(kMarked);
    EXPECT_EQ(cluster.current(kMarks), std::vector<std::int64_t>{0}) << "a sealed stream is read as well";
}

TEST(Marks, AreThereForEveryQuestionAboutSegments) {
    int asked = 0;
    for (const int question : {0, 1, 2, 3, 4, 5}) {
        Cluster cluster;
        cluster.make_scope("s");
        cluster.create(kMarked, 1);
        pb::GetSegmentsRequest head;
        pb::GetEpochSegmentsRequest epoch;
        pb::SegmentId segment;
        for (pb::StreamInfo* info :
             {head.mutable_streaminfo(), epoch.mutable_streaminfo(), segment.mutable_streaminfo()}) {
            *info = Cluster::info(kMarks);
        }
        switch (question) {
            case 0:
                EXPECT_EQ(cluster.ask(&Service::get_segments, head).segments_size(), 1);
                break;
            case 1:
                EXPECT_EQ(cluster.ask(&Service::get_epoch_segments, epoch).segmentranges_size(), 1);
                break;
            case 2:
                EXPECT_TRUE(cluster.ask(&Service::is_segment_valid, segment).response());
                break;
            case 3:
                EXPECT_EQ(cluster.ask(&Service::get_successors, segment).segments_size(), 0);
                break;
            case 4:
                EXPECT_TRUE(cluster.valid(kMarks, {{0, 0}}));
                break;
            case 5:
                EXPECT_EQ(cluster.ask(&Service::get_stream_configuration, Cluster::info(kMarks))
                              .scalingpolicy()
                              .minnumsegments(),
                          1);
        }
        EXPECT_TRUE(cluster.record(kMarks).has_value()) << question;
        ++asked;
    }
    EXPECT_EQ(asked, 6);
}

TEST(Marks, AreNoneOfNothingAndOfMarks) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kMarked, 1);
    cluster.create({"s", std::string(255, 'n')}, 1);
    for (const StreamName& none : {StreamName{"s", "_MARKy"}, {"t", "_MARKx"}, {"s", "_MARK"}}) {
        EXPECT_EQ(cluster.call(&Service::get_current_segments, Cluster::info(none)).error().code(),
                  ErrorCode::kNotFound)
            << none.to_string();
        EXPECT_FALSE(cluster.ask(&Service::check_stream_exists, Cluster::info(none)).exists());
    }
    for (const StreamName& none : {StreamName{"s", "_MARK_MARKx"}, {"s", "_MARK_RGx"}}) {
        EXPECT_EQ(cluster.call(&Service::get_current_segments, Cluster::info(none)).error().code(),
                  ErrorCode::kInvalidArgument);
    }
    EXPECT_EQ(cluster.seal(kMarks), pb::UpdateStreamStatus::STREAM_NOT_FOUND);
    EXPECT_EQ(cluster.remove(kMarks), pb::DeleteStreamStatus::STREAM_NOT_FOUND);
    EXPECT_EQ(cluster.segments.segments.size(), 2u);
}

TEST(Marks, GoWithTheirStream) {
    Cluster cluster;
    cluster.make_scope("s");
    for (int round = 0; round < 2; ++round) {
        ASSERT_EQ(cluster.create(kMarked, 1), pb::CreateStreamStatus::SUCCESS);
        EXPECT_EQ(cluster.current(kMarks), std::vector<std::int64_t>{round});
        cluster.seal(kMarked);
        EXPECT_EQ(cluster.remove(kMarked), pb::DeleteStreamStatus::SUCCESS);
        EXPECT_FALSE(cluster.record(kMarks).has_value());
        EXPECT_TRUE(cluster.segments.segments.empty());
        EXPECT_EQ(cluster.call(&Service::get_current_segments, Cluster::info(kMarks)).error().code(),
                  ErrorCode::kNotFound);
    }
    pb::ScopeInfo scope;
    scope.set_scope("s");
    EXPECT_EQ(cluster.ask(&Service::delete_scope, scope).status(), pb::DeleteScopeStatus::SUCCESS);
}

TEST(Marks, AreNotMadeAnyMoreOnceTheirStreamIsBeingDeleted) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kMarked, 1);
    cluster.seal(kMarked);
    cluster.segments.hold = true;
    cluster.begin([](Service& service) -> Task<void> { (void)co_await service.delete_stream(Cluster::info(kMarked)); });
    // It has looked for marks, and is at the segments.
    ASSERT_TRUE(cluster.run_until([&] { return cluster.segments.held == 1; }));
    EXPECT_EQ(cluster.call(&Service::get_current_segments, Cluster::info(kMarks)).error().code(), ErrorCode::kNotFound);
    EXPECT_FALSE(cluster.record(kMarks).has_value());
    cluster.segments.hold = false;
    cluster.segments.released.notify_all();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
    EXPECT_TRUE(cluster.segments.segments.empty());
}

// Goal: whoever asks for marks while their stream goes gets them or hears that there are none, and none stay behind.
TEST(Marks, AreNotLeftBehindByThoseWhoAskDuringADeletion) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE(seed);
        Cluster cluster{seed};
        cluster.make_scope("s");
        cluster.create(kMarked, 1);
        cluster.seal(kMarked);
        for (int i = 0; i < 4; ++i) {
            cluster.begin([&cluster, i](Service& service) -> Task<void> {
                Random& random = cluster.world().random();
                co_await sleep_for(cluster.world().clock(), std::chrono::microseconds{random.between(0, 50)});
                if (i == 0) {
                    const auto reply = co_await service.delete_stream(Cluster::info(kMarked));
                    EXPECT_TRUE(reply && reply->status() == pb::DeleteStreamStatus::SUCCESS);
                    co_return;
                }
                const auto reply = co_await service.get_current_segments(Cluster::info(kMarks));
                if (!reply) EXPECT_TRUE(reply.error().is(ErrorCode::kNotFound)) << reply.error().to_string();
            });
        }
        ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
        ASSERT_TRUE(cluster.settle());
        EXPECT_FALSE(cluster.record(kMarks).has_value());
        EXPECT_TRUE(cluster.segments.segments.empty());
    }
}

TEST(Marks, AreWaitedForBehindAsManyDeletionsAsRunAtOnce) {
    // Every run that there may be waits for another one.
    Cluster cluster;
    cluster.make_scope("s");
    const std::size_t streams = 2 * workflow::kRunsAtOnce;
    for (std::size_t i = 0; i < streams; ++i) {
        const std::string name = std::to_string(i);
        cluster.create({"s", name}, 1);
        EXPECT_EQ(cluster.current({"s", "_MARK" + name}).size(), 1u);
        cluster.seal({"s", name});
    }
    for (std::size_t i = 0; i < streams; ++i) {
        cluster.begin([i](Service& service) -> Task<void> {
            const auto reply = co_await service.delete_stream(Cluster::info({"s", std::to_string(i)}));
            EXPECT_TRUE(reply && reply->status() == pb::DeleteStreamStatus::SUCCESS);
        });
    }
    ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
    EXPECT_TRUE(cluster.segments.segments.empty());
}

}  // namespace
}  // namespace millrace::controller
