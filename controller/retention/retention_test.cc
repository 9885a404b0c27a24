// SPDX-License-Identifier: Apache-2.0
//
// Rounds of retention over streams whose segments grow as tests say. What a crash leaves of one: workflow/crash_walk_test.cc;
// which cut is chosen: stream/retention_test.cc.
#include "controller/retention/retention.h"

#include <gtest/gtest.h>

#include "controller/testing/audit.h"
#include "controller/testing/cluster.h"

namespace millrace::controller {
namespace {

using namespace std::chrono_literals;
using service::Service;

const StreamName kName{"s", "x"};
const StreamName kOther{"s", "y"};

std::int64_t id(std::int32_t number, std::int32_t epoch) { return SegmentId::of(number, StreamEpoch{epoch}).value; }

class RetentionRounds : public testing::Test {
protected:
    RetentionRounds() { cluster_.make_scope("s"); }

    static pb::StreamConfig config(const StreamName& name, int segments, pb::RetentionPolicy::RetentionPolicyType type,
                                   std::int64_t least, std::int64_t most = 0) {
        pb::StreamConfig config = Cluster::config(name, segments);
        config.mutable_retentionpolicy()->set_retentiontype(type);
        config.mutable_retentionpolicy()->set_retentionparam(least);
        config.mutable_retentionpolicy()->set_retentionmax(most);
        return config;
    }
    void create(const pb::StreamConfig& config) {
        ASSERT_EQ(cluster_.ask(&Service::create_stream, config).status(), pb::CreateStreamStatus::SUCCESS);
    }
    segments::FakeSegments::Segment& segment(const StreamName& name, std::int64_t segment) {
        return cluster_.segments.segments.at(segment_name(name, SegmentId{segment}));
    }
    void write(const StreamName& name, std::int64_t to, std::int64_t bytes) { segment(name, to).length += bytes; }
    // A round, and what it begins, to the end.
    void round() {
        cluster_.retain();
        ASSERT_TRUE(cluster_.settle());
    }
    int cuts(const StreamName& name) { return cluster_.retention_set(name)->cuts_size(); }

    Cluster cluster_;
};

TEST_F(RetentionRounds, TruncateBySize) {
    create(config(kName, 2, pb::RetentionPolicy::SIZE, 1000));
    ASSERT_EQ(cluster_.create(kOther, 1), pb::CreateStreamStatus::SUCCESS);
    for (int i = 0; i < 100; ++i) {
        write(kName, 0, 70);
        write(kName, 1, 30);
        write(kOther, 0, 100);
        round();
        const std::int64_t left = segment(kName, 0).length - segment(kName, 0).start + segment(kName, 1).length -
                                  segment(kName, 1).start;
        EXPECT_EQ(left, 100 * std::min(i + 1, 10)) << i;
    }
    EXPECT_EQ(cluster_.head(kName), (Cluster::Offsets{{0, 90 * 70}, {1, 90 * 30}}));
    EXPECT_EQ(segment(kOther, 0).start, 0) << "it has no policy";
    EXPECT_EQ(cluster_.retention_set(kOther), std::nullopt);
    EXPECT_LE(cuts(kName), 12);
    EXPECT_EQ(audit(cluster_), std::vector<std::string>{});
}

TEST_F(RetentionRounds, TruncateByTime) {
    create(config(kName, 1, pb::RetentionPolicy::TIME, 60'000));
    for (int i = 0; i < 20; ++i) {
        write(kName, 0, 10);
        round();
        // Taken 10 s apart; the one before the seventh of the last is a minute old, and a bit.
        EXPECT_EQ(segment(kName, 0).start, i < 6 ? 0 : 10 * (i - 5)) << i;
        cluster_.world().run_for(10s);
    }
    // Nothing is written any more, and all of it gets old.
    cluster_.world().run_for(70s);
    round();
    EXPECT_EQ(cluster_.head(kName), (Cluster::Offsets{{0, 200}}));
}

TEST_F(RetentionRounds, LeaveAtMostWhatMayStay) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 0, 500));
    round();
    for (int i = 0; i < 20; ++i) {
        write(kName, 0, 100);
        round();
        EXPECT_EQ(segment(kName, 0).length - segment(kName, 0).start, std::min(100 * (i + 1), 500)) << i;
    }
}

TEST_F(RetentionRounds, CountWhatCameAndWentBetweenTwo) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 1000));
    write(kName, 0, 100);
    round();
    write(kName, 0, 200);
    ASSERT_EQ(cluster_.scale(kName, {0}, {{0.0, 0.5}, {0.5, 1.0}})->status(), pb::ScaleResponse::STARTED);
    ASSERT_TRUE(cluster_.settle());
    write(kName, id(1, 1), 300);
    write(kName, id(2, 1), 40);
    ASSERT_EQ(cluster_.scale(kName, {id(1, 1), id(2, 1)}, {{0.0, 1.0}})->status(), pb::ScaleResponse::STARTED);
    ASSERT_TRUE(cluster_.settle());
    write(kName, id(3, 2), 5);
    round();
    ASSERT_EQ(cuts(kName), 2);
    EXPECT_EQ(cluster_.retention_set(kName)->cuts(1).bytes() - cluster_.retention_set(kName)->cuts(0).bytes(), 545);
    EXPECT_EQ(cluster_.segments.segments.size(), 4u);
    write(kName, id(3, 2), 999);
    round();
    EXPECT_EQ(cluster_.head(kName), (Cluster::Offsets{{0, 100}})) << "at the second one 999 would have been left";
    write(kName, id(3, 2), 1);
    round();
    EXPECT_EQ(cluster_.head(kName), (Cluster::Offsets{{id(3, 2), 5}}));
    EXPECT_EQ(cluster_.segments.segments.size(), 1u) << "those before the head are gone";
    EXPECT_EQ(audit(cluster_), std::vector<std::string>{});
}

