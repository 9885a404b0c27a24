// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever happens at whatever moment of a change, it ends as if nothing had happened, and nothing is left over.
// Method: every write to the metadata and every change of a segment is an effect. Each change is made once undisturbed,
// which counts its effects; then once for each effect and each of what can happen to it: it is lost or goes unheard,
// and the controller dies there or lives on. After a death another controller starts on what is left. It dies as well,
// at each of its own effects in turn, before a third one may end the change. At the end the auditor goes over
// everything, and the client that asked at first asks again.
#include <gtest/gtest.h>

#include "controller/testing/audit.h"
#include "controller/testing/cluster.h"

namespace millrace::controller {
namespace {

const StreamName kWalked{"s", "x"};
const StreamName kMarks{"s", "_MARKx"};
const std::string kGroupId = "0123abcd-0000-4000-8000-0123456789ab";

using service::Service;
using Fault = Cluster::Fault;

struct Change {
    const char* what;
    std::function<void(Cluster&)> prepare;
    std::function<Task<void>(Service&)> call;
    // Asks once more, whatever became of the first time, and looks at what there is.
    std::function<void(Cluster&)> again;
};

std::int64_t id(std::int32_t number, std::int32_t epoch) { return SegmentId::of(number, StreamEpoch{epoch}).value; }

void make_two(Cluster& cluster) { ASSERT_EQ(cluster.create(kWalked, 2), pb::CreateStreamStatus::SUCCESS); }
void make_history(Cluster& cluster) {
    make_two(cluster);
    ASSERT_EQ(cluster.scale(kWalked, {0, 1}, {{0.0, 0.3}, {0.3, 1.0}})->status(), pb::ScaleResponse::STARTED);
    ASSERT_TRUE(cluster.settle());
    for (auto& [name, segment] : cluster.segments.segments) segment.length = 100;
}

pb::ReaderGroupConfiguration group_config() {
    pb::ReaderGroupConfiguration config = Cluster::group_config("g", {Cluster::cut(kWalked, {})});
    config.set_readergroupid(kGroupId);
    config.set_generation(0);
    return config;
}

Change creating_a_stream() {
    return {
        "creating a stream", [](Cluster&) {},
        [](Service& service) -> Task<void> { (void)co_await service.create_stream(Cluster::config(kWalked, 3)); },
        [](Cluster& cluster) {
            const auto status = cluster.create(kWalked, 3);
            EXPECT_TRUE(status == pb::CreateStreamStatus::SUCCESS || status == pb::CreateStreamStatus::STREAM_EXISTS);
            EXPECT_EQ(cluster.current(kWalked), (std::vector<std::int64_t>{0, 1, 2}));
        }};
}

Change creating_it_once_more() {
    return {"creating a stream whose name was used before",
            [](Cluster& cluster) {
                make_two(cluster);
                cluster.seal(kWalked);
                cluster.remove(kWalked);
            },
            [](Service& service) -> Task<void> { (void)co_await service.create_stream(Cluster::config(kWalked, 1)); },
            [](Cluster& cluster) {
                cluster.create(kWalked, 1);
                EXPECT_EQ(cluster.current(kWalked), std::vector<std::int64_t>{2});
            }};
}

Change scaling() {
    return {"scaling", make_two,
            [](Service& service) -> Task<void> {
                (void)co_await service.scale(Cluster::scale_request(kWalked, {0}, {{0.0, 0.25}, {0.25, 0.5}}));
            },
            [](Cluster& cluster) {
                const auto reply = cluster.scale(kWalked, {0}, {{0.0, 0.25}, {0.25, 0.5}});
                // Refused when the first one went through: segment 0 is no longer current.
                EXPECT_TRUE(reply->status() == pb::ScaleResponse::STARTED ||
                            reply->status() == pb::ScaleResponse::PRECONDITION_FAILED);
                ASSERT_TRUE(cluster.settle());
                EXPECT_EQ(cluster.current(kWalked), (std::vector<std::int64_t>{id(2, 1), id(3, 1), 1}));
                EXPECT_EQ(cluster.check_scale(kWalked, 0), pb::ScaleStatusResponse::SUCCESS);
                EXPECT_EQ(cluster.successors(kWalked, 0),
                          std::to_string(id(2, 1)) + "<-0 " + std::to_string(id(3, 1)) + "<-0");
            }};
}

Change updating() {
    return {"updating without a scale", make_two,
            [](Service& service) -> Task<void> {
                pb::StreamConfig config = Cluster::config(kWalked, 2);
                config.set_rolloversizebytes(4096);
                (void)co_await service.update_stream(config);
            },
            [](Cluster& cluster) {
                pb::StreamConfig config = Cluster::config(kWalked, 2);
                config.set_rolloversizebytes(4096);
                EXPECT_EQ(cluster.update(config), pb::UpdateStreamStatus::SUCCESS);
                EXPECT_EQ(cluster.record(kWalked)->config().rollover_bytes(), 4096);
                EXPECT_EQ(cluster.record(kWalked)->current().epoch(), 0u);
            }};
}

Change updating_with_a_scale() {
    return {"updating with a scale", make_two,
            [](Service& service) -> Task<void> { (void)co_await service.update_stream(Cluster::config(kWalked, 3)); },
            [](Cluster& cluster) {
                EXPECT_EQ(cluster.update(Cluster::config(kWalked, 3)), pb::UpdateStreamStatus::SUCCESS);
                EXPECT_EQ(cluster.current(kWalked).size(), 3u);
                EXPECT_EQ(cluster.record(kWalked)->current().epoch(), 1u) << "scaled once";
            }};
}

Change truncating() {
    static const Cluster::Offsets kCut = {{id(2, 1), 30}, {id(3, 1), 0}};
    return {"truncating", make_history,
            [](Service& service) -> Task<void> { (void)co_await service.truncate_stream(Cluster::cut(kWalked, kCut)); },
            [](Cluster& cluster) {
                EXPECT_EQ(cluster.truncate(kWalked, kCut), pb::UpdateStreamStatus::SUCCESS);
                EXPECT_EQ(cluster.head(kWalked), kCut);
                EXPECT_EQ(cluster.segments.segments.size(), 2u);
            }};
}

Change sealing() {
    return {"sealing", make_two,
            [](Service& service) -> Task<void> { (void)co_await service.seal_stream(Cluster::info(kWalked)); },
            [](Cluster& cluster) {
                EXPECT_EQ(cluster.seal(kWalked), pb::UpdateStreamStatus::SUCCESS);
                EXPECT_EQ(cluster.current(kWalked), std::vector<std::int64_t>{});
                EXPECT_EQ(cluster.successors(kWalked, 0), "");
            }};
}

Change deleting() {
    return {"deleting a stream with marks, a history and a head",
            [](Cluster& cluster) {
                make_history(cluster);
                EXPECT_EQ(cluster.truncate(kWalked, {{1, 50}, {id(2, 1), 0}, {id(3, 1), -1}}),
                          pb::UpdateStreamStatus::SUCCESS);
                EXPECT_EQ(cluster.current(kMarks).size(), 1u);
                EXPECT_EQ(cluster.seal(kWalked), pb::UpdateStreamStatus::SUCCESS);
            },
            [](Service& service) -> Task<void> { (void)co_await service.delete_stream(Cluster::info(kWalked)); },
            [](Cluster& cluster) {
                const auto status = cluster.remove(kWalked);
                EXPECT_TRUE(status == pb::DeleteStreamStatus::SUCCESS ||
                            status == pb::DeleteStreamStatus::STREAM_NOT_FOUND);
                EXPECT_TRUE(cluster.segments.segments.empty());
                // Numbers 0 to 3 were used.
                EXPECT_EQ(cluster.create(kWalked, 1), pb::CreateStreamStatus::SUCCESS);
                EXPECT_EQ(cluster.current(kWalked), std::vector<std::int64_t>{4});
            }};
}

Change deleting_while_creating() {
    return {"deleting a stream that is being created",
            [](Cluster& cluster) {
                cluster.segments.hold = true;
                cluster.begin([](Service& service) -> Task<void> {
                    (void)co_await service.create_stream(Cluster::config(kWalked, 2));
                });
                ASSERT_TRUE(cluster.run_until([&] { return cluster.record(kWalked).has_value(); }));
                cluster.segments.hold = false;
                cluster.segments.released.notify_all();
            },
            [](Service& service) -> Task<void> { (void)co_await service.delete_stream(Cluster::info(kWalked)); },
            [](Cluster& cluster) {
                // Whichever of the two came first.
                if (cluster.record(kWalked)) {
                    EXPECT_EQ(cluster.seal(kWalked), pb::UpdateStreamStatus::SUCCESS);
                    EXPECT_EQ(cluster.remove(kWalked), pb::DeleteStreamStatus::SUCCESS);
                }
                EXPECT_TRUE(cluster.segments.segments.empty());
            }};
}

Change asking_for_marks() {
    return {"asking for marks", make_two,
            [](Service& service) -> Task<void> { (void)co_await service.get_current_segments(Cluster::info(kMarks)); },
            [](Cluster& cluster) { EXPECT_EQ(cluster.current(kMarks), std::vector<std::int64_t>{0}); }};
}

Change creating_a_group() {
    return {"creating a reader group", [](Cluster&) {},
            [](Service& service) -> Task<void> { (void)co_await service.create_reader_group(group_config()); },
            [](Cluster& cluster) {
                const auto reply = cluster.ask(&Service::create_reader_group, group_config());
                EXPECT_EQ(reply.status(), pb::CreateReaderGroupResponse::SUCCESS);
                EXPECT_EQ(reply.config().DebugString(), group_config().DebugString());
                EXPECT_EQ(cluster.current({"s", "_RGg"}), std::vector<std::int64_t>{0});
            }};
}

Change updating_a_group() {
    static const auto kWanted = [] {
        pb::ReaderGroupConfiguration config = group_config();
        config.set_retentiontype(1);
        return config;
    };
    return {"updating a reader group",
            [](Cluster& cluster) { cluster.ask(&Service::create_reader_group, group_config()); },
            [](Service& service) -> Task<void> { (void)co_await service.update_reader_group(kWanted()); },
            [](Cluster& cluster) {
                const auto reply = cluster.ask(&Service::update_reader_group, kWanted());
                EXPECT_EQ(reply.status(), pb::UpdateReaderGroupResponse::SUCCESS);
                EXPECT_EQ(reply.generation(), 1);
            }};
}

Change deleting_a_group() {
    return {
        "deleting a reader group", [](Cluster& cluster) { cluster.ask(&Service::create_reader_group, group_config()); },
        [](Service& service) -> Task<void> {
            (void)co_await service.delete_reader_group(Cluster::group_info("g", kGroupId));
        },
        [](Cluster& cluster) {
            const auto status = cluster.ask(&Service::delete_reader_group, Cluster::group_info("g", kGroupId)).status();
            EXPECT_TRUE(status == pb::DeleteReaderGroupStatus::SUCCESS ||
                        status == pb::DeleteReaderGroupStatus::RG_NOT_FOUND);
            EXPECT_TRUE(cluster.segments.segments.empty());
        }};
}

Change deleting_a_scope() {
    return {
        "deleting a scope",
        [](Cluster& cluster) {
            make_two(cluster);
            cluster.seal(kWalked);
            cluster.remove(kWalked);
        },
        [](Service& service) -> Task<void> {
            pb::ScopeInfo scope;
            scope.set_scope("s");
            (void)co_await service.delete_scope(scope);
        },
        [](Cluster& cluster) {
            pb::ScopeInfo scope;
            scope.set_scope("s");
            const auto status = cluster.ask(&Service::delete_scope, scope).status();
            EXPECT_TRUE(status == pb::DeleteScopeStatus::SUCCESS || status == pb::DeleteScopeStatus::SCOPE_NOT_FOUND);
            EXPECT_FALSE(cluster.ask(&Service::check_scope_exists, scope).exists());
        }};
}

const StreamName kKept{"s", "kept"};

pb::StreamConfig config_to_keep(std::int64_t bytes) {
    pb::StreamConfig config = Cluster::config(kKept, 1);
    config.mutable_retentionpolicy()->set_retentiontype(pb::RetentionPolicy::SIZE);
    config.mutable_retentionpolicy()->set_retentionparam(bytes);
    return config;
}

Change creating_with_retention() {
    return {"creating a stream with retention", [](Cluster&) {},
            [](Service& service) -> Task<void> { (void)co_await service.create_stream(config_to_keep(100)); },
            [](Cluster& cluster) {
                cluster.ask(&Service::create_stream, config_to_keep(100));
                EXPECT_TRUE(cluster.retention_set(kKept).has_value());
            }};
}

Change ending_retention() {
    return {"ending the retention of a stream",
            [](Cluster& cluster) {
                cluster.ask(&Service::create_stream, config_to_keep(100));
                cluster.retain();
            },
            [](Service& service) -> Task<void> { (void)co_await service.update_stream(Cluster::config(kKept, 1)); },
            [](Cluster& cluster) {
                EXPECT_EQ(cluster.update(Cluster::config(kKept, 1)), pb::UpdateStreamStatus::SUCCESS);
                EXPECT_EQ(cluster.retention_set(kKept), std::nullopt);
            }};
}

Change sealing_with_retention() {
    return {"sealing a stream with retention",
            [](Cluster& cluster) {
                cluster.ask(&Service::create_stream, config_to_keep(100));
                cluster.retain();
            },
            [](Service& service) -> Task<void> { (void)co_await service.seal_stream(Cluster::info(kKept)); },
            [](Cluster& cluster) {
                EXPECT_EQ(cluster.seal(kKept), pb::UpdateStreamStatus::SUCCESS);
                EXPECT_EQ(cluster.retention_set(kKept), std::nullopt);
            }};
}

// The change is a round's: it records a cut and truncates at an earlier one.
Change retaining() {
    auto walked = std::make_shared<Cluster*>(nullptr);
    return {"seeing to retention",
            [walked](Cluster& cluster) {
                *walked = &cluster;
                cluster.ask(&Service::create_stream, config_to_keep(100));
                cluster.segments.segments.at("s/kept/0.#epoch.0").length = 60;
                cluster.retain();
                ASSERT_EQ(cluster.scale(kKept, {0}, {{0.0, 1.0}})->status(), pb::ScaleResponse::STARTED);
                ASSERT_TRUE(cluster.settle());
                cluster.segments.segments.at("s/kept/1.#epoch.1").length = 30;
                cluster.retain();
                cluster.segments.segments.at("s/kept/1.#epoch.1").length = 150;
            },
            [walked](Service&) -> Task<void> { return (*walked)->retention().round(); },
            [](Cluster& cluster) {
                cluster.retain();
                ASSERT_TRUE(cluster.settle());
                EXPECT_EQ(cluster.head(kKept), (Cluster::Offsets{{id(1, 1), 30}}));
                EXPECT_EQ(cluster.segments.segments.size(), 1u);
                // Once more, for what a crash kept the one before from doing behind the truncation.
                cluster.retain();
                EXPECT_EQ(cluster.retention_set(kKept)->cuts_size(), 2);
                EXPECT_EQ(cluster.retention_set(kKept)->cuts(1).bytes() - cluster.retention_set(kKept)->cuts(0).bytes(), 120);
            }};
}

class CrashWalk : public testing::TestWithParam<Change (*)()> {
protected:
    // Up to the end of the change, or to the death of its controller.
    void make(Cluster& cluster, const Change& change, std::optional<Fault> fault) {
        cluster.make_scope("s");
        change.prepare(cluster);
        cluster.count_effects(fault);
        cluster.begin(change.call);
        // A scale answers before its work is done, so both must be over.
        ASSERT_TRUE(cluster.run_until([&] { return cluster.crashed() || cluster.ended(); }));
        finish(cluster);
    }
    static void finish(Cluster& cluster) {
        ASSERT_TRUE(cluster.run_until([&] { return cluster.crashed() || cluster.at_rest(); }));
    }
    void look(Cluster& cluster, const Change& change) {
        ASSERT_TRUE(cluster.settle());
        EXPECT_EQ(audit(cluster), std::vector<std::string>{});
        change.again(cluster);
        ASSERT_TRUE(cluster.settle());
        EXPECT_EQ(audit(cluster), std::vector<std::string>{});
        ++walked_;
    }

