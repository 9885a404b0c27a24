// SPDX-License-Identifier: Apache-2.0
//
// What each call answers, status by status, on metadata and segments in memory.
#include <gtest/gtest.h>

#include "controller/service/handlers.h"
#include "controller/testing/cluster.h"
#include "proto/controller/methods.h"

namespace millrace::controller {
namespace {

using service::Service;

const StreamName kName{"s", "x"};

std::int64_t id(std::int32_t number, std::int32_t epoch) { return SegmentId::of(number, StreamEpoch{epoch}).value; }

pb::ScopeInfo scope_info(std::string scope) {
    pb::ScopeInfo info;
    info.set_scope(std::move(scope));
    return info;
}

std::vector<std::string> list_streams(Cluster& cluster, const std::string& scope, std::size_t* pages = nullptr) {
    std::vector<std::string> names;
    pb::StreamsInScopeRequest request;
    request.mutable_scope()->set_scope(scope);
    for (;;) {
        const auto reply = cluster.ask(&Service::list_streams_in_scope, request);
        EXPECT_EQ(reply.status(), pb::StreamsInScopeResponse::SUCCESS);
        EXPECT_TRUE(reply.has_continuationtoken());
        if (pages != nullptr) ++*pages;
        if (reply.streams_size() == 0) return names;
        for (const auto& info : reply.streams()) {
            EXPECT_EQ(info.scope(), scope);
            names.push_back(info.stream());
        }
        *request.mutable_continuationtoken() = reply.continuationtoken();
    }
}

// ---- Scopes ----

TEST(ScopeCalls, AnswerEveryStatus) {
    Cluster cluster;
    EXPECT_EQ(cluster.ask(&Service::create_scope, scope_info("s")).status(), pb::CreateScopeStatus::SUCCESS);
    EXPECT_EQ(cluster.ask(&Service::create_scope, scope_info("s")).status(), pb::CreateScopeStatus::SCOPE_EXISTS);
    EXPECT_EQ(cluster.ask(&Service::create_scope, scope_info("_system")).status(), pb::CreateScopeStatus::SUCCESS);
    for (const std::string bad : {"", "a/b", "a b", "ä", "a_b", "a+b"}) {
        EXPECT_EQ(cluster.ask(&Service::create_scope, scope_info(bad)).status(),
                  pb::CreateScopeStatus::INVALID_SCOPE_NAME) << bad;
        EXPECT_FALSE(cluster.ask(&Service::check_scope_exists, scope_info(bad)).exists()) << bad;
        EXPECT_EQ(cluster.ask(&Service::delete_scope, scope_info(bad)).status(), pb::DeleteScopeStatus::SCOPE_NOT_FOUND);
    }
    EXPECT_EQ(cluster.ask(&Service::create_scope, scope_info("..")).status(), pb::CreateScopeStatus::SUCCESS);
    EXPECT_TRUE(cluster.ask(&Service::check_scope_exists, scope_info("s")).exists());
    EXPECT_FALSE(cluster.ask(&Service::check_scope_exists, scope_info("t")).exists());
    EXPECT_EQ(cluster.ask(&Service::delete_scope, scope_info("t")).status(), pb::DeleteScopeStatus::SCOPE_NOT_FOUND);

    ASSERT_EQ(cluster.create(kName, 1), pb::CreateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.ask(&Service::delete_scope, scope_info("s")).status(), pb::DeleteScopeStatus::SCOPE_NOT_EMPTY);
    EXPECT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.remove(kName), pb::DeleteStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.ask(&Service::delete_scope, scope_info("s")).status(), pb::DeleteScopeStatus::SUCCESS);
    EXPECT_FALSE(cluster.ask(&Service::check_scope_exists, scope_info("s")).exists());
    // Numbers are remembered beyond the scope, too.
    EXPECT_EQ(cluster.ask(&Service::create_scope, scope_info("s")).status(), pb::CreateScopeStatus::SUCCESS);
    EXPECT_EQ(cluster.create(kName, 1), pb::CreateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.current(kName), std::vector<std::int64_t>{1});
}

TEST(ScopeCalls, TellTheTruthOfWritesThatEndWithoutAnAnswer) {
    for (const bool done : {false, true}) {
        for (std::uint64_t at = 0; at < 3; ++at) {
            SCOPED_TRACE(std::to_string(at) + (done ? " done" : " lost"));
            Cluster cluster;
            using Outcome = metadata::MemoryMetadataStore::Outcome;
            auto n = std::make_shared<std::uint64_t>(0);
            cluster.metadata.set_fate([=](std::uint64_t) {
                if ((*n)++ != at) return Outcome::kNormal;
                return done ? Outcome::kAppliedUnheard : Outcome::kLost;
            });
            EXPECT_EQ(cluster.ask(&Service::create_scope, scope_info("s")).status(), pb::CreateScopeStatus::SUCCESS);
            *n = 0;
            EXPECT_EQ(cluster.ask(&Service::create_scope, scope_info("s")).status(), pb::CreateScopeStatus::SCOPE_EXISTS);
            *n = 0;
            EXPECT_EQ(cluster.ask(&Service::delete_scope, scope_info("s")).status(), pb::DeleteScopeStatus::SUCCESS);
            *n = 0;
            EXPECT_EQ(cluster.ask(&Service::delete_scope, scope_info("s")).status(), pb::DeleteScopeStatus::SCOPE_NOT_FOUND);
        }
    }
}

TEST(Calls, DoNotGuessWhatBecameOfAWriteThatCannotBeSettled) {
    for (const bool done : {false, true}) {
        Cluster cluster;
        cluster.make_scope("s");
        int multis = 0;
        cluster.metadata.set_fate([&](std::uint64_t) {
            ++multis;
            cluster.metadata.cut_off(true);
            using Outcome = metadata::MemoryMetadataStore::Outcome;
            return done ? Outcome::kAppliedUnheard : Outcome::kLost;
        });
        const MonotonicTime began = cluster.world().now();
        const auto scope = cluster.call(&Service::delete_scope, scope_info("s"));
        ASSERT_FALSE(scope.ok()) << "neither SUCCESS nor SCOPE_NOT_FOUND is known";
        EXPECT_TRUE(scope.error().is(ErrorCode::kUnavailable));
        EXPECT_EQ(scope.error().fate(), Fate::kUnknown);
        cluster.metadata.cut_off(false);
        const auto stream = cluster.call(&Service::create_stream, Cluster::config(kName, 1));
        ASSERT_FALSE(stream.ok());
        EXPECT_EQ(stream.error().fate(), Fate::kUnknown);
        EXPECT_EQ(multis, 2) << "nothing is sent again";
        EXPECT_LT(cluster.world().now() - began, 3 * metadata::SettledStore::kPatience);
    }
}

TEST(ScopeCalls, ListEveryNameOnceAndEndWithAnEmptyPage) {
    Cluster cluster;
    std::set<std::string> expected;
    for (int i = 0; i < 30; ++i) {
        cluster.make_scope("scope" + std::to_string(i));
        expected.insert("scope" + std::to_string(i));
    }
    std::set<std::string> listed;
    pb::ScopesRequest request;
    for (;;) {
        const auto reply = cluster.ask(&Service::list_scopes, request);
        EXPECT_TRUE(reply.has_continuationtoken());
        *request.mutable_continuationtoken() = reply.continuationtoken();
        if (reply.scopes_size() == 0) break;
        for (const std::string& scope : reply.scopes()) EXPECT_TRUE(listed.insert(scope).second) << scope;
    }
    EXPECT_EQ(listed, expected);
    // The token of the end stays good.
    EXPECT_EQ(cluster.ask(&Service::list_scopes, request).scopes_size(), 0);
}

TEST(StreamLists, HavePagesOfAThousandAndSurviveDeletions) {
    Cluster cluster;
    cluster.make_scope("s");
    EXPECT_TRUE(list_streams(cluster, "s").empty());
    constexpr int kStreams = 1100;
    std::set<std::string> expected;
    for (int i = 0; i < kStreams; ++i) {
        const std::string name = (i % 2 == 0 ? "_RG" : "x") + std::to_string(i);
        ASSERT_EQ(cluster.create({"s", name}, 1), pb::CreateStreamStatus::SUCCESS);
        expected.insert(name);
    }
    std::size_t pages = 0;
    const std::vector<std::string> names = list_streams(cluster, "s", &pages);
    EXPECT_EQ(names.size(), expected.size());
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), expected);
    EXPECT_EQ(pages, 3u);

    // The name a token points at goes away; the list goes on behind it.
    pb::StreamsInScopeRequest request;
    request.mutable_scope()->set_scope("s");
    const auto first = cluster.ask(&Service::list_streams_in_scope, request);
    ASSERT_EQ(first.streams_size(), 1000);
    const StreamName last{"s", first.streams(999).stream()};
    EXPECT_EQ(cluster.seal(last), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.remove(last), pb::DeleteStreamStatus::SUCCESS);
    *request.mutable_continuationtoken() = first.continuationtoken();
    EXPECT_EQ(cluster.ask(&Service::list_streams_in_scope, request).streams_size(), kStreams - 1000);
}

