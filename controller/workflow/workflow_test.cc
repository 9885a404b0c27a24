// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever effect a workflow is stopped at, a new controller ends it, and nothing is half done.
// Method: every change of metadata or segments counts as an effect; each test runs its workflow once
// for every effect, loses that effect (or does it unheard), drops the controller, starts another on
// what is left, and looks at the end.
#include <gtest/gtest.h>

#include "controller/testing/cluster.h"

namespace millrace::controller {
namespace {

const StreamName kName{"s", "x"};

// What must hold for every stream at rest.
void check_at_rest(Cluster& cluster, const StreamName& name) {
    const auto record = cluster.record(name);
    if (!record) {
        for (const auto& [segment, state] : cluster.segments.segments) {
            EXPECT_FALSE(segment.starts_with(name.to_string() + "/")) << segment << " outlived its stream";
        }
        return;
    }
    EXPECT_EQ(record->intent_case(), records::StreamRecord::INTENT_NOT_SET);
    const stream::Epoch current = store::to_epoch(record->current());
    EXPECT_TRUE(stream::check_tiles(current.segments).ok());
    const bool sealed = record->state() == records::StreamRecord::SEALED;
    EXPECT_TRUE(sealed || record->state() == records::StreamRecord::ACTIVE);
    std::set<std::string> open;
    for (const stream::Segment& segment : current.segments) open.insert(segment_name(name, segment.id));
    for (const auto& [segment, state] : cluster.segments.segments) {
        if (!segment.starts_with(name.to_string() + "/")) continue;
        EXPECT_EQ(state.sealed, sealed || !open.contains(segment)) << segment;
        open.erase(segment);
    }
    EXPECT_TRUE(open.empty()) << *open.begin() << " was never created";
}

struct Workflow {
    const char* what;
    std::function<void(Cluster&)> prepare;
    std::function<Task<void>(service::Service&)> call;
    // After the restart, and after asking once more: what the stream must be like.
    std::function<void(Cluster&)> again;
};

Workflow create_workflow() {
    return {"create", [](Cluster&) {},
            [](service::Service& service) -> Task<void> {
                (void)co_await service.create_stream(Cluster::config(kName, 3));
            },
            [](Cluster& cluster) {
                const auto status = cluster.create(kName, 3);
                EXPECT_TRUE(status == pb::CreateStreamStatus::SUCCESS || status == pb::CreateStreamStatus::STREAM_EXISTS);
                EXPECT_EQ(cluster.current(kName), (std::vector<std::int64_t>{0, 1, 2}));
            }};
}

Workflow scale_workflow() {
    return {"scale",
            [](Cluster& cluster) { ASSERT_EQ(cluster.create(kName, 2), pb::CreateStreamStatus::SUCCESS); },
            [](service::Service& service) -> Task<void> {
                (void)co_await service.scale(Cluster::scale_request(kName, {0}, {{0.0, 0.25}, {0.25, 0.5}}));
            },
            [](Cluster& cluster) {
                const auto reply = cluster.scale(kName, {0}, {{0.0, 0.25}, {0.25, 0.5}});
                // Refused when the first one went through: segment 0 is no longer current.
                EXPECT_TRUE(reply->status() == pb::ScaleResponse::STARTED ||
                            reply->status() == pb::ScaleResponse::PRECONDITION_FAILED);
                ASSERT_TRUE(cluster.settle());
                const std::int64_t first = SegmentId::of(2, StreamEpoch{1}).value;
                EXPECT_EQ(cluster.current(kName), (std::vector<std::int64_t>{first, first + 1, 1}));
                EXPECT_EQ(cluster.check_scale(kName, 0), pb::ScaleStatusResponse::SUCCESS);
                EXPECT_EQ(cluster.successors(kName, 0), std::to_string(first) + "<-0 " + std::to_string(first + 1) + "<-0");
            }};
}

Workflow seal_workflow() {
    return {"seal",
            [](Cluster& cluster) { ASSERT_EQ(cluster.create(kName, 2), pb::CreateStreamStatus::SUCCESS); },
            [](service::Service& service) -> Task<void> {
                (void)co_await service.seal_stream(Cluster::info(kName));
            },
            [](Cluster& cluster) {
                EXPECT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::SUCCESS);
                EXPECT_EQ(cluster.current(kName), std::vector<std::int64_t>{});
                EXPECT_EQ(cluster.successors(kName, 0), "");
            }};
}

Workflow delete_workflow() {
    return {"delete",
            [](Cluster& cluster) {
                ASSERT_EQ(cluster.create(kName, 2), pb::CreateStreamStatus::SUCCESS);
                ASSERT_EQ(cluster.scale(kName, {0, 1}, {{0.0, 0.3}, {0.3, 1.0}})->status(), pb::ScaleResponse::STARTED);
                ASSERT_TRUE(cluster.settle());
                ASSERT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::SUCCESS);
            },
            [](service::Service& service) -> Task<void> {
                (void)co_await service.delete_stream(Cluster::info(kName));
            },
            [](Cluster& cluster) {
                const auto status = cluster.remove(kName);
                EXPECT_TRUE(status == pb::DeleteStreamStatus::SUCCESS || status == pb::DeleteStreamStatus::STREAM_NOT_FOUND);
                EXPECT_FALSE(cluster.record(kName).has_value());
                EXPECT_TRUE(cluster.segments.segments.empty());
                // Numbers 0 to 3 were used.
                EXPECT_EQ(cluster.create(kName, 1), pb::CreateStreamStatus::SUCCESS);
                EXPECT_EQ(cluster.current(kName), std::vector<std::int64_t>{4});
            }};
}