TEST_F(RetentionRounds, GoOnFromWhatWasRecordedBeforeARestart) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 100));
    write(kName, 0, 50);
    round();
    cluster_.restart();
    write(kName, 0, 100);
    round();
    EXPECT_EQ(segment(kName, 0).start, 50);
}

TEST_F(RetentionRounds, WriteNothingWhileNothingIsWritten) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 100));
    create(config(kOther, 1, pb::RetentionPolicy::TIME, 3'600'000));
    write(kOther, 0, 1);
    round();
    cluster_.count_effects();
    for (int i = 0; i < 10; ++i) {
        cluster_.world().run_for(60s);
        round();
    }
    EXPECT_EQ(cluster_.effects(), 0u);
    write(kName, 0, 1);
    round();
    EXPECT_EQ(cluster_.effects(), 1u);
}

TEST_F(RetentionRounds, AStreamInTroubleHoldsUpNoOther) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 100));
    create(config(kOther, 1, pb::RetentionPolicy::SIZE, 100));
    const retention::RetentionMetrics metrics;
    const std::uint64_t failures = metrics.failures.value();
    cluster_.segments.silent.insert(segment_name(kName, SegmentId{0}));
    for (int i = 0; i < 3; ++i) {
        write(kName, 0, 100);
        write(kOther, 0, 100);
        round();
    }
    EXPECT_EQ(segment(kOther, 0).start, 200);
    EXPECT_EQ(segment(kName, 0).start, 0);
    EXPECT_EQ(metrics.failures.value(), failures + 3);
    cluster_.segments.silent.clear();
    round();
    write(kName, 0, 100);
    round();
    EXPECT_EQ(segment(kName, 0).start, 300);
    EXPECT_EQ(metrics.failures.value(), failures + 3);
}

TEST_F(RetentionRounds, ADamagedRecordHoldsUpNoOther) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 100));
    create(config(kOther, 1, pb::RetentionPolicy::SIZE, 100));
    write(kName, 0, 10);
    round();
    records::RetentionSetRecord good = *cluster_.retention_set(kName);
    *good.add_cuts() = good.cuts(0);
    std::vector<records::RetentionSetRecord> bad(7, good);
    bad[0].mutable_cuts(1)->mutable_cut()->add_segments(1);
    bad[1].mutable_cuts(1)->clear_cut();
    bad[2].mutable_cuts(1)->mutable_cut()->set_offsets(0, -1);
    bad[3].mutable_cuts(1)->set_bytes(INT64_MAX);
    bad[4].mutable_cuts(0)->set_bytes(1);  // more than the next one's
    bad[5].mutable_cuts(0)->set_time_ms(-1);
    bad[6].mutable_cuts(1)->mutable_cut()->set_segments(0, 77);  // the stream has none such
    std::vector<std::string> values{"no record"};
    for (const auto& record : bad) values.push_back(record.SerializeAsString());
    const retention::RetentionMetrics metrics;
    for (const std::string& value : values) {
        const auto set = cluster_.world().run([&]() -> Task<Result<metadata::ChangeId>> {
            return cluster_.metadata.set(store::retention_path(kName).node, value, metadata::kAnyVersion);
        });
        ASSERT_TRUE(set.ok());
        const std::uint64_t failures = metrics.failures.value();
        write(kName, 0, 200);
        write(kOther, 0, 100);
        round();
        EXPECT_EQ(metrics.failures.value(), failures + 1) << value;
    }
    EXPECT_EQ(segment(kOther, 0).start, segment(kOther, 0).length - 100);
    EXPECT_EQ(cluster_.seal(kName), pb::UpdateStreamStatus::SUCCESS) << "nor the stream itself";
    EXPECT_EQ(cluster_.retention_set(kName), std::nullopt);
}