TEST(StreamLists, OfATagPassOverPagesWithoutIt) {
    Cluster cluster;
    cluster.make_scope("s");
    const auto tagged = [&](const std::string& tag) {
        std::vector<std::string> names;
        pb::StreamsInScopeWithTagRequest request;
        request.mutable_scope()->set_scope("s");
        request.set_tag(tag);
        for (;;) {
            const auto reply = cluster.ask(&Service::list_streams_in_scope_for_tag, request);
            EXPECT_EQ(reply.status(), pb::StreamsInScopeResponse::SUCCESS);
            EXPECT_TRUE(reply.has_continuationtoken());
            *request.mutable_continuationtoken() = reply.continuationtoken();
            if (reply.streams_size() == 0) return names;
            for (const auto& info : reply.streams()) names.push_back(info.stream());
        }
    };
    constexpr int kStreams = 2100;
    for (int i = 0; i < kStreams; ++i) ASSERT_EQ(cluster.create({"s", "x" + std::to_string(i)}, 1), pb::CreateStreamStatus::SUCCESS);
    const auto retag = [&](const StreamName& name, const std::vector<std::string>& tags) {
        pb::StreamConfig config = Cluster::config(name, 1);
        for (const std::string& tag : tags) config.mutable_tags()->add_tag(tag);
        EXPECT_EQ(cluster.update(config), pb::UpdateStreamStatus::SUCCESS);
    };
    EXPECT_TRUE(tagged("blue").empty());
    // One of each page that lists them all, the last but one page excepted.
    pb::StreamsInScopeRequest all;
    all.mutable_scope()->set_scope("s");
    std::vector<StreamName> chosen;
    for (int page = 0; page < 3; ++page) {
        const auto reply = cluster.ask(&Service::list_streams_in_scope, all);
        if (page != 1) chosen.emplace_back("s", reply.streams(reply.streams_size() / 2).stream());
        *all.mutable_continuationtoken() = reply.continuationtoken();
    }
    retag(chosen[0], {"green", "blue"});
    retag(chosen[1], {"blue"});
    EXPECT_EQ(tagged("blue"), (std::vector<std::string>{chosen[0].stream, chosen[1].stream}));
    EXPECT_EQ(tagged("green"), std::vector<std::string>{chosen[0].stream});
    EXPECT_TRUE(tagged("blu").empty()) << "the whole tag";
    retag(chosen[0], {});
    EXPECT_EQ(tagged("blue"), std::vector<std::string>{chosen[1].stream});
    cluster.seal(chosen[1]);
    EXPECT_EQ(tagged("blue"), std::vector<std::string>{chosen[1].stream});
    cluster.remove(chosen[1]);
    EXPECT_TRUE(tagged("blue").empty());

    pb::StreamsInScopeWithTagRequest nowhere;
    nowhere.mutable_scope()->set_scope("nope");
    EXPECT_EQ(cluster.ask(&Service::list_streams_in_scope_for_tag, nowhere).status(), pb::StreamsInScopeResponse::SCOPE_NOT_FOUND);
}

