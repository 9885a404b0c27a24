// SPDX-License-Identifier: Apache-2.0
//
// kill -9 of a server whose controller is busy. Callers take streams of their own through whole lives: create, scale,
// truncate, update, marks, a reader group, seal, delete; each asks again what was not answered, and knows which answers
// can be. The server is killed when so many calls have been answered since it started, and started again. At the end no
// stream, no reader group and no segment is left: the scope can be deleted, and `millrace admin segments` of the
// directory lists none.
//
// The environment may say how often, and with which seed: CONTROLLER_KILLS=200 CONTROLLER_SEED=2.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/grpc/grpc_rpc.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "common/runtime/gate.h"
#include "common/runtime/random.h"
#include "common/runtime/signal.h"
#include "proto/controller/controller.pb.h"
#include "proto/controller/methods.h"
#include "tests/bench/server_process.h"

namespace millrace::system_tests {
namespace {

namespace pb = io::pravega::controller::stream::api::grpc::v1;
using bench::ServerProcess;

constexpr std::size_t kCallers = 8;
// Answers between two kills: a few lives, or a moment.
constexpr std::uint64_t kAnswersMin = 5;
constexpr std::uint64_t kAnswersMax = 150;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "%s\n", what.c_str());
    std::exit(1);
}

class KillLoop {
public:
    KillLoop(std::string millrace, std::string directory, std::uint64_t seed)
        : millrace_{std::move(millrace)},
          directory_{std::move(directory)},
          random_{seed},
          controller_port_{bench::free_port()},
          store_port_{bench::free_port()},
          rpc_{rpc::make_grpc_rpc(asio_.bundle())} {
        asio_.start_thread("calls");
        channel_ = rpc_->channel({"127.0.0.1", controller_port_});
    }
    ~KillLoop() {
        block_on(asio_.executor(), [this]() -> Task<bool> {
            co_await channel_->close();
            channel_.reset();
            co_return true;
        });
    }

    void run(std::uint64_t kills) {
        start();
        block_on(asio_.executor(), [this]() -> Task<bool> {
            co_await expect<pb::CreateScopeStatus>("createScope", scope(), {0});
            for (std::size_t caller = 0; caller < kCallers; ++caller) {
                callers_.spawn(asio_.executor(), [this, caller]() -> Task<void> {
                    for (int life = 0; !over_; ++life) co_await live("stream-" + std::to_string(caller), life);
                });
            }
            co_return true;
        });
        for (std::uint64_t kill = 0; kill < kills; ++kill) {
            wait_for_answers(random_.between(kAnswersMin, kAnswersMax));
            server_->kill();
            start();
            block_on(asio_.executor(), [this]() -> Task<bool> {
                up_.notify_all();
                co_return true;
            });
        }
        wait_for_answers(kAnswersMax);
        block_on(asio_.executor(), [this]() -> Task<bool> {
            over_ = true;
            co_await callers_.close();
            co_await expect<pb::DeleteScopeStatus>("deleteScope", scope(), {pb::DeleteScopeStatus::SUCCESS});
            co_return true;
        });
        server_->terminate();
        ServerProcess admin{{millrace_, "admin", "segments", directory_ + "/data", "--output", "json"},
                            directory_ + "/log"};
        const std::string left = admin.read_to_end();
        if (left.find("\"segment\"") != std::string::npos) fail("left over: " + left);
        std::printf("%llu kills, %llu calls answered, %llu lives, nothing left over\n",
                    static_cast<unsigned long long>(kills), static_cast<unsigned long long>(answers_.load()),
                    static_cast<unsigned long long>(lives_));
    }

private:
    void start() {
        server_ = std::make_unique<ServerProcess>(
            std::vector<std::string>{millrace_, "standalone", "--data-dir", directory_ + "/data", "--controller-port",
                                     std::to_string(controller_port_), "--segmentstore-port",
                                     std::to_string(store_port_), "--http-port", "0"},
            directory_ + "/log");
        server_->read_line();
    }
    void wait_for_answers(std::uint64_t more) {
        const std::uint64_t wanted = answers_ + more;
        for (std::uint64_t seen = answers_; seen < wanted; seen = answers_) answers_.wait(seen);
    }

    // The answer of a server, this one or the next.
    Task<Result<std::string>> call(std::string_view method, std::string request) {
        for (;;) {
            Result<std::string> reply =
                co_await channel_->call(proto::controller_method(method), request,
                                        Deadline::after(asio_.bundle().clock, std::chrono::minutes{3}));
            if (reply || reply.error().is(ErrorCode::kNotFound) || reply.error().is(ErrorCode::kInvalidArgument)) {
                ++answers_;
                answers_.notify_all();
                co_return reply;
            }
            // Killed, or about to be found so: either the next start tells, or it was another one's turn just now.
            co_await up_.wait_until(asio_.bundle().clock, asio_.bundle().clock.now() + std::chrono::milliseconds{50});
        }
    }
    // One whose status must be one of `statuses`.
    template <class Reply, class Request>
    Task<int> expect(std::string_view method, Request request, std::vector<int> statuses) {
        const Result<std::string> bytes = co_await call(method, request.SerializeAsString());
        Reply reply;
        if (!bytes || !reply.ParseFromString(*bytes)) {
            fail(std::string{method} + ": " + (bytes ? "not a reply" : bytes.error().to_string()));
        }
        for (const int status : statuses) {
            if (reply.status() == status) co_return status;
        }
        fail(std::string{method} + " of " + request.ShortDebugString() + " answered " + reply.ShortDebugString());
    }
    Task<std::vector<std::int64_t>> current(pb::StreamInfo info) {
        const Result<std::string> bytes = co_await call("getCurrentSegments", info.SerializeAsString());
        pb::SegmentRanges reply;
        if (!bytes || !reply.ParseFromString(*bytes)) fail("no segments of " + info.ShortDebugString());
        std::vector<std::int64_t> ids;
        for (const auto& range : reply.segmentranges()) ids.push_back(range.segmentid().segmentid());
        co_return ids;
    }

