// SPDX-License-Identifier: Apache-2.0
//
// Reader groups: every answer of their four calls, and that a group and the stream for its state come and go together.
#include <gtest/gtest.h>

#include <limits>

#include "controller/service/uuid.h"
#include "controller/testing/cluster.h"

namespace millrace::controller {
namespace {

using service::Service;
using Created = pb::CreateReaderGroupResponse;
using Updated = pb::UpdateReaderGroupResponse;
using Deleted = pb::DeleteReaderGroupStatus;

const StreamName kGrouped{"s", "x"};
const StreamName kState{"s", "_RGg"};
const std::string kId = "0123abcd-0000-4000-8000-0123456789ab";
const std::string kOtherId = "ffffffff-0000-4000-8000-000000000001";

class ReaderGroupCalls : public testing::Test {
protected:
    ReaderGroupCalls() {
        cluster.make_scope("s");
        cluster.create(kGrouped, 2);
    }
    static pb::ReaderGroupConfiguration config() {
        return Cluster::group_config("g", {Cluster::cut(kGrouped, {}), Cluster::cut({"s", "later"}, {{0, 7}, {1, -1}})});
    }
    static pb::ReaderGroupConfiguration config_with(const std::string& id, std::int64_t generation) {
        pb::ReaderGroupConfiguration made = config();
        made.set_readergroupid(id);
        made.set_generation(generation);
        return made;
    }
    Created create(const pb::ReaderGroupConfiguration& config) {
        return cluster.ask(&Service::create_reader_group, config);
    }
    pb::ReaderGroupConfigResponse get(const std::string& group = "g") {
        return cluster.ask(&Service::get_reader_group_config, Cluster::group_info(group));
    }
    Updated update(const pb::ReaderGroupConfiguration& config) {
        return cluster.ask(&Service::update_reader_group, config);
    }
    Deleted::Status remove(const std::string& id) {
        return cluster.ask(&Service::delete_reader_group, Cluster::group_info("g", id)).status();
    }