TEST(StreamLists, AnswerScopeNotFoundWithAToken) {
    Cluster cluster;
    for (const std::string scope : {"nope", "a/b"}) {
        pb::StreamsInScopeRequest request;
        request.mutable_scope()->set_scope(scope);
        const auto reply = cluster.ask(&Service::list_streams_in_scope, request);
        EXPECT_EQ(reply.status(), pb::StreamsInScopeResponse::SCOPE_NOT_FOUND);
        EXPECT_TRUE(reply.has_continuationtoken());
    }
    cluster.make_scope("s");
    pb::StreamsInScopeRequest request;
    request.mutable_scope()->set_scope("s");
    request.mutable_continuationtoken()->set_token("not ours");
    EXPECT_EQ(cluster.call(&Service::list_streams_in_scope, request).error().code(), ErrorCode::kInvalidArgument);
}

// ---- Create ----

TEST(CreateStream, AnswersEveryStatus) {
    Cluster cluster;
    EXPECT_EQ(cluster.create(kName, 1), pb::CreateStreamStatus::SCOPE_NOT_FOUND);
    EXPECT_EQ(cluster.create({"a/b", "x"}, 1), pb::CreateStreamStatus::SCOPE_NOT_FOUND);
    cluster.make_scope("s");
    EXPECT_EQ(cluster.create(kName, 2), pb::CreateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.create(kName, 3), pb::CreateStreamStatus::STREAM_EXISTS) << "whatever the configuration";
    EXPECT_EQ(cluster.current(kName).size(), 2u);
    for (const std::string bad : {"", "a/b", "a b", "a_b", "a#b"}) {
        EXPECT_EQ(cluster.create({"s", bad}, 1), pb::CreateStreamStatus::INVALID_STREAM_NAME) << bad;
    }
    EXPECT_EQ(cluster.create({"s", "_RGgroup"}, 1), pb::CreateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.create({"s", std::string(255, 'n')}, 1), pb::CreateStreamStatus::SUCCESS);
}