    static pb::ScopeInfo scope() {
        pb::ScopeInfo info;
        info.set_scope("s");
        return info;
    }
    static pb::StreamInfo info(const std::string& stream) {
        pb::StreamInfo info;
        info.set_scope("s");
        info.set_stream(stream);
        return info;
    }

    Task<void> live(std::string stream, int life) {
        // Whatever was asked before a kill may have been done: the second answer then is another one.
        pb::StreamConfig config;
        *config.mutable_streaminfo() = info(stream);
        config.mutable_scalingpolicy()->set_minnumsegments(1);
        co_await expect<pb::CreateStreamStatus>(
            "createStream", config, {pb::CreateStreamStatus::SUCCESS, pb::CreateStreamStatus::STREAM_EXISTS});
        const std::vector<std::int64_t> first = co_await current(info(stream));
        // One segment at creation, two of the scale, three of the update: a life takes six numbers.
        if (first != std::vector<std::int64_t>{6 * life})
            fail(stream + " begins with another segment than number " + std::to_string(6 * life));

        pb::ScaleRequest scale;
        *scale.mutable_streaminfo() = info(stream);
        scale.add_sealedsegments(first[0]);
        for (const double begin : {0.0, 0.5}) {
            auto& range = *scale.add_newkeyranges();
            range.set_start(begin);
            range.set_end(begin + 0.5);
        }
        co_await expect<pb::ScaleResponse>("scale", scale,
                                           {pb::ScaleResponse::STARTED, pb::ScaleResponse::PRECONDITION_FAILED});
        pb::ScaleStatusRequest status;
        *status.mutable_streaminfo() = info(stream);
        while (co_await expect<pb::ScaleStatusResponse>(
                   "checkScale", status, {pb::ScaleStatusResponse::SUCCESS, pb::ScaleStatusResponse::IN_PROGRESS}) !=
               pb::ScaleStatusResponse::SUCCESS) {
        }
        pb::StreamCut cut;
        *cut.mutable_streaminfo() = info(stream);
        for (const std::int64_t id : co_await current(info(stream))) (*cut.mutable_cut())[id] = 0;
        if (cut.cut_size() != 2) fail(stream + " was not scaled");
        co_await expect<pb::UpdateStreamStatus>("truncateStream", cut, {pb::UpdateStreamStatus::SUCCESS});
        config.mutable_scalingpolicy()->set_minnumsegments(3);
        co_await expect<pb::UpdateStreamStatus>("updateStream", config, {pb::UpdateStreamStatus::SUCCESS});
        if ((co_await current(info(stream))).size() != 3) fail(stream + " was not updated");
        if ((co_await current(info("_MARK" + stream))).size() != 1) fail(stream + " has no marks");

        pb::ReaderGroupConfiguration group;
        group.set_scope("s");
        group.set_readergroupname("of-" + stream);
        group.set_readergroupid("00000000-0000-4000-8000-000000000001");
        group.set_maxoutstandingcheckpointrequest(1);
        *group.add_startingstreamcuts()->mutable_streaminfo() = info(stream);
        co_await expect<pb::CreateReaderGroupResponse>("createReaderGroup", group,
                                                       {pb::CreateReaderGroupResponse::SUCCESS});
        pb::ReaderGroupInfo which;
        which.set_scope("s");
        which.set_readergroup(group.readergroupname());
        which.set_readergroupid(group.readergroupid());
        co_await expect<pb::DeleteReaderGroupStatus>(
            "deleteReaderGroup", which,
            {pb::DeleteReaderGroupStatus::SUCCESS, pb::DeleteReaderGroupStatus::RG_NOT_FOUND});
        co_await expect<pb::UpdateStreamStatus>("sealStream", info(stream), {pb::UpdateStreamStatus::SUCCESS});
        co_await expect<pb::DeleteStreamStatus>(
            "deleteStream", info(stream), {pb::DeleteStreamStatus::SUCCESS, pb::DeleteStreamStatus::STREAM_NOT_FOUND});
        ++lives_;
    }

    const std::string millrace_;
    const std::string directory_;
    SeededRandom random_;
    const std::uint16_t controller_port_;
    const std::uint16_t store_port_;
    std::unique_ptr<ServerProcess> server_;
    std::atomic<std::uint64_t> answers_{0};

    // On the executor.
    AsioRuntime asio_;
    std::unique_ptr<rpc::Rpc> rpc_;
    std::unique_ptr<rpc::Channel> channel_;
    Signal up_;
    Gate callers_;
    bool over_ = false;
    std::uint64_t lives_ = 0;
};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::stoull(text);
}

TEST(ControllerKills, LeaveNothingHalfDoneAndNothingOver) {
    const std::string directory = ::testing::TempDir() + "millrace-controller-kills";
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    {
        KillLoop loop{MR_MILLRACE, directory, from_environment("CONTROLLER_SEED", 1)};
        loop.run(from_environment("CONTROLLER_KILLS", 10));
    }
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace millrace::system_tests
