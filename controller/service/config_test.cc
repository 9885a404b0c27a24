// SPDX-License-Identifier: Apache-2.0
//
// Configurations: which are taken, how they are given back, and what a new one does to a stream.
#include <gtest/gtest.h>

#include <limits>

#include "controller/testing/cluster.h"

namespace millrace::controller {
namespace {

using service::Service;
using Status = pb::UpdateStreamStatus;

const StreamName kConfigured{"s", "x"};

pb::StreamConfig fixed(int count) { return Cluster::config(kConfigured, count); }
pb::StreamConfig by_events(int rate, int factor, int least) {
    pb::StreamConfig config = fixed(least);
    config.mutable_scalingpolicy()->set_scaletype(pb::ScalingPolicy::BY_RATE_IN_EVENTS_PER_SEC);
    config.mutable_scalingpolicy()->set_targetrate(rate);
    config.mutable_scalingpolicy()->set_scalefactor(factor);
    return config;
}

TEST(UpdateStream, AnswersEveryStatus) {
    Cluster cluster;
    EXPECT_EQ(cluster.update(fixed(1)), Status::STREAM_NOT_FOUND);
    cluster.make_scope("s");
    EXPECT_EQ(cluster.update(fixed(1)), Status::STREAM_NOT_FOUND);
    EXPECT_EQ(cluster.update(Cluster::config({"s", "a/b"}, 1)), Status::STREAM_NOT_FOUND);
    cluster.create(kConfigured, 2);
    pb::StreamConfig config = by_events(100, 3, 2);
    config.mutable_tags()->add_tag("blue");
    config.mutable_retentionpolicy()->set_retentiontype(pb::RetentionPolicy::SIZE);
    config.mutable_retentionpolicy()->set_retentionparam(1'000'000);
    config.set_rolloversizebytes(4096);
    EXPECT_EQ(cluster.update(config), Status::SUCCESS);
    EXPECT_EQ(cluster.update(config), Status::SUCCESS) << "the same again";
    EXPECT_EQ(cluster.ask(&Service::get_stream_configuration, Cluster::info(kConfigured)).SerializeAsString(),
              config.SerializeAsString());
    EXPECT_EQ(cluster.current(kConfigured), (std::vector<std::int64_t>{0, 1})) << "two are enough";
    EXPECT_EQ(cluster.record(kConfigured)->current().epoch(), 0u);
    cluster.restart();
    EXPECT_EQ(cluster.ask(&Service::get_stream_configuration, Cluster::info(kConfigured)).tags().tag(0), "blue");
    cluster.seal(kConfigured);
    EXPECT_EQ(cluster.update(fixed(2)), Status::STREAM_SEALED);
}

TEST(UpdateStream, GivesTheStreamTheSegmentsThatItAsksFor) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kConfigured, 2);
    EXPECT_EQ(cluster.update(fixed(3)), Status::SUCCESS);
    EXPECT_EQ(cluster.current(kConfigured).size(), 3u);
    EXPECT_EQ(cluster.record(kConfigured)->current().epoch(), 1u);
    EXPECT_EQ(cluster.record(kConfigured)->current().segments(1).low(), 1.0 / 3);
    EXPECT_TRUE(cluster.segments.segments.at("s/x/0.#epoch.0").sealed);
    EXPECT_EQ(cluster.update(fixed(1)), Status::SUCCESS) << "a fixed number means exactly that";
    EXPECT_EQ(cluster.current(kConfigured).size(), 1u);
    EXPECT_EQ(cluster.update(by_events(5, 2, 4)), Status::SUCCESS);
    EXPECT_EQ(cluster.current(kConfigured).size(), 4u);
    const auto& options = cluster.segments.segments.at("s/x/6.#epoch.3").options;
    EXPECT_EQ(options.scale_type, 2) << "new segments are made as the new configuration says";
    EXPECT_EQ(options.target_rate, 5);
    EXPECT_EQ(cluster.update(by_events(5, 2, 2)), Status::SUCCESS) << "more than the least may stay";
    EXPECT_EQ(cluster.current(kConfigured).size(), 4u);
    EXPECT_EQ(cluster.check_scale(kConfigured, 2), pb::ScaleStatusResponse::SUCCESS);
}