Workflow delete_while_creating_workflow() {
    return {"delete of a stream that is being created",
            [](Cluster& cluster) {
                cluster.segments.hold = true;
                cluster.begin([](service::Service& service) -> Task<void> {
                    (void)co_await service.create_stream(Cluster::config(kName, 2));
                });
                ASSERT_TRUE(cluster.run_until([&] { return cluster.record(kName).has_value(); }));
                cluster.segments.hold = false;
                cluster.segments.released.notify_all();
            },
            [](service::Service& service) -> Task<void> {
                (void)co_await service.delete_stream(Cluster::info(kName));
            },
            [](Cluster& cluster) {
                // Whichever of the two came first.
                if (cluster.record(kName)) {
                    EXPECT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::SUCCESS);
                    EXPECT_EQ(cluster.remove(kName), pb::DeleteStreamStatus::SUCCESS);
                }
                EXPECT_TRUE(cluster.segments.segments.empty());
            }};
}

class WorkflowCrash : public testing::TestWithParam<std::pair<Workflow (*)(), bool>> {};

TEST_P(WorkflowCrash, IsEndedByTheNextControllerWhereverItStops) {
    const Workflow workflow = GetParam().first();
    const bool done = GetParam().second;
    std::uint64_t crashes = 0;
    for (std::uint64_t at = 0;; ++at) {
        SCOPED_TRACE(std::string{workflow.what} + " stopped at effect " + std::to_string(at));
        Cluster cluster{at + 1};
        cluster.make_scope("s");
        workflow.prepare(cluster);
        cluster.crash_at(at, done);
        cluster.begin(workflow.call);
        // A scale answers before its work is done, so both must be over.
        ASSERT_TRUE(cluster.run_until([&] { return cluster.crashed() || cluster.ended(); }));
        if (!cluster.crashed()) {
            ASSERT_TRUE(cluster.settle() || cluster.crashed());
        }
        const bool crashed = cluster.crashed();
        cluster.never_crash();
        if (crashed) {
            ++crashes;
            cluster.restart();
            ASSERT_TRUE(cluster.settle());
        }
        check_at_rest(cluster, kName);
        workflow.again(cluster);
        ASSERT_TRUE(cluster.settle());
        check_at_rest(cluster, kName);
        if (HasFailure() || !crashed) break;
    }
    EXPECT_GT(crashes, 3u);
}

INSTANTIATE_TEST_SUITE_P(Workflows, WorkflowCrash,
                         testing::Values(std::pair{&create_workflow, false}, std::pair{&create_workflow, true},
                                         std::pair{&scale_workflow, false}, std::pair{&scale_workflow, true},
                                         std::pair{&seal_workflow, false}, std::pair{&seal_workflow, true},
                                         std::pair{&delete_workflow, false}, std::pair{&delete_workflow, true},
                                         std::pair{&delete_while_creating_workflow, false},
                                         std::pair{&delete_while_creating_workflow, true}));

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

TEST(Workflow, WritesOfUnknownFateAreDecidedAgain) {
    // Every metadata write of each call in turn ends without an answer, done or not; the caller still
    // gets the true outcome.
    for (const bool done : {false, true}) {
        for (std::uint64_t at = 0; at < 6; ++at) {
            SCOPED_TRACE(std::to_string(at) + (done ? " done" : " lost"));
            Cluster cluster;
            cluster.make_scope("s");
            std::uint64_t n = 0;
            bool armed = true;
            cluster.metadata.set_fate([&](std::uint64_t) {
                using Outcome = metadata::MemoryMetadataStore::Outcome;
                if (armed && n++ == at) return done ? Outcome::kAppliedUnheard : Outcome::kLost;
                return Outcome::kNormal;
            });
            EXPECT_EQ(cluster.create(kName, 1), pb::CreateStreamStatus::SUCCESS);
            n = 0;
            EXPECT_EQ(cluster.scale(kName, {0}, {{0.0, 0.5}, {0.5, 1.0}})->status(), pb::ScaleResponse::STARTED);
            ASSERT_TRUE(cluster.settle());
            n = 0;
            EXPECT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::SUCCESS);
            n = 0;
            EXPECT_EQ(cluster.remove(kName), pb::DeleteStreamStatus::SUCCESS);
            armed = false;
            EXPECT_TRUE(cluster.segments.segments.empty());
        }
    }
}

}  // namespace
}  // namespace millrace::controller
