// SPDX-License-Identifier: Apache-2.0
//
// Controller calls against a scripted channel in virtual time: retries, pages, statuses.
#include "client/control/controller_client.h"

#include <gtest/gtest.h>

#include "proto/controller/controller.pb.h"
#include "proto/controller/methods.h"
#include "tests/sim/world.h"

namespace millrace::client {
namespace {

using namespace std::chrono_literals;
namespace pb = io::pravega::controller::stream::api::grpc::v1;

class ScriptedChannel final : public rpc::Channel {
public:
    using Script = std::function<Result<std::string>(const std::string& method, const std::string& body)>;
    explicit ScriptedChannel(Script script) : script_{std::move(script)} {}
    Task<Result<std::string>> call(std::string method, std::string body, Deadline, rpc::Metadata) override {
        co_return script_(method, body);
    }
    Task<void> close() override { co_return; }

private:
    const Script script_;
};

class ControllerClientTest : public ::testing::Test {
protected:
    ControllerClientTest()
        : controller{world.add_node("app").runtime(),
                     std::make_unique<ScriptedChannel>([this](const std::string& method, const std::string& body) {
                         ++calls;
                         method_called = method;
                         return script(body);
                     }),
                     Endpoint{"somewhere", 9090}, 10s} {}

    template <class Reply>
    static std::string reply_with(int status) {
        Reply reply;
        reply.set_status(static_cast<decltype(reply.status())>(status));
        return reply.SerializeAsString();
    }
    void answer(Result<std::string> reply) {
        script = [reply](const std::string&) { return reply; };
    }