    Cluster cluster;
};

TEST_F(ReaderGroupCalls, CreateMakesTheGroupAndItsStreamAndGivesTheConfigurationBack) {
    const Created reply = create(config());
    EXPECT_EQ(reply.status(), Created::SUCCESS);
    EXPECT_EQ(reply.config().generation(), 0);
    EXPECT_TRUE(service::parse_uuid(reply.config().readergroupid()).has_value());
    EXPECT_NE(reply.config().readergroupid(), config().readergroupid()) << "the client left the id to us";
    pb::ReaderGroupConfiguration expected = config();
    expected.set_generation(0);
    expected.set_readergroupid(reply.config().readergroupid());
    EXPECT_EQ(reply.config().DebugString(), expected.DebugString()) << "empty cuts, too, and in the order given";
    EXPECT_EQ(cluster.current(kState), std::vector<std::int64_t>{0});
    EXPECT_EQ(cluster.record(kState)->config().rollover_bytes(), 4 * 1024 * 1024);
    cluster.restart();
    EXPECT_EQ(get().status(), pb::ReaderGroupConfigResponse::SUCCESS);
    EXPECT_EQ(get().config().DebugString(), expected.DebugString());
}

TEST_F(ReaderGroupCalls, CreateOfWhatExistsIsASuccessWithWhatIsStored) {
    EXPECT_EQ(create(config_with(kId, 4)).config().readergroupid(), kId);
    pb::ReaderGroupConfiguration other = config_with(kOtherId, 9);
    other.set_maxoutstandingcheckpointrequest(99);
    const Created again = create(other);
    EXPECT_EQ(again.status(), Created::SUCCESS);
    EXPECT_EQ(again.config().DebugString(), config_with(kId, 4).DebugString());
}

TEST_F(ReaderGroupCalls, CreateTakesOverAStreamThatAnOlderClientMade) {
    cluster.create(kState, 1);
    EXPECT_EQ(create(config_with(kId, 0)).status(), Created::SUCCESS);
    EXPECT_EQ(cluster.current(kState), std::vector<std::int64_t>{0}) << "the same stream";
    EXPECT_EQ(remove(kId), Deleted::SUCCESS);
    EXPECT_FALSE(cluster.record(kState).has_value());
}

TEST_F(ReaderGroupCalls, CreateAnswersEveryStatus) {
    pb::ReaderGroupConfiguration bad = config();
    for (const std::string& name : {"", "a/b", "_RGx", "a b"}) {
        bad.set_readergroupname(name);
        EXPECT_EQ(create(bad).status(), Created::INVALID_RG_NAME) << name;
    }
    bad.set_readergroupname(std::string(251, 'g'));
    EXPECT_EQ(create(bad).status(), Created::INVALID_RG_NAME);
    bad.set_readergroupname(std::string(250, 'g'));
    EXPECT_EQ(create(bad).status(), Created::SUCCESS);
    bad = config();
    for (const std::string& scope : {"none", "", "a/b"}) {
        bad.set_scope(scope);
        EXPECT_EQ(create(bad).status(), Created::SCOPE_NOT_FOUND) << scope;
    }
}

TEST_F(ReaderGroupCalls, RefuseConfigurationsThatCannotBe) {
    std::vector<pb::ReaderGroupConfiguration> bad(13, config_with(kId, 0));
    bad[0].clear_startingstreamcuts();
    bad[1].set_retentiontype(3);
    bad[2].set_retentiontype(-1);
    bad[3].set_grouprefreshtimemillis(-1);
    bad[4].set_automaticcheckpointintervalmillis(-2);
    bad[5].set_maxoutstandingcheckpointrequest(0);
    bad[6].set_rolloversizebytes(-1);
    *bad[7].add_startingstreamcuts() = Cluster::cut(kGrouped, {});  // twice
    *bad[8].add_endingstreamcuts() = Cluster::cut({"s", "a/b"}, {});
    *bad[9].add_endingstreamcuts() = pb::StreamCut{};
    bad[10].set_readergroupid("0123abcd-0000-4000-8000-0123456789a");
    bad[11].set_readergroupid("0123abcd+0000-4000-8000-0123456789ab");
    for (std::int64_t i = 0; i < 100'000; ++i) (*bad[12].mutable_startingstreamcuts(0)->mutable_cut())[i] = i;
    for (const pb::ReaderGroupConfiguration& config : bad) {
        EXPECT_TRUE(cluster.call(&Service::create_reader_group, config).error().is(ErrorCode::kInvalidArgument));
        EXPECT_TRUE(cluster.call(&Service::update_reader_group, config).ok() ||
                    cluster.call(&Service::update_reader_group, config).error().is(ErrorCode::kInvalidArgument));
    }
    for (const std::int64_t generation : {std::int64_t{-2}, std::numeric_limits<std::int64_t>::max()}) {
        EXPECT_TRUE(cluster.call(&Service::create_reader_group, config_with(kId, generation))
                        .error()
                        .is(ErrorCode::kInvalidArgument));
    }
    EXPECT_EQ(get().status(), pb::ReaderGroupConfigResponse::RG_NOT_FOUND);
    EXPECT_FALSE(cluster.record(kState).has_value());
}

TEST_F(ReaderGroupCalls, GetAnswersEveryStatus) {
    EXPECT_EQ(get().status(), pb::ReaderGroupConfigResponse::RG_NOT_FOUND);
    EXPECT_TRUE(get().has_config()) << "clients look into it";
    EXPECT_EQ(get("a/b").status(), pb::ReaderGroupConfigResponse::RG_NOT_FOUND);
    cluster.create(kState, 1);
    EXPECT_EQ(get().status(), pb::ReaderGroupConfigResponse::RG_NOT_FOUND) << "a stream is no group";
}

TEST_F(ReaderGroupCalls, UpdateWantsTheIdAndTheGeneration) {
    EXPECT_EQ(update(config_with(kId, 0)).status(), Updated::RG_NOT_FOUND);
    create(config_with(kId, 0));
    pb::ReaderGroupConfiguration wanted = config_with(kId, 0);
    wanted.set_retentiontype(2);
    *wanted.mutable_endingstreamcuts() = wanted.startingstreamcuts();
    for (const auto& [id, generation] : {std::pair{kOtherId, std::int64_t{0}}, {kId, 1}, {kId, -1}, {kId, INT64_MIN}}) {
        pb::ReaderGroupConfiguration wrong = wanted;
        wrong.set_readergroupid(id);
        wrong.set_generation(generation);
        const Updated reply = update(wrong);
        EXPECT_EQ(reply.status(), Updated::INVALID_CONFIG);
        EXPECT_EQ(reply.generation(), generation);
    }
    const Updated reply = update(wanted);
    EXPECT_EQ(reply.status(), Updated::SUCCESS);
    EXPECT_EQ(reply.generation(), 1);
    EXPECT_EQ(update(wanted).status(), Updated::SUCCESS) << "the same again, whose answer was lost";
    EXPECT_EQ(update(wanted).generation(), 1);
    wanted.set_maxoutstandingcheckpointrequest(5);
    EXPECT_EQ(update(wanted).status(), Updated::INVALID_CONFIG) << "somebody else's";
    wanted.set_generation(1);
    EXPECT_EQ(update(wanted).generation(), 2);
    pb::ReaderGroupConfiguration expected = wanted;
    expected.set_generation(2);
    EXPECT_EQ(get().config().DebugString(), expected.DebugString());
    wanted.set_readergroupname("a/b");
    EXPECT_EQ(update(wanted).status(), Updated::RG_NOT_FOUND);
}

TEST_F(ReaderGroupCalls, DeleteTakesTheStreamAlong) {
    EXPECT_EQ(remove(kId), Deleted::RG_NOT_FOUND);
    create(config_with(kId, 0));
    EXPECT_EQ(remove(kOtherId), Deleted::RG_NOT_FOUND) << "another group of this name, made before or after";
    EXPECT_TRUE(cluster.call(&Service::delete_reader_group, Cluster::group_info("g", ""))
                    .error()
                    .is(ErrorCode::kInvalidArgument));
    EXPECT_EQ(remove(kId), Deleted::SUCCESS);
    EXPECT_EQ(remove(kId), Deleted::RG_NOT_FOUND);
    EXPECT_EQ(get().status(), pb::ReaderGroupConfigResponse::RG_NOT_FOUND);
    EXPECT_FALSE(cluster.record(kState).has_value());
    EXPECT_EQ(cluster.segments.segments.size(), 2u) << "those of x";
    EXPECT_EQ(create(config_with(kOtherId, 0)).config().readergroupid(), kOtherId);
    EXPECT_EQ(cluster.current(kState), std::vector<std::int64_t>{1}) << "numbers go on";
}

TEST_F(ReaderGroupCalls, DeleteSucceedsWhenTheStreamIsGoneAlready) {
    create(config_with(kId, 0));
    EXPECT_EQ(cluster.seal(kState), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.remove(kState), pb::DeleteStreamStatus::SUCCESS);
    EXPECT_EQ(get().status(), pb::ReaderGroupConfigResponse::SUCCESS);
    EXPECT_EQ(remove(kId), Deleted::SUCCESS);
    EXPECT_EQ(get().status(), pb::ReaderGroupConfigResponse::RG_NOT_FOUND);
}

TEST_F(ReaderGroupCalls, AScopeWithAGroupIsNotEmpty) {
    create(config_with(kId, 0));
    for (const StreamName& name : {kGrouped, kState}) {
        cluster.seal(name);
        cluster.remove(name);
    }
    pb::ScopeInfo scope;
    scope.set_scope("s");
    EXPECT_EQ(cluster.ask(&Service::delete_scope, scope).status(), pb::DeleteScopeStatus::SCOPE_NOT_EMPTY);
    pb::StreamsInScopeRequest list;
    *list.mutable_scope() = scope;
    EXPECT_EQ(cluster.ask(&Service::list_streams_in_scope, list).streams_size(), 0) << "no stream is left";
    EXPECT_EQ(remove(kId), Deleted::SUCCESS);
    EXPECT_EQ(cluster.ask(&Service::delete_scope, scope).status(), pb::DeleteScopeStatus::SUCCESS);
}

TEST_F(ReaderGroupCalls, CreateAndDeleteAtOnceLeaveAGroupWithItsStreamOrNothing) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Cluster many{seed};
        many.make_scope("s");
        for (int i = 0; i < 6; ++i) {
            many.begin([i](Service& service) -> Task<void> {
                pb::ReaderGroupConfiguration config = Cluster::group_config("g", {Cluster::cut(kGrouped, {})});
                config.set_readergroupid(i % 2 == 0 ? kId : kOtherId);
                const auto made = co_await service.create_reader_group(config);
                EXPECT_TRUE(made && made->status() == Created::SUCCESS);
                if (i < 3) co_return;
                const auto gone = co_await service.delete_reader_group(Cluster::group_info("g", kId));
                EXPECT_TRUE(gone && gone->status() != Deleted::FAILURE);
            });
        }
        ASSERT_TRUE(many.run_until([&] { return many.ended(); }));
        ASSERT_TRUE(many.settle());
        const bool group = many.ask(&Service::get_reader_group_config, Cluster::group_info("g")).status() ==
                           pb::ReaderGroupConfigResponse::SUCCESS;
        EXPECT_EQ(many.record(kState).has_value(), group);
        EXPECT_EQ(many.segments.segments.size(), group ? 1u : 0u);
    }
}

TEST(Uuid, IsReadAndWritten) {
    EXPECT_EQ(service::uuid_text(*service::parse_uuid(kId)), kId);
    EXPECT_EQ(service::uuid_text(*service::parse_uuid("0123ABCD-0000-4000-8000-0123456789AB")), kId);
    for (const char* bad : {"", "0123abcd", "0123abcd00004000800000123456789ab000",
                            "0123abcd-0000-4000-8000-0123456789ag", "0123abcd-0000-4000-8000-0123456789ab0"}) {
        EXPECT_FALSE(service::parse_uuid(bad).has_value()) << bad;
    }
}

}  // namespace
}  // namespace millrace::controller
