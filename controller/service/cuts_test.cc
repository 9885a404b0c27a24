// SPDX-License-Identifier: Apache-2.0
//
// Truncation, and the questions about stream cuts, on a stream that splits and merges:
//
//   epoch 0   0 [0, 1/2)               1 [1/2, 1)
//   epoch 1   2 [0, 1/3)   3 [1/3, 2/3)   4 [2/3, 1)
//   epoch 2   5 [0, 2/3)                  4
#include <gtest/gtest.h>

#include "controller/testing/cluster.h"

namespace millrace::controller {
namespace {

using service::Service;
using Status = pb::UpdateStreamStatus;

const StreamName kCutStream{"s", "x"};
constexpr double kThird = 1.0 / 3;

std::int64_t cut_id(std::int32_t number, std::int32_t epoch) { return SegmentId::of(number, StreamEpoch{epoch}).value; }
const std::int64_t k2 = cut_id(2, 1), k3 = cut_id(3, 1), k4 = cut_id(4, 1), k5 = cut_id(5, 2);

class CutCalls : public testing::Test {
protected:
    CutCalls() {
        cluster.make_scope("s");
        EXPECT_EQ(cluster.create(kCutStream, 2), pb::CreateStreamStatus::SUCCESS);
        scale({0, 1}, {{0.0, kThird}, {kThird, 2 * kThird}, {2 * kThird, 1.0}});
        scale({k2, k3}, {{0.0, 2 * kThird}});
        for (auto& [name, segment] : cluster.segments.segments) segment.length = 1000;
    }
    void scale(std::vector<std::int64_t> sealed, std::vector<KeyRange> ranges) {
        EXPECT_EQ(cluster.scale(kCutStream, std::move(sealed), std::move(ranges))->status(),
                  pb::ScaleResponse::STARTED);
        EXPECT_TRUE(cluster.settle());
    }
    // The store's segments with where they begin: "0@0 1@0 2@7".
    std::string stored() const {
        std::string text;
        std::map<std::int32_t, std::int64_t> starts;
        for (const auto& [name, segment] : cluster.segments.segments) {
            starts[parse_segment_name(name)->segment.number()] = segment.start;
        }
        for (const auto& [number, start] : starts) {
            text += (text.empty() ? "" : " ") + std::to_string(number) + "@" + std::to_string(start);
        }
        return text;
    }

