// SPDX-License-Identifier: Apache-2.0
//
// A whole controller over real gRPC on loopback, RocksDB on disk, and a scripted segment store.
#include "controller/server/controller.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "common/keyvalue/rocksdb/rocksdb_engine.h"
#include "common/metadata/embedded/embedded_metadata_store.h"
#include "common/rpc/grpc/grpc_rpc.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "controller/testing/scripted_store.h"
#include "proto/controller/controller.pb.h"
#include "proto/controller/methods.h"

namespace millrace::controller {
namespace {

using namespace std::chrono_literals;
namespace pb = io::pravega::controller::stream::api::grpc::v1;

class ControllerOverGrpc : public testing::Test {
protected:
    ControllerOverGrpc() {
        std::string pattern = (std::filesystem::temp_directory_path() / "millrace-controller-XXXXXX").string();
        MR_CHECK(mkdtemp(pattern.data()) != nullptr);
        directory_ = pattern;
        runtime_.start_thread("test");
        rpc_ = rpc::make_grpc_rpc(runtime_.bundle());
        run([this]() -> Task<bool> {
            store_ = std::make_unique<ScriptedStore>(runtime_.bundle());
            const Result<Endpoint> at = co_await store_->listen({"127.0.0.1", 0});
            MR_CHECK(at.ok());
            store_at_ = *at;
            co_return true;
        });
        start();
    }
    ~ControllerOverGrpc() override {
        stop();
        run([this]() -> Task<bool> {
            co_await store_->close();
            store_.reset();
            co_return true;
        });
        runtime_.stop();
        runtime_.join();
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }

    template <class F, class R = typename std::invoke_result_t<F&>::value_type>
    R run(F start) {
        return block_on(runtime_.executor(), std::move(start));
    }
    Deadline after(std::chrono::nanoseconds duration) { return Deadline::after(runtime_.bundle().clock, duration); }

    ControllerOptions options(Endpoint listen) {
        return {.listen = listen,
                .advertise = {"127.0.0.1", 0},
                .segment_store = store_advertised_.host.empty() ? store_at_ : store_advertised_,
                .segment_store_internal = store_advertised_.host.empty() ? Endpoint{} : store_at_};
    }

    void start() {
        const Result<bool> started = run([this]() -> Task<Result<bool>> {
            MR_CO_TRY(metadata_, co_await metadata::EmbeddedMetadataStore::open(
                                     runtime_.bundle(), keyvalue::make_rocksdb_engine(), {.directory = directory_ / "metadata"}));
            MR_CO_TRY(controller_,
                      co_await Controller::start(runtime_.bundle(), *rpc_, *metadata_, options({"127.0.0.1", 0})));
            channel_ = rpc_->channel(controller_->local());
            co_return true;
        });
        ASSERT_TRUE(started.ok()) << started.error().to_string();
    }
    void stop() {
        run([this]() -> Task<bool> {
            if (channel_) co_await channel_->close();
            if (controller_) co_await controller_->close(after(100ms));
            if (metadata_) co_await metadata_->close();
            channel_.reset();
            controller_.reset();
            metadata_.reset();
            co_return true;
        });
    }

    template <class Reply, class Request>
    Result<Reply> call(std::string_view method, const Request& request) {
        const Result<std::string> body =
            run([this, path = proto::controller_method(method), bytes = request.SerializeAsString()]()
                    -> Task<Result<std::string>> { co_return co_await channel_->call(path, bytes, after(60s)); });
        if (!body) return body.error();
        Reply reply;
        if (!reply.ParseFromString(*body)) return Error{ErrorCode::kCorrupt, "not a reply"};
        return reply;
    }
    static pb::StreamInfo info() {
        pb::StreamInfo info;
        info.set_scope("s");
        info.set_stream("x");
        return info;
    }
    static pb::StreamConfig config(int segments) {
        pb::StreamConfig config;
        *config.mutable_streaminfo() = info();
        config.mutable_scalingpolicy()->set_minnumsegments(segments);
        return config;
    }
    void make_stream(int segments) {
        pb::ScopeInfo scope;
        scope.set_scope("s");
        ASSERT_EQ(call<pb::CreateScopeStatus>("createScope", scope)->status(), pb::CreateScopeStatus::SUCCESS);
        ASSERT_EQ(call<pb::CreateStreamStatus>("createStream", config(segments))->status(), pb::CreateStreamStatus::SUCCESS);
    }
    std::vector<std::int64_t> current() {
        std::vector<std::int64_t> ids;
        const auto reply = call<pb::SegmentRanges>("getCurrentSegments", info());
        if (reply) {
            for (const auto& range : reply->segmentranges()) ids.push_back(range.segmentid().segmentid());
        }
        return ids;
    }