TEST(CreateStream, RefusesBadConfigurationsForGood) {
    Cluster cluster;
    cluster.make_scope("s");
    const auto refused = [&](std::function<void(pb::StreamConfig&)> spoil) {
        pb::StreamConfig config = Cluster::config(kName, 1);
        spoil(config);
        const auto reply = cluster.call(&Service::create_stream, config);
        return !reply.ok() && reply.error().is(ErrorCode::kInvalidArgument) && !reply.error().detail().empty();
    };
    EXPECT_TRUE(refused([](auto& c) { c.clear_scalingpolicy(); }));
    EXPECT_TRUE(refused([](auto& c) { c.mutable_scalingpolicy()->set_minnumsegments(0); }));
    EXPECT_TRUE(refused([](auto& c) { c.mutable_scalingpolicy()->set_minnumsegments(10'001); }));
    EXPECT_TRUE(refused([](auto& c) { c.mutable_scalingpolicy()->set_minnumsegments(-1); }));
    EXPECT_TRUE(refused([](auto& c) { c.set_rolloversizebytes(-1); }));
    EXPECT_TRUE(refused([](auto& c) {
        c.mutable_scalingpolicy()->set_scaletype(pb::ScalingPolicy::BY_RATE_IN_EVENTS_PER_SEC);
    }));
    EXPECT_TRUE(refused([](auto& c) {
        c.mutable_scalingpolicy()->set_scaletype(static_cast<pb::ScalingPolicy::ScalingPolicyType>(9));
    }));
    EXPECT_TRUE(refused([](auto& c) { c.mutable_tags()->add_tag(std::string(256, 't')); }));
    EXPECT_TRUE(refused([](auto& c) {
        for (int i = 0; i < 128; ++i) c.mutable_tags()->add_tag("t");
    }));
    EXPECT_FALSE(cluster.record(kName).has_value());
}

TEST(CreateStream, RefusesMoreSegmentsThanAReplyCanList) {
    Cluster cluster;
    const StreamName longest{std::string(255, 's'), std::string(255, 'x')};
    cluster.make_scope(longest.scope);
    const auto most = static_cast<int>(service::max_segments(longest));
    ASSERT_LT(most, 10'000);
    const auto refused = cluster.call(&Service::create_stream, Cluster::config(longest, most + 1));
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kInvalidArgument));
    EXPECT_NE(refused.error().detail().find(std::to_string(most)), std::string::npos);
    EXPECT_EQ(service::max_segments(kName), stream::kMaxSegments) << "short names are no limit";

    ASSERT_EQ(cluster.create(longest, 1), pb::CreateStreamStatus::SUCCESS);
    const auto scaled = cluster.scale(longest, {0}, stream::even_ranges(static_cast<std::size_t>(most) + 1));
    EXPECT_EQ(scaled->status(), pb::ScaleResponse::FAILURE);

    // The longest lists of as many as there may be: segments, and successors that each took keys from two.
    pb::SegmentRanges ranges;
    pb::SuccessorResponse successors;
    for (int i = 0; i < most; ++i) {
        const std::int64_t segment = id(std::numeric_limits<std::int32_t>::max(), stream::kMaxEpoch);
        *ranges.add_segmentranges() = service::to_range(longest, {SegmentId{segment}, {0.25, 0.5}});
        auto& entry = *successors.add_segments();
        *entry.mutable_segment() = ranges.segmentranges(i);
        entry.add_value(segment);
        entry.add_value(segment);
    }
    EXPECT_LE(ranges.ByteSizeLong(), rpc::kMaxMessageBytes);
    EXPECT_LE(successors.ByteSizeLong(), rpc::kMaxMessageBytes);
}

TEST(CreateStream, TellsTheStoreOfPolicyAndRollover) {
    Cluster cluster;
    cluster.make_scope("s");
    pb::StreamConfig config = Cluster::config(kName, 1);
    config.mutable_scalingpolicy()->set_scaletype(pb::ScalingPolicy::BY_RATE_IN_EVENTS_PER_SEC);
    config.mutable_scalingpolicy()->set_targetrate(100);
    config.mutable_scalingpolicy()->set_scalefactor(2);
    config.set_rolloversizebytes(4096);
    EXPECT_EQ(cluster.ask(&Service::create_stream, config).status(), pb::CreateStreamStatus::SUCCESS);
    ASSERT_TRUE(cluster.segments.segments.contains("s/x/0.#epoch.0"));
    EXPECT_EQ(cluster.segments.segments.at("s/x/0.#epoch.0").options, (segments::CreateOptions{2, 100, 4096}));
}

TEST(CreateStream, KeepsTheConfigurationAsGiven) {
    Cluster cluster;
    cluster.make_scope("s");
    pb::StreamConfig config = Cluster::config(kName, 3);
    config.mutable_retentionpolicy()->set_retentiontype(pb::RetentionPolicy::TIME);
    config.mutable_retentionpolicy()->set_retentionparam(1000);
    config.mutable_tags()->add_tag("a");
    config.set_timestampaggregationtimeout(7);
    config.set_rolloversizebytes(8);
    EXPECT_EQ(cluster.ask(&Service::create_stream, config).status(), pb::CreateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.ask(&Service::get_stream_configuration, Cluster::info(kName)).SerializeAsString(),
              config.SerializeAsString());

    // A retention policy of type UNKNOWN is none; tags are answered even when there are none.
    pb::StreamConfig none = Cluster::config({"s", "y"}, 1);
    none.mutable_retentionpolicy()->set_retentionparam(5);
    EXPECT_EQ(cluster.ask(&Service::create_stream, none).status(), pb::CreateStreamStatus::SUCCESS);
    const auto stored = cluster.ask(&Service::get_stream_configuration, Cluster::info({"s", "y"}));
    EXPECT_FALSE(stored.has_retentionpolicy());
    EXPECT_TRUE(stored.has_tags());
    EXPECT_EQ(cluster.call(&Service::get_stream_configuration, Cluster::info({"s", "z"})).error().code(),
              ErrorCode::kNotFound);
}

TEST(CreateStream, OfTwoAtOnceExactlyOneMadeIt) {
    Cluster cluster;
    cluster.make_scope("s");
    int made = 0;
    int found = 0;
    for (int i = 0; i < 8; ++i) {
        cluster.begin([&](Service& service) -> Task<void> {
            const auto reply = co_await service.create_stream(Cluster::config(kName, 2));
            EXPECT_TRUE(reply.ok());
            if (reply->status() == pb::CreateStreamStatus::SUCCESS) ++made;
            if (reply->status() == pb::CreateStreamStatus::STREAM_EXISTS) ++found;
        });
    }
    ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
    EXPECT_EQ(made, 1);
    EXPECT_EQ(found, 7);
}

TEST(CreateStream, HalfMadeStreamIsRegisteredButNotYetSegmented) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.segments.hold = true;
    cluster.begin([](Service& service) -> Task<void> { (void)co_await service.create_stream(Cluster::config(kName, 2)); });
    ASSERT_TRUE(cluster.run_until([&] { return cluster.record(kName).has_value(); }));
    EXPECT_TRUE(cluster.ask(&Service::check_stream_exists, Cluster::info(kName)).exists());
    EXPECT_EQ(cluster.call(&Service::get_current_segments, Cluster::info(kName)).error().code(), ErrorCode::kInternal);
    EXPECT_EQ(cluster.scale(kName, {0}, {{0.0, 0.5}})->status(), pb::ScaleResponse::FAILURE);
    cluster.segments.hold = false;
    cluster.segments.released.notify_all();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
    EXPECT_EQ(cluster.current(kName).size(), 2u);
}

// ---- Seal, delete ----

TEST(SealStream, IsRepeatableAndEmptiesTheCurrentSegments) {
    Cluster cluster;
    EXPECT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::STREAM_NOT_FOUND);
    EXPECT_EQ(cluster.seal({"s", "a/b"}), pb::UpdateStreamStatus::STREAM_NOT_FOUND);
    cluster.make_scope("s");
    cluster.create(kName, 2);
    EXPECT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::SUCCESS) << "never STREAM_SEALED";
    EXPECT_EQ(cluster.ask(&Service::get_current_segments, Cluster::info(kName)).segmentranges_size(), 0);
    EXPECT_EQ(cluster.successors(kName, 0), "") << "empty: the segment ended with its stream";
    EXPECT_EQ(cluster.scale(kName, {0}, {{0.0, 0.5}})->status(), pb::ScaleResponse::FAILURE);
    for (const auto& [segment, state] : cluster.segments.segments) EXPECT_TRUE(state.sealed) << segment;
    // The head is still there.
    pb::GetSegmentsRequest head;
    *head.mutable_streaminfo() = Cluster::info(kName);
    EXPECT_EQ(cluster.ask(&Service::get_segments, head).segments_size(), 2);
}