    Cluster cluster;
};

TEST_F(CutCalls, TruncationDeletesWhatLiesBeforeTheCutAndNothingElse) {
    EXPECT_EQ(cluster.head(kCutStream), (Cluster::Offsets{{0, 0}, {1, 0}}));
    EXPECT_EQ(cluster.truncate(kCutStream, {{0, 10}, {1, 20}}), Status::SUCCESS);
    EXPECT_EQ(stored(), "0@10 1@20 2@0 3@0 4@0 5@0");
    EXPECT_EQ(cluster.head(kCutStream), (Cluster::Offsets{{0, 10}, {1, 20}}));
    // 3 waits for the rest of 1.
    EXPECT_EQ(cluster.truncate(kCutStream, {{1, 500}, {k2, 100}, {k3, -1}}), Status::SUCCESS);
    EXPECT_EQ(stored(), "1@500 2@100 3@0 4@0 5@0");
    EXPECT_EQ(cluster.head(kCutStream), (Cluster::Offsets{{1, 500}, {k2, 100}, {k3, -1}}));
    EXPECT_EQ(cluster.truncate(kCutStream, {{k4, 1000}, {k5, 0}}), Status::SUCCESS);
    EXPECT_EQ(stored(), "4@1000 5@0");
    cluster.restart();
    EXPECT_EQ(cluster.head(kCutStream), (Cluster::Offsets{{k4, 1000}, {k5, 0}}));
    EXPECT_EQ(cluster.successors(kCutStream, 0), std::to_string(k2) + "<-0 " + std::to_string(k3) + "<-0,1")
        << "readers that are far behind still find their way";
    EXPECT_EQ(cluster.seal(kCutStream), Status::SUCCESS);
    EXPECT_EQ(cluster.head(kCutStream), (Cluster::Offsets{{k4, 1000}, {k5, 0}}));
    EXPECT_EQ(cluster.remove(kCutStream), pb::DeleteStreamStatus::SUCCESS);
    EXPECT_TRUE(cluster.segments.segments.empty());
}

TEST_F(CutCalls, TruncationNeverGoesBack) {
    const Cluster::Offsets cut = {{1, 500}, {k2, 100}, {k3, -1}};
    EXPECT_EQ(cluster.truncate(kCutStream, cut), Status::SUCCESS);
    EXPECT_EQ(cluster.truncate(kCutStream, cut), Status::SUCCESS) << "the same again";
    for (const Cluster::Offsets& before : {Cluster::Offsets{{0, 0}, {1, 500}},
                                           {{1, 499}, {k2, 100}, {k3, -1}},
                                           {{1, 600}, {k2, 99}, {k3, -1}},
                                           {{0, 1000}, {1, 1000}}}) {
        EXPECT_EQ(cluster.truncate(kCutStream, before), Status::FAILURE);
    }
    EXPECT_EQ(cluster.head(kCutStream), cut);
}

TEST_F(CutCalls, TruncationAnswersEveryStatus) {
    EXPECT_EQ(cluster.truncate({"s", "none"}, {{0, 0}}), Status::STREAM_NOT_FOUND);
    EXPECT_EQ(cluster.truncate({"none", "x"}, {{0, 0}}), Status::STREAM_NOT_FOUND);
    EXPECT_EQ(cluster.truncate({"s", "a/b"}, {{0, 0}}), Status::STREAM_NOT_FOUND);
    EXPECT_EQ(cluster.truncate(kCutStream, {}), Status::FAILURE);
    EXPECT_EQ(cluster.truncate(kCutStream, {{0, 1}}), Status::FAILURE);
    EXPECT_EQ(cluster.truncate(kCutStream, {{0, 1001}, {1, 0}}), Status::FAILURE) << "segment 0 has 1000 bytes";
    EXPECT_EQ(cluster.truncate(kCutStream, {{0, INT64_MAX}, {1, INT64_MAX}}), Status::FAILURE);
    EXPECT_EQ(cluster.truncate(kCutStream, {{0, -1}, {1, INT64_MIN}}), Status::SUCCESS)
        << "the begin is where nothing was read";
    EXPECT_EQ(stored(), "0@0 1@0 2@0 3@0 4@0 5@0");
    cluster.seal(kCutStream);
    EXPECT_EQ(cluster.truncate(kCutStream, {{k4, 0}, {k5, 0}}), Status::STREAM_SEALED);
}

TEST_F(CutCalls, ATruncationThatRunsIsJoinedByTheSameAndRefusesOthers) {
    cluster.segments.hold = true;
    std::vector<Status::Status> answers;
    const Cluster::Offsets wanted = {{k2, 5}, {k3, 0}, {k4, 0}};
    for (int i = 0; i < 2; ++i) {
        cluster.begin([&answers, wanted](Service& service) -> Task<void> {
            const auto reply = co_await service.truncate_stream(Cluster::cut(kCutStream, wanted));
            EXPECT_TRUE(reply.ok());
            if (reply) answers.push_back(reply->status());
        });
        ASSERT_TRUE(cluster.run_until([&] { return cluster.record(kCutStream)->has_truncate(); }));
    }
    EXPECT_EQ(cluster.head(kCutStream), wanted) << "before anything is deleted";
    EXPECT_EQ(stored(), "0@0 1@0 2@0 3@0 4@0 5@0");
    EXPECT_EQ(cluster.truncate(kCutStream, {{k4, 0}, {k5, 0}}), Status::FAILURE);
    EXPECT_TRUE(answers.empty());
    cluster.segments.hold = false;
    cluster.segments.released.notify_all();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
    EXPECT_EQ(answers, (std::vector<Status::Status>{Status::SUCCESS, Status::SUCCESS}));
    EXPECT_EQ(stored(), "2@5 3@0 4@0 5@0");
}

TEST_F(CutCalls, AScaleWaitsForATruncation) {
    cluster.segments.hold = true;
    cluster.begin([](Service& service) -> Task<void> {
        (void)co_await service.truncate_stream(Cluster::cut(kCutStream, {{k2, 0}, {k3, 0}, {k4, 0}}));
    });
    ASSERT_TRUE(cluster.run_until([&] { return cluster.record(kCutStream)->has_truncate(); }));
    std::optional<pb::ScaleResponse> scaled;
    cluster.begin([&scaled](Service& service) -> Task<void> {
        const auto reply =
            co_await service.scale(Cluster::scale_request(kCutStream, {k4, k5}, {{0.0, 0.5}, {0.5, 1.0}}));
        if (reply) scaled = *reply;
    });
    cluster.world().run_for(std::chrono::seconds{1});
    EXPECT_FALSE(scaled.has_value());
    cluster.segments.hold = false;
    cluster.segments.released.notify_all();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
    ASSERT_TRUE(scaled.has_value());
    EXPECT_EQ(scaled->status(), pb::ScaleResponse::STARTED);
}

TEST_F(CutCalls, TellWhichCutsAreValid) {
    EXPECT_TRUE(cluster.valid(kCutStream, {{0, 0}, {1, 0}}));
    EXPECT_TRUE(cluster.valid(kCutStream, {{0, INT64_MAX}, {1, 7}})) << "nobody looks at the segments";
    EXPECT_TRUE(cluster.valid(kCutStream, {{1, 500}, {k2, 100}, {k3, -1}}));
    EXPECT_TRUE(cluster.valid(kCutStream, {{k4, 0}, {k5, 0}}));
    EXPECT_FALSE(cluster.valid(kCutStream, {}));
    EXPECT_FALSE(cluster.valid(kCutStream, {{0, 0}}));
    EXPECT_FALSE(cluster.valid(kCutStream, {{0, 0}, {1, 0}, {k2, 0}}));
    EXPECT_FALSE(cluster.valid(kCutStream, {{0, 0}, {1, 0}, {99, 0}})) << "never a segment of the stream";
    EXPECT_FALSE(cluster.valid(kCutStream, {{1, 5}, {k5, -1}})) << "5 follows 3, which follows 1";
    EXPECT_FALSE(cluster.valid(kCutStream, {{0, 0}, {1, 0}, {cut_id(6, 3), -1}}));
    EXPECT_FALSE(cluster.valid(kCutStream, {{INT64_MIN, 0}, {INT64_MAX, 0}}));
    EXPECT_EQ(cluster.call(&Service::is_stream_cut_valid, Cluster::cut({"s", "none"}, {{0, 0}})).error().code(),
              ErrorCode::kNotFound);
    EXPECT_EQ(cluster.call(&Service::is_stream_cut_valid, Cluster::cut({"s", ""}, {{0, 0}})).error().code(),
              ErrorCode::kInvalidArgument);
}

TEST_F(CutCalls, ListEverySegmentBetweenTwoCuts) {
    using Ids = std::vector<std::int64_t>;
    EXPECT_EQ(cluster.between(kCutStream, {{0, 0}, {1, 0}}, {}), (Ids{0, 1, k2, k3, k4, k5}));
    EXPECT_EQ(cluster.between(kCutStream, {}, {{0, 0}, {1, 0}}), (Ids{0, 1}));
    EXPECT_EQ(cluster.between(kCutStream, {}, {{k2, 0}, {k3, 0}, {k4, 0}}), (Ids{0, 1, k2, k3, k4}));
    // What is under way at the first cut counts, what waits at the second does not.
    EXPECT_EQ(cluster.between(kCutStream, {{1, 500}, {k2, 100}, {k3, -1}}, {{k4, 0}, {k5, 0}}),
              (Ids{1, k2, k3, k4, k5}));
    EXPECT_EQ(cluster.between(kCutStream, {{0, 0}, {1, 0}}, {{1, 500}, {k2, 100}, {k3, -1}}), (Ids{0, 1, k2}));
    EXPECT_EQ(cluster.between(kCutStream, {{k4, 3}, {k5, 3}}, {{k4, 3}, {k5, 3}}), (Ids{k4, k5}));
    EXPECT_EQ(cluster.between(kCutStream, {{k4, 3}, {k5, 3}}, {}), (Ids{k4, k5}))
        << "what a reader near the end has not read";
    EXPECT_EQ(cluster.between(kCutStream, {}, {{0, 3}, {1, 3}}), (Ids{0, 1}));

    for (const auto& [from, to] : {std::pair<Cluster::Offsets, Cluster::Offsets>{{}, {}},
                                   {{{k4, 0}, {k5, 0}}, {{0, 0}, {1, 0}}},
                                   {{{k4, 5}, {k5, 0}}, {{k4, 4}, {k5, 0}}},
                                   {{{0, 0}}, {}},
                                   {{}, {{0, 0}, {77, 0}}}}) {
        EXPECT_EQ(cluster.call(&Service::get_segments_between, Cluster::range(kCutStream, from, to)).error().code(),
                  ErrorCode::kInvalidArgument);
    }
    EXPECT_EQ(cluster.call(&Service::get_segments_between, Cluster::range({"s", "none"}, {{0, 0}}, {})).error().code(),
              ErrorCode::kNotFound);
}

TEST_F(CutCalls, KnowTheSegmentsThatAScaleHasToldOf) {
    // Readers go on to new segments before the epoch is theirs.
    cluster.segments.fate = [](const std::string& what) {
        using Outcome = segments::FakeSegments::Outcome;
        return what.starts_with("seal ") ? Outcome::kLost : Outcome::kNormal;
    };
    const std::int64_t left = cut_id(6, 3);
    const std::int64_t right = cut_id(7, 3);
    EXPECT_EQ(cluster.scale(kCutStream, {k4, k5}, {{0.0, 0.5}, {0.5, 1.0}})->status(), pb::ScaleResponse::STARTED);
    EXPECT_FALSE(cluster.valid(kCutStream, {{left, 0}, {right, 0}})) << "its segments may not exist yet";
    ASSERT_TRUE(cluster.run_until([&] { return cluster.record(kCutStream)->scale().published(); }));
    EXPECT_TRUE(cluster.valid(kCutStream, {{left, 0}, {right, 0}}));
    EXPECT_TRUE(cluster.valid(kCutStream, {{k4, 1000}, {left, 0}, {right, -1}}));
    EXPECT_EQ(cluster.between(kCutStream, {{k4, 9}, {k5, 9}}, {}), (std::vector<std::int64_t>{k4, k5, left, right}));
    EXPECT_EQ(cluster.record(kCutStream)->current().epoch(), 2u);
    cluster.segments.fate = nullptr;
    ASSERT_TRUE(cluster.settle());
}

TEST_F(CutCalls, AreRefusedWhenAbsurdlyLarge) {
    pb::StreamCut huge = Cluster::cut(kCutStream, {});
    for (std::int64_t i = 0; i < 30'000; ++i) (*huge.mutable_cut())[i] = i;
    EXPECT_FALSE(cluster.ask(&Service::is_stream_cut_valid, huge).response());
    EXPECT_EQ(cluster.ask(&Service::truncate_stream, huge).status(), Status::FAILURE);
    pb::StreamCutRange range = Cluster::range(kCutStream, {}, {{0, 0}, {1, 0}});
    *range.mutable_from() = huge.cut();
    EXPECT_EQ(cluster.call(&Service::get_segments_between, range).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(CutCalls, SayThatTheSegmentStoreIsOut) {
    cluster.segments.cut_off = true;
    const auto reply = cluster.call(&Service::truncate_stream, Cluster::cut(kCutStream, {{0, 5}, {1, 0}}));
    ASSERT_FALSE(reply.ok());
    EXPECT_TRUE(reply.error().is(ErrorCode::kUnavailable));
    EXPECT_EQ(cluster.record(kCutStream)->intent_case(), records::StreamRecord::INTENT_NOT_SET) << "nothing was begun";
    cluster.segments.cut_off = false;
    EXPECT_EQ(cluster.truncate(kCutStream, {{0, 5}, {1, 0}}), Status::SUCCESS);
}

}  // namespace
}  // namespace millrace::controller