    std::uint64_t walked_ = 0;
};

TEST_P(CrashWalk, EndsAsIfNothingHadHappened) {
    const Change change = GetParam()();
    std::uint64_t effects = 0;
    {
        SCOPED_TRACE("undisturbed");
        Cluster cluster;
        make(cluster, change, std::nullopt);
        effects = cluster.effects();
        look(cluster, change);
    }
    ASSERT_GT(effects, 0u);
    for (std::uint64_t at = 0; at < effects && !HasFailure(); ++at) {
        for (const bool done : {false, true}) {
            SCOPED_TRACE(std::string{change.what} + ", effect " + std::to_string(at) + " of " +
                         std::to_string(effects) + (done ? " unheard" : " lost"));
            {
                Cluster cluster;
                make(cluster, change, Fault{at, done, false});
                EXPECT_FALSE(cluster.crashed());
                look(cluster, change);
            }
            std::uint64_t more_effects = 0;
            {
                Cluster cluster;
                make(cluster, change, Fault{at, done});
                ASSERT_TRUE(cluster.crashed());
                cluster.restart();
                finish(cluster);
                more_effects = cluster.effects();
                look(cluster, change);
            }
            for (std::uint64_t then = 0; then < more_effects && !HasFailure(); ++then) {
                SCOPED_TRACE("and once more at effect " + std::to_string(then) + " of " + std::to_string(more_effects));
                Cluster cluster;
                make(cluster, change, Fault{at, done});
                // Both ways are seen, one after the other: the first death left nothing different behind.
                cluster.restart(Fault{then, (at + then) % 2 == 0});
                finish(cluster);
                EXPECT_TRUE(cluster.crashed());
                cluster.restart();
                look(cluster, change);
            }
        }
    }
    RecordProperty("effects", std::to_string(effects));
    RecordProperty("walked", std::to_string(walked_));
    EXPECT_GE(walked_, 1 + 4 * effects);
}

std::string walk_name(const testing::TestParamInfo<Change (*)()>& info) {
    std::string name = info.param().what;
    for (char& c : name) {
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    }
    return name;
}

INSTANTIATE_TEST_SUITE_P(Changes, CrashWalk,
                         testing::Values(&creating_a_stream, &creating_it_once_more, &scaling, &updating,
                                         &updating_with_a_scale, &truncating, &sealing, &deleting,
                                         &deleting_while_creating, &asking_for_marks, &creating_a_group,
                                         &updating_a_group, &deleting_a_group, &deleting_a_scope,
                                         &creating_with_retention, &ending_retention, &sealing_with_retention, &retaining),
                         walk_name);

}  // namespace
}  // namespace millrace::controller