TEST(SealStream, WaitsForARunningScale) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kName, 1);
    cluster.segments.hold = true;
    ASSERT_EQ(cluster.scale(kName, {0}, {{0.0, 0.5}, {0.5, 1.0}})->status(), pb::ScaleResponse::STARTED);
    bool sealed = false;
    cluster.begin([&sealed](Service& service) -> Task<void> {
        const auto reply = co_await service.seal_stream(Cluster::info(kName));
        sealed = reply && reply->status() == pb::UpdateStreamStatus::SUCCESS;
    });
    cluster.world().run_for(std::chrono::seconds{1});
    EXPECT_FALSE(sealed);
    cluster.segments.hold = false;
    cluster.segments.released.notify_all();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.ended(); }));
    EXPECT_TRUE(sealed);
    EXPECT_EQ(cluster.record(kName)->current().epoch(), 1u);
}

TEST(DeleteStream, AnswersEveryStatusAndNeverReusesNumbers) {
    Cluster cluster;
    EXPECT_EQ(cluster.remove(kName), pb::DeleteStreamStatus::STREAM_NOT_FOUND);
    cluster.make_scope("s");
    std::int64_t expected = 0;
    for (int round = 0; round < 3; ++round) {
        ASSERT_EQ(cluster.create(kName, 2), pb::CreateStreamStatus::SUCCESS);
        EXPECT_EQ(cluster.current(kName), (std::vector<std::int64_t>{expected, expected + 1}));
        EXPECT_EQ(cluster.remove(kName), pb::DeleteStreamStatus::STREAM_NOT_SEALED);
        ASSERT_EQ(cluster.scale(kName, {expected}, {{0.0, 0.5}})->status(), pb::ScaleResponse::STARTED);
        ASSERT_TRUE(cluster.settle());
        EXPECT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::SUCCESS);
        EXPECT_EQ(cluster.remove(kName), pb::DeleteStreamStatus::SUCCESS);
        EXPECT_EQ(cluster.remove(kName), pb::DeleteStreamStatus::STREAM_NOT_FOUND);
        EXPECT_FALSE(cluster.ask(&Service::check_stream_exists, Cluster::info(kName)).exists());
        EXPECT_EQ(cluster.call(&Service::get_current_segments, Cluster::info(kName)).error().code(), ErrorCode::kNotFound);
        EXPECT_TRUE(cluster.segments.segments.empty());
        expected += 3;
    }
}