    std::filesystem::path directory_;
    AsioRuntime runtime_;
    std::unique_ptr<rpc::Rpc> rpc_;
    std::unique_ptr<ScriptedStore> store_;
    Endpoint store_at_;
    Endpoint store_advertised_;  // host empty: where it is
    std::unique_ptr<metadata::EmbeddedMetadataStore> metadata_;
    std::unique_ptr<Controller> controller_;
    std::unique_ptr<rpc::Channel> channel_;
};

TEST_F(ControllerOverGrpc, CarriesAStreamThroughItsLife) {
    make_stream(2);
    EXPECT_EQ(current(), (std::vector<std::int64_t>{0, 1}));
    EXPECT_EQ(store_->segments.size(), 2u);

    pb::SegmentId segment;
    *segment.mutable_streaminfo() = info();
    const auto uri = call<pb::NodeUri>("getURI", segment);
    EXPECT_EQ(uri->endpoint(), store_at_.host);
    EXPECT_EQ(uri->port(), store_at_.port);
    const auto servers = call<pb::ServerResponse>("getControllerServerList", pb::ServerRequest{});
    ASSERT_EQ(servers->nodeuri_size(), 1);
    EXPECT_EQ(servers->nodeuri(0).port(), controller_->local().port) << "the real port";

    pb::ScaleRequest scale;
    *scale.mutable_streaminfo() = info();
    scale.add_sealedsegments(0);
    auto& range = *scale.add_newkeyranges();
    range.set_end(0.5);
    EXPECT_EQ(call<pb::ScaleResponse>("scale", scale)->status(), pb::ScaleResponse::STARTED);
    pb::ScaleStatusRequest status;
    *status.mutable_streaminfo() = info();
    while (call<pb::ScaleStatusResponse>("checkScale", status)->status() == pb::ScaleStatusResponse::IN_PROGRESS) {
    }
    EXPECT_EQ(call<pb::ScaleStatusResponse>("checkScale", status)->status(), pb::ScaleStatusResponse::SUCCESS);
    for (const std::string_view spelling : {"getSegmentsImmediatlyFollowing", "getSegmentsImmediatelyFollowing"}) {
        const auto successors = call<pb::SuccessorResponse>(spelling, segment);
        ASSERT_TRUE(successors.ok()) << spelling;
        EXPECT_EQ(successors->segments_size(), 1);
    }

    EXPECT_EQ(call<pb::UpdateStreamStatus>("sealStream", info())->status(), pb::UpdateStreamStatus::SUCCESS);
    EXPECT_EQ(call<pb::DeleteStreamStatus>("deleteStream", info())->status(), pb::DeleteStreamStatus::SUCCESS);
    EXPECT_TRUE(store_->segments.empty());
    EXPECT_EQ(call<pb::SegmentRanges>("getCurrentSegments", info()).error().code(), ErrorCode::kNotFound);
}

TEST_F(ControllerOverGrpc, NeedNotReachTheSegmentStoreWhereItsClientsDo) {
    stop();
    store_advertised_ = {"store.invalid", 12345};
    start();
    make_stream(2);
    EXPECT_EQ(store_->segments.size(), 2u);
    const auto uri = call<pb::NodeUri>("getURI", pb::SegmentId{});
    EXPECT_EQ(uri->endpoint(), "store.invalid");
    EXPECT_EQ(uri->port(), 12345);
}

TEST_F(ControllerOverGrpc, AnswersUnimplementedWithASentence) {
    const auto reply = call<pb::CreateTxnResponse>("createTransaction", pb::CreateTxnRequest{});
    ASSERT_FALSE(reply.ok());
    EXPECT_TRUE(reply.error().is(ErrorCode::kUnsupported));
    EXPECT_NE(reply.error().detail().find("createTransaction"), std::string::npos);
}

TEST_F(ControllerOverGrpc, KeepsEverythingOverARestart) {
    make_stream(3);
    stop();
    start();
    EXPECT_EQ(current(), (std::vector<std::int64_t>{0, 1, 2}));
}

TEST_F(ControllerOverGrpc, ResumesAfterARestartWhatTheStoreHadNotAnswered) {
    make_stream(1);
    run([this]() -> Task<bool> {
        store_->silent = true;
        co_return true;
    });
    pb::ScaleRequest scale;
    *scale.mutable_streaminfo() = info();
    scale.add_sealedsegments(0);
    auto& range = *scale.add_newkeyranges();
    range.set_end(1.0);
    EXPECT_EQ(call<pb::ScaleResponse>("scale", scale)->status(), pb::ScaleResponse::STARTED);
    stop();
    run([this]() -> Task<bool> {
        store_->silent = false;
        co_return true;
    });
    start();
    const std::int64_t expected = (std::int64_t{1} << 32) + 1;
    while (current() != std::vector<std::int64_t>{expected}) {
    }
}

TEST_F(ControllerOverGrpc, RefusesAPortThatIsTaken) {
    const auto second = run([this]() -> Task<Result<bool>> {
        Result<std::unique_ptr<Controller>> other =
            co_await Controller::start(runtime_.bundle(), *rpc_, *metadata_, options(controller_->local()));
        if (!other) co_return std::move(other).error();
        co_await (*other)->close(after(1s));
        co_return true;
    });
    ASSERT_FALSE(second.ok());
    EXPECT_TRUE(second.error().is(ErrorCode::kInUse)) << second.error().to_string();
}

}  // namespace
}  // namespace millrace::controller