TEST_F(RetentionRounds, CutsOfAnEarlierStreamOfTheNameMeanNothing) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 100));
    write(kName, 0, 1000);
    round();
    records::RetentionSetRecord late = *cluster_.retention_set(kName);
    ASSERT_EQ(cluster_.seal(kName), pb::UpdateStreamStatus::SUCCESS);
    ASSERT_EQ(cluster_.remove(kName), pb::DeleteStreamStatus::SUCCESS);
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 100));
    // As if it had been on its way all the time.
    ASSERT_TRUE(cluster_.world().run([&]() -> Task<Result<metadata::ChangeId>> {
        return cluster_.metadata.set(store::retention_path(kName).node, late.SerializeAsString(), metadata::Version{0});
    }).ok());
    write(kName, 1, 10);
    round();
    ASSERT_EQ(cuts(kName), 1);
    EXPECT_EQ(cluster_.retention_set(kName)->cuts(0).cut().segments(0), 1);
}

TEST_F(RetentionRounds, CutsBehindAHeadThatWasMovedByHandAreDropped) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 1000));
    for (int i = 0; i < 5; ++i) {
        write(kName, 0, 100);
        round();
    }
    EXPECT_EQ(cuts(kName), 5);
    EXPECT_EQ(cluster_.truncate(kName, {{0, 250}}), pb::UpdateStreamStatus::SUCCESS);
    round();
    EXPECT_EQ(cuts(kName), 3);
    EXPECT_EQ(cluster_.retention_set(kName)->cuts(0).cut().offsets(0), 300);
    write(kName, 0, 50);
    EXPECT_EQ(cluster_.truncate(kName, {{0, 550}}), pb::UpdateStreamStatus::SUCCESS);
    round();
    ASSERT_EQ(cuts(kName), 1) << "beyond all of them; this one is new";
    write(kName, 0, 1000);
    round();
    EXPECT_EQ(cluster_.head(kName), (Cluster::Offsets{{0, 550}}));
}

TEST_F(RetentionRounds, ATruncationByHandWaitsForOneByPolicy) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 100));
    write(kName, 0, 100);
    round();
    write(kName, 0, 100);
    cluster_.segments.hold = true;
    cluster_.retain();
    ASSERT_TRUE(cluster_.run_until([this] { return cluster_.segments.held == 1; }));
    std::optional<pb::UpdateStreamStatus::Status> status;
    cluster_.begin([&status](Service& service) -> Task<void> {
        const auto reply = co_await service.truncate_stream(Cluster::cut(kName, {{0, 150}}));
        if (reply) status = reply->status();
    });
    cluster_.world().run_for(1s);
    EXPECT_FALSE(cluster_.ended());
    cluster_.segments.hold = false;
    cluster_.segments.released.notify_all();
    ASSERT_TRUE(cluster_.run_until([this] { return cluster_.ended(); }));
    EXPECT_EQ(status, pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(segment(kName, 0).start, 150);
}

TEST_F(RetentionRounds, ASealedStreamKeepsWhatItHas) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 100));
    write(kName, 0, 100);
    round();
    write(kName, 0, 1000);
    ASSERT_EQ(cluster_.seal(kName), pb::UpdateStreamStatus::SUCCESS);
    round();
    EXPECT_EQ(segment(kName, 0).start, 0);
}

TEST_F(RetentionRounds, APolicyComesAndGoesAndChanges) {
    ASSERT_EQ(cluster_.create(kName, 1), pb::CreateStreamStatus::SUCCESS);
    write(kName, 0, 1000);
    ASSERT_EQ(cluster_.update(config(kName, 1, pb::RetentionPolicy::TIME, 3'600'000)), pb::UpdateStreamStatus::SUCCESS);
    round();
    EXPECT_EQ(cuts(kName), 1) << "what was there before counts, too";
    write(kName, 0, 100);
    // The cuts are as good for another policy.
    ASSERT_EQ(cluster_.update(config(kName, 1, pb::RetentionPolicy::SIZE, 100)), pb::UpdateStreamStatus::SUCCESS);
    round();
    EXPECT_EQ(segment(kName, 0).start, 1000);
    // A policy that asks for nothing is none, in both spellings.
    for (const std::int64_t most : {std::int64_t{0}, INT64_MAX}) {
        ASSERT_EQ(cluster_.update(config(kName, 1, pb::RetentionPolicy::SIZE, 0, most)), pb::UpdateStreamStatus::SUCCESS);
        EXPECT_EQ(cluster_.retention_set(kName), std::nullopt);
        EXPECT_EQ(audit(cluster_), std::vector<std::string>{});
    }
}