    sim::World world{1};
    ControllerClient controller;
    int calls = 0;
    std::string method_called;
    std::function<Result<std::string>(const std::string&)> script;
    const StreamName stream{"scope", "stream"};
};

TEST_F(ControllerClientTest, TriesAsLongAsItMayAndNamesTheAddress) {
    answer(Error{ErrorCode::kUnavailable, "connection refused"});
    const MonotonicTime start = world.now();
    const auto result = world.run([&] { return controller.list_scopes(); });
    ASSERT_FALSE(result.ok());
    EXPECT_TRUE(result.error().is(ErrorCode::kUnavailable));
    EXPECT_EQ(result.error().detail(), "controller somewhere:9090 could not be reached for 10 s: connection refused");
    EXPECT_GE(world.now() - start, 8s);
    EXPECT_LE(world.now() - start, 10s);
}

TEST_F(ControllerClientTest, TriesAgainWhatMayPassAndNothingElse) {
    for (const ErrorCode code : {ErrorCode::kInternal, ErrorCode::kUnavailable, ErrorCode::kFailedPrecondition}) {
        calls = 0;
        script = [&](const std::string&) -> Result<std::string> {
            if (calls < 4) return Error{code, "not now"};
            return reply_with<pb::CreateScopeStatus>(pb::CreateScopeStatus::SUCCESS);
        };
        const auto made = world.run([&] { return controller.create_scope("s"); });
        ASSERT_TRUE(made.ok());
        EXPECT_TRUE(*made);
        EXPECT_EQ(calls, 4);
    }
    for (const ErrorCode code : {ErrorCode::kInvalidArgument, ErrorCode::kPermissionDenied, ErrorCode::kUnsupported}) {
        calls = 0;
        answer(Error{code, "never"});
        EXPECT_TRUE(world.run([&] { return controller.create_scope("s"); }).error().is(code));
        EXPECT_EQ(calls, 1);
    }
    calls = 0;
    answer(Error{ErrorCode::kInternal, "broken"});
    EXPECT_FALSE(world.run([&] { return controller.create_scope("s"); }).ok());
    EXPECT_LE(calls, 10);
}

TEST_F(ControllerClientTest, TurnsStatusesIntoResults) {
    const auto code = [](const auto& result) { return result.ok() ? ErrorCode{} : result.error().code(); };
    answer(reply_with<pb::CreateScopeStatus>(pb::CreateScopeStatus::SCOPE_EXISTS));
    EXPECT_FALSE(*world.run([&] { return controller.create_scope("s"); }));
    answer(reply_with<pb::CreateStreamStatus>(pb::CreateStreamStatus::STREAM_EXISTS));
    EXPECT_FALSE(*world.run([&] { return controller.create_stream(stream, {.min_segments = 3}); }));
    answer(reply_with<pb::CreateStreamStatus>(pb::CreateStreamStatus::SCOPE_NOT_FOUND));
    const auto no_scope = world.run([&] { return controller.create_stream(stream, {.min_segments = 3}); });
    EXPECT_EQ(code(no_scope), ErrorCode::kNotFound);
    EXPECT_EQ(no_scope.error().detail(), "scope scope does not exist");
    answer(reply_with<pb::UpdateStreamStatus>(pb::UpdateStreamStatus::STREAM_NOT_FOUND));
    const auto no_stream = world.run([&] { return controller.seal(stream); });
    EXPECT_EQ(code(no_stream), ErrorCode::kNotFound);
    EXPECT_EQ(no_stream.error().detail(), "stream scope/stream does not exist");
    answer(reply_with<pb::DeleteStreamStatus>(pb::DeleteStreamStatus::STREAM_NOT_SEALED));
    EXPECT_EQ(code(world.run([&] { return controller.remove(stream); })), ErrorCode::kFailedPrecondition);
    answer(reply_with<pb::DeleteScopeStatus>(pb::DeleteScopeStatus::SUCCESS));
    EXPECT_TRUE(world.run([&] { return controller.delete_scope("s"); }).ok());
    answer(reply_with<pb::DeleteScopeStatus>(pb::DeleteScopeStatus::SCOPE_NOT_FOUND));
    EXPECT_EQ(code(world.run([&] { return controller.delete_scope("s"); })), ErrorCode::kNotFound);
    answer(reply_with<pb::DeleteScopeStatus>(pb::DeleteScopeStatus::SCOPE_NOT_EMPTY));
    EXPECT_EQ(code(world.run([&] { return controller.delete_scope("s"); })), ErrorCode::kFailedPrecondition);
    const auto truncated = [&](pb::UpdateStreamStatus::Status status) {
        answer(reply_with<pb::UpdateStreamStatus>(status));
        return code(world.run([&] { return controller.truncate(stream, {{SegmentId{1}, 7}}); }));
    };
    EXPECT_EQ(truncated(pb::UpdateStreamStatus::SUCCESS), ErrorCode{});
    EXPECT_EQ(truncated(pb::UpdateStreamStatus::STREAM_NOT_FOUND), ErrorCode::kNotFound);
    EXPECT_EQ(truncated(pb::UpdateStreamStatus::STREAM_SEALED), ErrorCode::kSealed);
    EXPECT_EQ(truncated(pb::UpdateStreamStatus::FAILURE), ErrorCode::kFailedPrecondition);
    answer(reply_with<pb::ScaleResponse>(pb::ScaleResponse::PRECONDITION_FAILED));
    EXPECT_EQ(code(world.run([&] { return controller.start_scale(stream, {}, {}); })), ErrorCode::kFailedPrecondition);
    answer(reply_with<pb::ScaleStatusResponse>(pb::ScaleStatusResponse::IN_PROGRESS));
    EXPECT_FALSE(*world.run([&] { return controller.scale_done(stream, StreamEpoch{0}); }));
    answer(Error{ErrorCode::kNotFound, "whatever"});
    const auto current = world.run([&] { return controller.current_segments(stream, controller.normally()); });
    EXPECT_EQ(code(current), ErrorCode::kNotFound);
    EXPECT_EQ(current.error().detail(), "stream scope/stream does not exist");
    answer(std::string{"\xff\xff\xff"});
    EXPECT_EQ(code(world.run([&] { return controller.create_scope("s"); })), ErrorCode::kBadRequest);
}

TEST_F(ControllerClientTest, ChangesOfAConfigurationWhatItKnowsAndLeavesTheRest) {
    pb::StreamConfig stored;
    stored.mutable_scalingpolicy()->set_minnumsegments(2);
    stored.mutable_retentionpolicy()->set_retentiontype(pb::RetentionPolicy::SIZE);
    stored.mutable_retentionpolicy()->set_retentionparam(1000);
    stored.mutable_tags()->add_tag("somebody's");
    stored.set_rolloversizebytes(77);
    pb::UpdateStreamStatus::Status status = pb::UpdateStreamStatus::SUCCESS;
    script = [&](const std::string& body) -> Result<std::string> {
        if (method_called.ends_with("getStreamConfiguration")) return stored.SerializeAsString();
        if (status == pb::UpdateStreamStatus::SUCCESS) EXPECT_TRUE(stored.ParseFromString(body));
        return reply_with<pb::UpdateStreamStatus>(status);
    };
    const auto before = world.run([&] { return controller.configuration(stream); });
    EXPECT_EQ(*before, (StreamConfig{.min_segments = 2, .retention = {RetentionPolicy::By::kBytes, 1000, 0}}));
    const StreamConfig wanted{.min_segments = 3, .scaling = {ScalingPolicy::By::kEvents, 500, 4}};
    ASSERT_TRUE(world.run([&] { return controller.update_configuration(stream, wanted); }).ok());
    EXPECT_EQ(*world.run([&] { return controller.configuration(stream); }), wanted);
    EXPECT_EQ(stored.streaminfo().stream(), "stream");
    EXPECT_EQ(stored.tags().tag(0), "somebody's");
    EXPECT_EQ(stored.rolloversizebytes(), 77);
    EXPECT_FALSE(stored.has_retentionpolicy());
    for (const auto& [answered, code] : {std::pair{pb::UpdateStreamStatus::STREAM_SEALED, ErrorCode::kSealed},
                                         {pb::UpdateStreamStatus::SCOPE_NOT_FOUND, ErrorCode::kNotFound},
                                         {pb::UpdateStreamStatus::FAILURE, ErrorCode::kFailedPrecondition}}) {
        status = answered;
        EXPECT_TRUE(world.run([&] { return controller.update_configuration(stream, {}); }).error().is(code));
    }
}

TEST_F(ControllerClientTest, ReadsListsToTheEmptyPage) {
    script = [&](const std::string& body) -> Result<std::string> {
        pb::StreamsInScopeRequest request;
        EXPECT_TRUE(request.ParseFromString(body));
        const std::string token = request.continuationtoken().token();
        pb::StreamsInScopeResponse reply;
        if (token != "2") {
            reply.add_streams()->set_stream("stream" + token);
            reply.mutable_continuationtoken()->set_token(token.empty() ? "1" : "2");
        }
        return reply.SerializeAsString();
    };
    const auto streams = world.run([&] { return controller.list_streams("scope"); });
    ASSERT_TRUE(streams.ok());
    EXPECT_EQ(*streams, (std::vector<std::string>{"stream", "stream1"}));
    EXPECT_EQ(calls, 3);
    answer(reply_with<pb::StreamsInScopeResponse>(pb::StreamsInScopeResponse::SCOPE_NOT_FOUND));
    EXPECT_TRUE(world.run([&] { return controller.list_streams("scope"); }).error().is(ErrorCode::kNotFound));
}

TEST_F(ControllerClientTest, RefusesSegmentsThatLeaveAGap) {
    pb::SegmentRanges reply;
    const auto add = [&](std::int64_t id, double low, double high) {
        auto* range = reply.add_segmentranges();
        range->mutable_segmentid()->set_segmentid(id);
        range->set_minkey(low);
        range->set_maxkey(high);
    };
    add(1, 0.5, 1.0);
    add(0, 0.0, 0.5);
    answer(reply.SerializeAsString());
    const auto good = world.run([&] { return controller.current_segments(stream, controller.normally()); });
    ASSERT_TRUE(good.ok());
    EXPECT_EQ(good->front().id.value, 0);
    reply.mutable_segmentranges(1)->set_maxkey(0.4);
    answer(reply.SerializeAsString());
    EXPECT_FALSE(world.run([&] { return controller.current_segments(stream, controller.normally()); }).ok());
    answer(pb::SegmentRanges{}.SerializeAsString());
    EXPECT_TRUE(world.run([&] { return controller.current_segments(stream, controller.normally()); })->empty());
}

TEST_F(ControllerClientTest, LeavesFutureSegmentsOutOfTheHead) {
    pb::SegmentsAtTime reply;
    auto* present = reply.add_segments();
    present->mutable_segmentid()->set_segmentid(5);
    present->set_offset(17);
    auto* future = reply.add_segments();
    future->mutable_segmentid()->set_segmentid(9);
    future->set_offset(-1);
    answer(reply.SerializeAsString());
    const auto head = world.run([&] { return controller.head(stream); });
    ASSERT_TRUE(head.ok());
    EXPECT_EQ(*head, (std::map<SegmentId, std::int64_t>{{SegmentId{5}, 17}}));
}

}  // namespace
}  // namespace millrace::client