// ---- Scale ----

TEST(Scale, AnswersWithTheOldEpochAndTheNewSegments) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kName, 2);
    const auto reply = *cluster.scale(kName, {0}, {{0.0, 0.25}, {0.25, 0.5}});
    EXPECT_EQ(reply.status(), pb::ScaleResponse::STARTED);
    EXPECT_EQ(reply.epoch(), 0);
    ASSERT_EQ(reply.segments_size(), 2);
    EXPECT_EQ(reply.segments(0).segmentid().segmentid(), id(2, 1));
    EXPECT_EQ(reply.segments(1).maxkey(), 0.5);
    ASSERT_TRUE(cluster.settle());
    EXPECT_EQ(cluster.check_scale(kName, 0), pb::ScaleStatusResponse::SUCCESS);
    EXPECT_EQ(cluster.check_scale(kName, 1), pb::ScaleStatusResponse::IN_PROGRESS);
    EXPECT_EQ(cluster.check_scale(kName, 2), pb::ScaleStatusResponse::INVALID_INPUT);
    EXPECT_EQ(cluster.check_scale({"s", "none"}, 0), pb::ScaleStatusResponse::INVALID_INPUT);
    EXPECT_TRUE(cluster.segments.segments.at("s/x/0.#epoch.0").sealed);
    EXPECT_FALSE(cluster.segments.segments.at("s/x/1.#epoch.0").sealed);
}

TEST(Scale, RefusesWithTheRightStatus) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kName, 2);
    EXPECT_EQ(cluster.scale(kName, {7}, {{0.0, 0.5}})->status(), pb::ScaleResponse::PRECONDITION_FAILED);
    EXPECT_EQ(cluster.scale(kName, {0, 1}, {{0.0, 1.0}})->status(), pb::ScaleResponse::PRECONDITION_FAILED);
    EXPECT_EQ(cluster.scale(kName, {0}, {{0.0, 0.4}})->status(), pb::ScaleResponse::FAILURE);
    EXPECT_EQ(cluster.scale(kName, {0}, {{0.0, 0.5}, {0.0, 0.5}}).error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(cluster.scale({"s", "none"}, {0}, {{0.0, 0.5}}).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(cluster.current(kName), (std::vector<std::int64_t>{0, 1}));
}

TEST(Scale, TheSameAgainIsTheSameAndAnotherIsRefusedWhileItRuns) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kName, 2);
    cluster.segments.hold = true;
    const auto first = *cluster.scale(kName, {0}, {{0.0, 0.25}, {0.25, 0.5}});
    EXPECT_EQ(first.status(), pb::ScaleResponse::STARTED);
    const auto again = *cluster.scale(kName, {0}, {{0.25, 0.5}, {0.0, 0.25}});
    EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
    EXPECT_EQ(cluster.scale(kName, {1}, {{0.5, 1.0}})->status(), pb::ScaleResponse::FAILURE);
    EXPECT_EQ(cluster.check_scale(kName, 0), pb::ScaleStatusResponse::IN_PROGRESS);
    EXPECT_EQ(cluster.remove(kName), pb::DeleteStreamStatus::STREAM_NOT_SEALED);
    cluster.segments.hold = false;
    cluster.segments.released.notify_all();
    ASSERT_TRUE(cluster.settle());
    EXPECT_EQ(cluster.check_scale(kName, 0), pb::ScaleStatusResponse::SUCCESS);
}

TEST(Successors, AreFoundFromTheMomentOldSegmentsMayBeSealed) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kName, 2);
    EXPECT_EQ(cluster.successors(kName, 0), "") << "still current";
    // Stop the store at the first seal: by then the successors must be answered.
    bool sealing = false;
    cluster.segments.fate = [&](const std::string& what) {
        if (!what.starts_with("seal ")) return segments::FakeSegments::Outcome::kNormal;
        sealing = true;
        return segments::FakeSegments::Outcome::kDoneUnheard;
    };
    EXPECT_EQ(cluster.scale(kName, {0, 1}, {{0.0, 1.0 / 3}, {1.0 / 3, 2.0 / 3}, {2.0 / 3, 1.0}})->status(),
              pb::ScaleResponse::STARTED);
    ASSERT_TRUE(cluster.run_until([&] { return sealing; }));
    const std::string of_first = std::to_string(id(2, 1)) + "<-0 " + std::to_string(id(3, 1)) + "<-0,1";
    EXPECT_EQ(cluster.successors(kName, 0), of_first);
    EXPECT_EQ(cluster.current(kName), (std::vector<std::int64_t>{0, 1})) << "the old epoch is still current";
    cluster.segments.fate = nullptr;
    ASSERT_TRUE(cluster.settle());
    EXPECT_EQ(cluster.successors(kName, 0), of_first);
    EXPECT_EQ(cluster.successors(kName, 1), std::to_string(id(3, 1)) + "<-0,1 " + std::to_string(id(4, 1)) + "<-1");
    EXPECT_EQ(cluster.successors(kName, id(2, 1)), "");
    EXPECT_EQ(cluster.successors(kName, 99), "not found") << "never a segment of the stream";
    EXPECT_EQ(cluster.successors(kName, id(2, 7)), "not found");
    EXPECT_EQ(cluster.successors({"s", "none"}, 0), "not found");
}