TEST(UpdateStream, AnUpdateThatRunsIsJoinedByTheSameAndRefusesOthers) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kConfigured, 2);
    // The workflow's first write is kept from being made until the other calls are there.
    using Outcome = metadata::MemoryMetadataStore::Outcome;
    cluster.segments.hold = true;
    int answered = 0;
    for (int i = 0; i < 2; ++i) {
        cluster.begin([&answered](Service& service) -> Task<void> {
            const auto reply = co_await service.update_stream(fixed(3));
            EXPECT_TRUE(reply && reply->status() == Status::SUCCESS);
            ++answered;
        });
    }
    ASSERT_TRUE(cluster.run_until([&] { return cluster.record(kConfigured)->has_scale(); }));
    EXPECT_EQ(answered, 0) << "the scale belongs to it";
    cluster.segments.hold = false;
    cluster.segments.released.notify_all();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
    EXPECT_EQ(answered, 2);
    EXPECT_EQ(cluster.record(kConfigured)->current().epoch(), 1u) << "scaled once";

    // While it is being taken up another one is refused.
    cluster.metadata.set_fate(
        [&, n = 0](std::uint64_t) mutable { return ++n > 1 ? Outcome::kLost : Outcome::kNormal; });
    cluster.begin([](Service& service) -> Task<void> {
        const auto reply = co_await service.update_stream(by_events(1, 1, 3));
        EXPECT_TRUE(reply && reply->status() == Status::SUCCESS);
    });
    ASSERT_TRUE(cluster.run_until([&] { return cluster.record(kConfigured)->has_update(); }));
    EXPECT_EQ(cluster.update(by_events(2, 1, 3)), Status::FAILURE);
    cluster.metadata.set_fate(nullptr);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
    EXPECT_EQ(cluster.record(kConfigured)->config().target_rate(), 1);
}

TEST(StreamConfigurations, AreRefusedWithAReasonWhenTheyCannotBe) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kConfigured, 2);
    std::vector<pb::StreamConfig> bad(15, by_events(1, 1, 1));
    bad[0].mutable_scalingpolicy()->set_minnumsegments(0);
    bad[1].mutable_scalingpolicy()->set_minnumsegments(-1);
    bad[2].mutable_scalingpolicy()->set_minnumsegments(10'001);
    bad[3].mutable_scalingpolicy()->set_minnumsegments(std::numeric_limits<std::int32_t>::max());
    bad[4].mutable_scalingpolicy()->set_scaletype(static_cast<pb::ScalingPolicy::ScalingPolicyType>(3));
    bad[5].mutable_scalingpolicy()->set_targetrate(0);
    bad[6].mutable_scalingpolicy()->set_scalefactor(-1);
    bad[7].clear_scalingpolicy();
    bad[8].mutable_retentionpolicy()->set_retentiontype(static_cast<pb::RetentionPolicy::RetentionPolicyType>(-1));
    bad[9].mutable_retentionpolicy()->set_retentiontype(pb::RetentionPolicy::TIME);
    bad[9].mutable_retentionpolicy()->set_retentionparam(-1);
    bad[10].mutable_retentionpolicy()->set_retentiontype(pb::RetentionPolicy::SIZE);
    bad[10].mutable_retentionpolicy()->set_retentionmax(-1);
    for (int i = 0; i < 128; ++i) bad[11].mutable_tags()->add_tag(std::to_string(i));
    bad[12].mutable_tags()->add_tag(std::string(256, 't'));
    bad[13].set_rolloversizebytes(-1);
    bad[14].set_timestampaggregationtimeout(-1);
    for (const pb::StreamConfig& config : bad) {
        const auto updated = cluster.call(&Service::update_stream, config);
        ASSERT_FALSE(updated.ok()) << config.ShortDebugString();
        EXPECT_TRUE(updated.error().is(ErrorCode::kInvalidArgument)) << updated.error().to_string();
        pb::StreamConfig created = config;
        created.mutable_streaminfo()->set_stream("new");
        EXPECT_TRUE(cluster.call(&Service::create_stream, created).error().is(ErrorCode::kInvalidArgument));
    }
    EXPECT_EQ(cluster.record(kConfigured)->config().scale_type(), 0u);
    EXPECT_FALSE(cluster.record({"s", "new"}).has_value());
    // Nothing of a policy that is none is looked at; every client of Rust sends one.
    pb::StreamConfig none = fixed(1);
    none.mutable_retentionpolicy()->set_retentionparam(-5);
    none.mutable_streaminfo()->set_stream("rust");
    EXPECT_EQ(cluster.ask(&Service::create_stream, none).status(), pb::CreateStreamStatus::SUCCESS);
    EXPECT_FALSE(cluster.ask(&Service::get_stream_configuration, Cluster::info({"s", "rust"})).has_retentionpolicy());
}

TEST(UpdateStream, IsRefusedWhereTheHistoryIsFull) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kConfigured, 2);
    records::StreamRecord record = *cluster.record(kConfigured);
    record.mutable_current()->set_epoch(stream::kMaxEpoch);
    const std::string path = store::stream_path(kConfigured).node;
    ASSERT_TRUE(cluster.world()
                    .run([&]() -> Task<Result<metadata::ChangeId>> {
                        co_return co_await cluster.metadata.set(path, record.SerializeAsString(),
                                                                metadata::kAnyVersion);
                    })
                    .ok());
    EXPECT_EQ(cluster.update(fixed(3)), Status::FAILURE);
    EXPECT_EQ(cluster.update(by_events(1, 1, 2)), Status::SUCCESS) << "it takes no scale";
}

}  // namespace
}  // namespace millrace::controller