TEST_F(RetentionRounds, APolicyThatWasReplacedMeanwhileTruncatesNothing) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 100));
    write(kName, 0, 50);
    round();
    write(kName, 0, 100);
    cluster_.segments.hold_lengths = true;
    cluster_.begin_retaining();
    cluster_.world().run_for(1s);
    ASSERT_EQ(cluster_.update(config(kName, 1, pb::RetentionPolicy::SIZE, 120)), pb::UpdateStreamStatus::SUCCESS);
    cluster_.segments.hold_lengths = false;
    cluster_.segments.released.notify_all();
    ASSERT_TRUE(cluster_.settle());
    cluster_.world().run_for(1s);
    EXPECT_EQ(segment(kName, 0).start, 0);
    write(kName, 0, 20);
    round();
    EXPECT_EQ(segment(kName, 0).start, 50);
}

TEST_F(RetentionRounds, AClockThatWasBehindMakesNothingOld) {
    create(config(kName, 1, pb::RetentionPolicy::TIME, 60'000));
    write(kName, 0, 100);
    round();
    cluster_.node().jump_wall_clock(-48h);
    write(kName, 0, 100);
    round();
    cluster_.node().jump_wall_clock(48h);
    write(kName, 0, 100);
    round();
    EXPECT_EQ(segment(kName, 0).start, 0) << "all of it was written within seconds";
    cluster_.world().run_for(70s);
    round();
    EXPECT_GE(segment(kName, 0).start, 200);
}

TEST_F(RetentionRounds, TheSetIsBoundedWhileATruncationIsHeldUp) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 1));
    bool broken = true;
    cluster_.segments.fate = [&broken](const std::string& what) {
        using Outcome = segments::FakeSegments::Outcome;
        return broken && what.starts_with("truncate") ? Outcome::kLost : Outcome::kNormal;
    };
    for (std::size_t i = 0; i < 3 * retention::kCutsMax; ++i) {
        write(kName, 0, 10);
        cluster_.retain();
    }
    EXPECT_EQ(cuts(kName), static_cast<int>(retention::kCutsMax));
    broken = false;
    ASSERT_TRUE(cluster_.settle());
    for (int i = 0; i < 2; ++i) {
        write(kName, 0, 10);
        round();
    }
    EXPECT_EQ(segment(kName, 0).start, segment(kName, 0).length - 10) << "as exact as ever";
}

TEST_F(RetentionRounds, TheSetOfAStreamOfManySegmentsFitsItsRecord) {
    create(config(kName, 1000, pb::RetentionPolicy::SIZE, 200'000));
    int cuts_most = 0;
    std::int64_t left_most = 0;
    for (int i = 0; i < 60; ++i) {
        for (auto& [name, segment] : cluster_.segments.segments) segment.length += 4;
        round();
        cuts_most = std::max(cuts_most, cuts(kName));
        std::int64_t left = 0;
        for (auto& [name, segment] : cluster_.segments.segments) left += segment.length - segment.start;
        left_most = std::max(left_most, left);
    }
    EXPECT_EQ(cuts_most, 30);
    EXPECT_GE(left_most, 200'000);
    EXPECT_LE(left_most, 220'000);
}

TEST_F(RetentionRounds, ComeOncePerPeriod) {
    create(config(kName, 1, pb::RetentionPolicy::SIZE, 100));
    cluster_.retention().start(10s);
    ASSERT_TRUE(cluster_.run_until([this] { return cuts(kName) == 1; })) << "the first at once";
    for (int i = 1; i < 5; ++i) {
        write(kName, 0, 10);
        cluster_.world().run_for(9s);
        EXPECT_EQ(cuts(kName), i);
        cluster_.world().run_for(1s);
        EXPECT_EQ(cuts(kName), i + 1);
    }
}

TEST_F(RetentionRounds, SeeToManyStreams) {
    for (int i = 0; i < 300; ++i) create(config({"s", "x" + std::to_string(i)}, 1, pb::RetentionPolicy::SIZE, 10));
    round();
    for (int i = 0; i < 300; ++i) write({"s", "x" + std::to_string(i)}, 0, 10);
    round();
    for (int i = 0; i < 300; ++i) write({"s", "x" + std::to_string(i)}, 0, 10);
    round();
    for (const auto& [name, segment] : cluster_.segments.segments) EXPECT_EQ(segment.start, 10) << name;
    const retention::RetentionMetrics metrics;
    EXPECT_EQ(metrics.streams.value(), 300.0);
}

}  // namespace
}  // namespace millrace::controller