TEST(History, AnswersEveryEpochAcrossChunks) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kName, 1);
    // 150 epochs, over two chunk borders: split, then merge, then split...
    std::vector<std::vector<std::int64_t>> epochs = {{0}};
    std::vector<std::int64_t> now = {0};
    for (int epoch = 1; epoch <= 150; ++epoch) {
        const bool split = now.size() == 1;
        const auto reply = split ? cluster.scale(kName, now, {{0.0, 0.5}, {0.5, 1.0}}) : cluster.scale(kName, now, {{0.0, 1.0}});
        ASSERT_EQ(reply->status(), pb::ScaleResponse::STARTED) << epoch;
        ASSERT_EQ(reply->epoch(), epoch - 1);
        ASSERT_TRUE(cluster.settle());
        now = cluster.current(kName);
        epochs.push_back(now);
    }
    for (const bool restarted : {false, true}) {
        if (restarted) cluster.restart();
        for (int epoch = 0; epoch <= 150; ++epoch) {
            pb::GetEpochSegmentsRequest request;
            *request.mutable_streaminfo() = Cluster::info(kName);
            request.set_epoch(epoch);
            const auto reply = cluster.ask(&Service::get_epoch_segments, request);
            std::vector<std::int64_t> ids;
            for (const auto& range : reply.segmentranges()) ids.push_back(range.segmentid().segmentid());
            ASSERT_EQ(ids, epochs[static_cast<std::size_t>(epoch)]) << epoch;
        }
    }
    // From the very first segment to the newest, one hop after the other.
    EXPECT_EQ(cluster.successors(kName, 0), std::to_string(id(1, 1)) + "<-0 " + std::to_string(id(2, 1)) + "<-0");
    EXPECT_EQ(cluster.successors(kName, epochs[149][0]).empty(), false);
    pb::GetEpochSegmentsRequest request;
    *request.mutable_streaminfo() = Cluster::info(kName);
    request.set_epoch(151);
    EXPECT_EQ(cluster.call(&Service::get_epoch_segments, request).error().code(), ErrorCode::kNotFound);
    request.set_epoch(-1);
    EXPECT_EQ(cluster.call(&Service::get_epoch_segments, request).error().code(), ErrorCode::kInvalidArgument);

    // Deletion takes the segments of all of them.
    EXPECT_EQ(cluster.seal(kName), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.remove(kName), pb::DeleteStreamStatus::SUCCESS);
    EXPECT_TRUE(cluster.segments.segments.empty());
    // 150 epochs made 75 splits and 75 merges: 1 + 75 * 2 + 75 numbers.
    EXPECT_EQ(cluster.create(kName, 1), pb::CreateStreamStatus::SUCCESS);
    EXPECT_EQ(cluster.current(kName), std::vector<std::int64_t>{226});
}

// ---- The rest ----

TEST(SegmentCalls, AnswerWithoutLookingWhereNothingIsToBeLookedUp) {
    Cluster cluster;
    pb::SegmentId any;
    any.mutable_streaminfo()->set_scope("nobody");
    any.mutable_streaminfo()->set_stream("table_kvtable");
    const auto uri = cluster.ask(&Service::get_uri, any);
    EXPECT_EQ(uri.endpoint(), "store");
    EXPECT_EQ(uri.port(), 12345);
    EXPECT_EQ(cluster.ask(&Service::get_delegation_token, pb::StreamInfo{}).delegationtoken(), "");
    const auto servers = cluster.ask(&Service::get_controller_server_list, pb::ServerRequest{});
    ASSERT_EQ(servers.nodeuri_size(), 1);
    EXPECT_EQ(servers.nodeuri(0).port(), 9090);
}

TEST(SegmentCalls, TellWhichSegmentsAreValid) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kName, 1);
    const auto valid = [&](std::int64_t segment) {
        pb::SegmentId request;
        *request.mutable_streaminfo() = Cluster::info(kName);
        request.set_segmentid(segment);
        return cluster.ask(&Service::is_segment_valid, request).response();
    };
    EXPECT_TRUE(valid(0));
    EXPECT_FALSE(valid(1));
    EXPECT_EQ(cluster.scale(kName, {0}, {{0.0, 1.0}})->status(), pb::ScaleResponse::STARTED);
    ASSERT_TRUE(cluster.settle());
    EXPECT_FALSE(valid(0));
    EXPECT_TRUE(valid(id(1, 1)));
    cluster.seal(kName);
    EXPECT_FALSE(valid(id(1, 1)));
}

