// SPDX-License-Identifier: Apache-2.0
//
// The controller's protocol on real gRPC, in front of a real segment store: what other clients than ours do, call by
// call, and that the segment store has done what the answers say.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "common/rpc/grpc/grpc_rpc.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "millrace/client.h"
#include "proto/controller/controller.pb.h"
#include "proto/controller/methods.h"
#include "tests/endtoend/local_cluster.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;
namespace pb = io::pravega::controller::stream::api::grpc::v1;

const StreamName kStream{"scope", "stream"};

class ControllerProtocol : public ::testing::Test {
protected:
    ControllerProtocol() : rpc_{rpc::make_grpc_rpc(asio_.bundle())} {
        asio_.start_thread("calls");
        cluster_.start();
        const std::string at = cluster_.controller();
        const std::size_t colon = at.rfind(':');
        channel_ = rpc_->channel({at.substr(0, colon), static_cast<std::uint16_t>(std::stoi(at.substr(colon + 1)))});
        client_ = Client::create({.controller = at}).value();
        EXPECT_TRUE(client_->streams().create_scope("scope").value());
        EXPECT_TRUE(client_->streams().create_stream(kStream, {.min_segments = 2}).value());
    }
    ~ControllerProtocol() override {
        block_on(asio_.executor(), [this]() -> Task<bool> {
            co_await channel_->close();
            channel_.reset();
            co_return true;
        });
    }

    Result<std::string> call(std::string_view method, std::string request) {
        return block_on(
            asio_.executor(), [this, path = proto::controller_method(method), request]() -> Task<Result<std::string>> {
                co_return co_await channel_->call(path, request, Deadline::after(asio_.bundle().clock, 60s));
            });
    }
    template <class Reply, class Request>
    Reply ask(std::string_view method, const Request& request) {
        const Result<std::string> body = call(method, request.SerializeAsString());
        Reply reply;
        if (!body)
            ADD_FAILURE() << method << ": " << body.error().to_string();
        else
            EXPECT_TRUE(reply.ParseFromString(*body)) << method;
        return reply;
    }

    static pb::StreamInfo info(const StreamName& name) {
        pb::StreamInfo info;
        info.set_scope(name.scope);
        info.set_stream(name.stream);
        return info;
    }
    static pb::StreamCut cut_at(const Position& position) {
        pb::StreamCut cut;
        *cut.mutable_streaminfo() = info(kStream);
        for (const auto& [segment, offset] : position.offsets) (*cut.mutable_cut())[segment.value] = offset;
        return cut;
    }
    pb::SegmentsAtTime head() {
        pb::GetSegmentsRequest request;
        *request.mutable_streaminfo() = info(kStream);
        return ask<pb::SegmentsAtTime>("getSegments", request);
    }

    void write(int first, int last) {
        auto writer = client_->create_writer(kStream).value();
        for (int i = first; i <= last; ++i)
            EXPECT_TRUE(writer->write("key" + std::to_string(i % 20), std::to_string(i)));
        EXPECT_TRUE(writer->close());
    }
    // From the head to the present end.
    std::set<int> read() {
        ReaderOptions options;
        options.until = client_->streams().tail(kStream).value();
        auto reader = client_->create_reader(kStream, std::move(options)).value();
        std::set<int> events;
        for (;;) {
            const auto next = reader->next(30s);
            if (!next) {
                ADD_FAILURE() << next.error().to_string();
                return events;
            }
            if (next->outcome != EventReader::Outcome::kEvent) return events;
            EXPECT_TRUE(events.insert(std::stoi(std::string{as_text(next->event.payload)})).second);
        }
    }
    static std::set<int> numbers(int first, int last) {
        std::set<int> all;
        for (int i = first; i <= last; ++i) all.insert(i);
        return all;
    }

    testing::LocalCluster cluster_;
    AsioRuntime asio_;
    std::unique_ptr<rpc::Rpc> rpc_;
    std::unique_ptr<rpc::Channel> channel_;
    std::unique_ptr<Client> client_;
};