TEST(SegmentCalls, GetSegmentsIsTheHeadWhateverTheTime) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.create(kName, 2);
    EXPECT_EQ(cluster.scale(kName, {0, 1}, {{0.0, 0.5}, {0.5, 1.0}})->status(), pb::ScaleResponse::STARTED);
    ASSERT_TRUE(cluster.settle());
    pb::GetSegmentsRequest request;
    *request.mutable_streaminfo() = Cluster::info(kName);
    for (const std::int64_t time : {std::int64_t{0}, INT64_MAX, INT64_MIN}) {
        request.set_timestamp(time);
        const auto reply = cluster.ask(&Service::get_segments, request);
        ASSERT_EQ(reply.segments_size(), 2);
        EXPECT_EQ(reply.segments(0).segmentid().segmentid(), 0);
        EXPECT_EQ(reply.segments(1).segmentid().segmentid(), 1);
        EXPECT_EQ(reply.segments(0).offset(), 0);
    }
}

TEST(Calls, WithIllegalNamesFailForGood) {
    Cluster cluster;
    const pb::StreamInfo bad = Cluster::info({"s", "a/../b"});
    EXPECT_EQ(cluster.call(&Service::get_current_segments, bad).error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(cluster.call(&Service::get_stream_configuration, bad).error().code(), ErrorCode::kInvalidArgument);
    EXPECT_FALSE(cluster.ask(&Service::check_stream_exists, bad).exists());
}

TEST(Calls, FailAndMayBeRepeatedWhileTheMetadataIsOut) {
    Cluster cluster;
    cluster.make_scope("s");
    cluster.metadata.cut_off(true);
    EXPECT_EQ(cluster.call(&Service::create_stream, Cluster::config(kName, 1)).error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(cluster.call(&Service::get_current_segments, Cluster::info(kName)).error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(cluster.call(&Service::create_scope, scope_info("t")).error().code(), ErrorCode::kUnavailable);
    pb::ScaleStatusRequest request;
    *request.mutable_streaminfo() = Cluster::info(kName);
    EXPECT_EQ(cluster.ask(&Service::check_scale, request).status(), pb::ScaleStatusResponse::INTERNAL_ERROR);
    cluster.metadata.cut_off(false);
    EXPECT_EQ(cluster.create(kName, 1), pb::CreateStreamStatus::SUCCESS);
}

// ---- Handlers ----

TEST(Handlers, AnswerUnimplementedWithTheNameOfTheCall) {
    Cluster cluster;
    const auto offered = service::handlers(cluster.service());
    const rpc::Handler otherwise = service::otherwise();
    std::size_t missing = 0;
    for (const proto::ControllerMethod& row : proto::kControllerMethods) {
        const std::string method = row.path();
        EXPECT_EQ(offered.contains(method), row.offer == proto::Offer::kOffered) << row.name;
        if (offered.contains(method)) continue;
        ++missing;
        const auto reply = cluster.world().run([&]() -> Task<Result<std::string>> {
            rpc::Request request;
            request.method = method;
            co_return co_await otherwise(std::move(request));
        });
        ASSERT_FALSE(reply.ok());
        EXPECT_EQ(rpc::to_status(reply.error().code()), rpc::StatusCode::kUnimplemented);
        EXPECT_EQ(reply.error().detail(),
                  "this version of the controller does not offer the call " + std::string{row.name});
    }
    for (const auto& [method, handler] : offered) EXPECT_NE(proto::find_controller_method(method), nullptr) << method;
    EXPECT_EQ(offered.size() + missing, proto::kControllerMethods.size());
    EXPECT_TRUE(offered.contains(proto::controller_method("getSegmentsImmediatlyFollowing")));
    EXPECT_TRUE(offered.contains(proto::controller_method("getSegmentsImmediatelyFollowing")));
}

TEST(Handlers, AnswerInvalidArgumentToWhatIsNotTheMessage) {
    Cluster cluster;
    const auto offered = service::handlers(cluster.service());
    for (const auto& [method, handler] : offered) {
        if (method.ends_with("getControllerServerList")) continue;
        const auto reply = cluster.world().run([&]() -> Task<Result<std::string>> {
            rpc::Request request;
            request.method = method;
            request.body = "\xff\xff\xff not a message";
            co_return co_await handler(std::move(request));
        });
        ASSERT_FALSE(reply.ok()) << method;
        EXPECT_TRUE(reply.error().is(ErrorCode::kInvalidArgument)) << method;
    }
}

TEST(Handlers, SayThatACallIsNotOfTheProtocol) {
    Cluster cluster;
    const rpc::Handler otherwise = service::otherwise();
    for (const char* method : {"/Other/createStream", "/createStream", "createStream", ""}) {
        const auto reply = cluster.world().run([&]() -> Task<Result<std::string>> {
            rpc::Request request;
            request.method = method;
            co_return co_await otherwise(std::move(request));
        });
        ASSERT_FALSE(reply.ok());
        EXPECT_TRUE(reply.error().is(ErrorCode::kUnsupported));
        EXPECT_NE(reply.error().detail().find("there is no call"), std::string::npos);
    }
}

}  // namespace
}  // namespace millrace::controller