TEST_F(ControllerProtocol, ATruncationTakesTheEventsBeforeTheCutAndNoOthers) {
    write(1, 200);
    const Position first = client_->streams().tail(kStream).value();
    ASSERT_TRUE(client_->streams().scale(kStream, {SegmentId{0}, SegmentId{1}}, {{0.0, 0.3}, {0.3, 0.6}, {0.6, 1.0}}));
    write(201, 400);
    const Position second = client_->streams().tail(kStream).value();
    write(401, 500);
    EXPECT_EQ(read(), numbers(1, 500));

    EXPECT_TRUE(ask<pb::StreamCutValidityResponse>("isStreamCutValid", cut_at(first)).response());
    EXPECT_EQ(ask<pb::UpdateStreamStatus>("truncateStream", cut_at(first)).status(), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(read(), numbers(201, 500));
    EXPECT_EQ(ask<pb::UpdateStreamStatus>("truncateStream", cut_at(second)).status(), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(read(), numbers(401, 500));
    EXPECT_EQ(ask<pb::UpdateStreamStatus>("truncateStream", cut_at(first)).status(), pb::UpdateStreamStatus::FAILURE);
    pb::StreamCut beyond = cut_at(second);
    for (auto& [segment, offset] : *beyond.mutable_cut()) offset += 1'000'000;
    EXPECT_EQ(ask<pb::UpdateStreamStatus>("truncateStream", beyond).status(), pb::UpdateStreamStatus::FAILURE);

    const pb::SegmentsAtTime before = head();
    EXPECT_EQ(before.segments_size(), 3);
    cluster_.stop();
    cluster_.start();
    EXPECT_EQ(head().SerializeAsString(), before.SerializeAsString());
    EXPECT_EQ(read(), numbers(401, 500));

    pb::StreamCutRange range;
    *range.mutable_streaminfo() = info(kStream);
    *range.mutable_from() = cut_at(second).cut();
    EXPECT_EQ(ask<pb::StreamCutRangeResponse>("getSegmentsBetween", range).segments_size(), 3);
    *range.mutable_from() = cut_at(first).cut();
    EXPECT_EQ(ask<pb::StreamCutRangeResponse>("getSegmentsBetween", range).segments_size(), 5);

    ASSERT_TRUE(client_->streams().seal(kStream));
    ASSERT_TRUE(client_->streams().remove(kStream));
}

TEST_F(ControllerProtocol, AnUpdateGivesTheStreamTheSegmentsThatItAsksForUnderItsWriters) {
    auto writer = client_->create_writer(kStream).value();
    int event = 0;
    for (const int segments : {4, 1, 3}) {
        for (int i = 0; i < 100; ++i, ++event)
            ASSERT_TRUE(writer->write("key" + std::to_string(event % 20), std::to_string(event)));
        pb::StreamConfig config;
        *config.mutable_streaminfo() = info(kStream);
        config.mutable_scalingpolicy()->set_minnumsegments(segments);
        config.mutable_tags()->add_tag("of-" + std::to_string(segments));
        EXPECT_EQ(ask<pb::UpdateStreamStatus>("updateStream", config).status(), pb::UpdateStreamStatus::SUCCESS);
        EXPECT_EQ(ask<pb::SegmentRanges>("getCurrentSegments", info(kStream)).segmentranges_size(), segments);
        EXPECT_EQ(ask<pb::StreamConfig>("getStreamConfiguration", info(kStream)).SerializeAsString(),
                  config.SerializeAsString());
    }
    ASSERT_TRUE(writer->close());
    EXPECT_EQ(read(), numbers(0, event - 1));
}

// The calls of a reader group in Java, from its creation to its end, in their order.
TEST_F(ControllerProtocol, AReaderGroupFindsEverythingThatItLooksFor) {
    write(1, 100);
    pb::ReaderGroupConfiguration config;
    config.set_scope("scope");
    config.set_readergroupname("group");
    config.set_grouprefreshtimemillis(3000);
    config.set_automaticcheckpointintervalmillis(30'000);
    config.set_maxoutstandingcheckpointrequest(3);
    config.set_generation(-1);
    config.set_readergroupid("00000000-0000-0000-0000-000000000000");
    *config.add_startingstreamcuts()->mutable_streaminfo() = info(kStream);
    *config.add_endingstreamcuts()->mutable_streaminfo() = info(kStream);
    const auto created = ask<pb::CreateReaderGroupResponse>("createReaderGroup", config);
    ASSERT_EQ(created.status(), pb::CreateReaderGroupResponse::SUCCESS);
    const std::string id = created.config().readergroupid();

    const StreamName state{"scope", "_RGgroup"};
    const StreamName marks{"scope", "_MARKstream"};
    for (const StreamName& name : {state, marks}) {
        const auto segments = ask<pb::SegmentRanges>("getCurrentSegments", info(name));
        ASSERT_EQ(segments.segmentranges_size(), 1) << name.to_string();
        EXPECT_EQ(segments.segmentranges(0).maxkey(), 1.0);
        EXPECT_EQ(segments.delegationtoken(), "");
        EXPECT_EQ(ask<pb::DelegationToken>("getDelegationToken", info(name)).delegationtoken(), "");
        EXPECT_NE(ask<pb::NodeUri>("getURI", segments.segmentranges(0).segmentid()).port(), 0);
        // It is there for the segment store, too: an event goes in and comes back.
        auto writer = client_->create_writer(name).value();
        ASSERT_TRUE(writer->write("k", "state"));
        ASSERT_TRUE(writer->close());
    }
    EXPECT_EQ(head().SerializeAsString(), head().SerializeAsString()) << "asked twice by every client of Java";
    EXPECT_EQ(head().segments_size(), 2);

    config.set_readergroupid(id);
    config.set_generation(0);
    config.set_retentiontype(2);
    const auto updated = ask<pb::UpdateReaderGroupResponse>("updateReaderGroup", config);
    EXPECT_EQ(updated.status(), pb::UpdateReaderGroupResponse::SUCCESS);
    EXPECT_EQ(updated.generation(), 1);
    cluster_.stop();
    cluster_.start();
    pb::ReaderGroupInfo group;
    group.set_scope("scope");
    group.set_readergroup("group");
    group.set_readergroupid(id);
    auto stored = ask<pb::ReaderGroupConfigResponse>("getReaderGroupConfig", group);
    config.set_generation(1);
    EXPECT_EQ(stored.config().DebugString(), config.DebugString());

    EXPECT_EQ(ask<pb::DeleteReaderGroupStatus>("deleteReaderGroup", group).status(),
              pb::DeleteReaderGroupStatus::SUCCESS);
    EXPECT_FALSE(ask<pb::ExistsResponse>("checkStreamExists", info(state)).exists());
    EXPECT_EQ(ask<pb::ReaderGroupConfigResponse>("getReaderGroupConfig", group).status(),
              pb::ReaderGroupConfigResponse::RG_NOT_FOUND);
    ASSERT_TRUE(client_->streams().seal(kStream));
    ASSERT_TRUE(client_->streams().remove(kStream));
    EXPECT_FALSE(ask<pb::ExistsResponse>("checkStreamExists", info(marks)).exists());
    pb::ScopeInfo scope;
    scope.set_scope("scope");
    EXPECT_EQ(ask<pb::DeleteScopeStatus>("deleteScope", scope).status(), pb::DeleteScopeStatus::SUCCESS);
}

TEST_F(ControllerProtocol, EveryCallIsAnsweredAlsoAnEmptyOne) {
    for (const proto::ControllerMethod& row : proto::kControllerMethods) {
        const Result<std::string> reply = call(row.name, "");
        if (reply) continue;
        const ErrorCode code = reply.error().code();
        if (row.offer == proto::Offer::kNotYet) {
            EXPECT_EQ(code, ErrorCode::kUnsupported) << row.name;
            EXPECT_NE(reply.error().detail().find(row.name), std::string::npos) << reply.error().to_string();
        } else {
            EXPECT_TRUE(code == ErrorCode::kInvalidArgument || code == ErrorCode::kNotFound)
                << row.name << ": " << reply.error().to_string();
        }
    }
}

}  // namespace
}  // namespace millrace
