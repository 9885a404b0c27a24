// SPDX-License-Identifier: Apache-2.0
//
// A controller under many callers at once, over gRPC: `millrace standalone` as a child process, and calls of its
// protocol as bytes on a few channels. The life of many streams, one kind of call after the other:
//
//     create, ask for the current segments, scale, truncate, seal, delete
//
// Prints calls a second, the median and the 99th percentile of a call's time, and the server's CPU for each call.
//
//     millrace_controller_bench MILLRACE DIRECTORY [STREAMS=5000] [CALLERS=64] [CHANNELS=4]
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/grpc/grpc_rpc.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "common/runtime/gate.h"
#include "proto/controller/controller.pb.h"
#include "proto/controller/methods.h"
#include "tests/bench/bench.h"
#include "tests/bench/server_process.h"

namespace millrace::bench {
namespace {

namespace pb = io::pravega::controller::stream::api::grpc::v1;

struct BenchedCall {
    const char* what;
    std::string_view method;
    std::function<std::string(const pb::StreamInfo&)> request;
    std::function<bool(const std::string&)> succeeded;
};

template <class Message>
Message parsed_reply(const std::string& bytes) {
    Message message;
    if (!message.ParseFromString(bytes)) std::exit((std::fprintf(stderr, "not a reply\n"), 1));
    return message;
}

template <class Request>
Request about(const pb::StreamInfo& info) {
    Request request;
    *request.mutable_streaminfo() = info;
    return request;
}

std::vector<BenchedCall> life_of_a_stream() {
    std::vector<BenchedCall> calls;
    calls.push_back({"create", "createStream",
                     [](const pb::StreamInfo& info) {
                         auto config = about<pb::StreamConfig>(info);
                         config.mutable_scalingpolicy()->set_minnumsegments(1);
                         return config.SerializeAsString();
                     },
                     [](const std::string& reply) {
                         return parsed_reply<pb::CreateStreamStatus>(reply).status() == pb::CreateStreamStatus::SUCCESS;
                     }});
    calls.push_back(
        {"current segments", "getCurrentSegments", [](const pb::StreamInfo& info) { return info.SerializeAsString(); },
         [](const std::string& reply) { return parsed_reply<pb::SegmentRanges>(reply).segmentranges_size() == 1; }});
    calls.push_back({"scale (accepted)", "scale",
                     [](const pb::StreamInfo& info) {
                         auto scale = about<pb::ScaleRequest>(info);
                         scale.add_sealedsegments(0);
                         for (const double begin : {0.0, 0.5}) {
                             auto& range = *scale.add_newkeyranges();
                             range.set_start(begin);
                             range.set_end(begin + 0.5);
                         }
                         return scale.SerializeAsString();
                     },
                     [](const std::string& reply) {
                         return parsed_reply<pb::ScaleResponse>(reply).status() == pb::ScaleResponse::STARTED;
                     }});
    calls.push_back({"truncate", "truncateStream",
                     [](const pb::StreamInfo& info) {
                         auto cut = about<pb::StreamCut>(info);
                         const std::int64_t epoch_1 = std::int64_t{1} << 32;
                         (*cut.mutable_cut())[epoch_1 + 1] = 0;
                         (*cut.mutable_cut())[epoch_1 + 2] = 0;
                         return cut.SerializeAsString();
                     },
                     [](const std::string& reply) {
                         return parsed_reply<pb::UpdateStreamStatus>(reply).status() == pb::UpdateStreamStatus::SUCCESS;
                     }});
    calls.push_back({"seal", "sealStream", [](const pb::StreamInfo& info) { return info.SerializeAsString(); },
                     [](const std::string& reply) {
                         return parsed_reply<pb::UpdateStreamStatus>(reply).status() == pb::UpdateStreamStatus::SUCCESS;
                     }});
    calls.push_back({"delete", "deleteStream", [](const pb::StreamInfo& info) { return info.SerializeAsString(); },
                     [](const std::string& reply) {
                         return parsed_reply<pb::DeleteStreamStatus>(reply).status() == pb::DeleteStreamStatus::SUCCESS;
                     }});
    return calls;
}

class ControllerLoad {
public:
    ControllerLoad(std::uint16_t port, std::size_t channels) : rpc_{rpc::make_grpc_rpc(asio_.bundle())} {
        asio_.start_thread("load");
        for (std::size_t i = 0; i < channels; ++i) channels_.push_back(rpc_->channel({"127.0.0.1", port}));
    }
    ~ControllerLoad() {
        block_on(asio_.executor(), [this]() -> Task<bool> {
            for (const auto& channel : channels_) co_await channel->close();
            channels_.clear();
            co_return true;
        });
    }

    std::string call(std::string_view method, std::string body) {
        return block_on(asio_.executor(), [this, path = proto::controller_method(method), body]() -> Task<std::string> {
            co_return co_await one(0, path, body);
        });
    }

    // `call` for each of `streams` streams by `callers` at once; the seconds that each took.
    std::vector<double> each(const BenchedCall& call, std::size_t streams, std::size_t callers) {
        return block_on(asio_.executor(), [this, call, streams, callers]() -> Task<std::vector<double>> {
            std::vector<double> times;
            std::size_t next = 0;
            const std::string path = proto::controller_method(call.method);
            Gate gate;
            for (std::size_t caller = 0; caller < callers; ++caller) {
                gate.spawn(asio_.executor(), [&, caller]() -> Task<void> {
                    while (next < streams) {
                        pb::StreamInfo info;
                        info.set_scope("bench");
                        info.set_stream("stream-" + std::to_string(next++));
                        const auto began = SteadyClock::now();
                        const std::string reply = co_await one(caller % channels_.size(), path, call.request(info));
                        times.push_back(seconds_between(began, SteadyClock::now()));
                        if (!call.succeeded(reply)) std::exit((std::fprintf(stderr, "%s was refused\n", call.what), 1));
                    }
                });
            }
            co_await gate.close();
            co_return times;
        });
    }

private:
    Task<std::string> one(std::size_t channel, std::string path, std::string body) {
        const Deadline deadline = Deadline::after(asio_.bundle().clock, std::chrono::minutes{5});
        Result<std::string> reply = co_await channels_[channel]->call(std::move(path), std::move(body), deadline);
        if (!reply) std::exit((std::fprintf(stderr, "%s\n", reply.error().to_string().c_str()), 1));
        co_return std::move(*reply);
    }

    AsioRuntime asio_;
    std::unique_ptr<rpc::Rpc> rpc_;
    std::vector<std::unique_ptr<rpc::Channel>> channels_;
};

std::size_t number(int argc, char** argv, int at, std::size_t otherwise) {
    return argc > at ? static_cast<std::size_t>(std::stoul(argv[at])) : otherwise;
}

int bench_controller(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: millrace_controller_bench MILLRACE DIRECTORY [STREAMS] [CALLERS] [CHANNELS]\n");
        return 2;
    }
    const std::string directory = std::string{argv[2]} + "/controller-bench";
    const std::size_t streams = number(argc, argv, 3, 5000);
    const std::size_t callers = number(argc, argv, 4, 64);
    const std::size_t channels = number(argc, argv, 5, 4);
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    const std::uint16_t port = free_port();
    ServerProcess server{{argv[1], "standalone", "--data-dir", directory + "/data", "--controller-port",
                          std::to_string(port), "--segmentstore-port", "0", "--http-port", "0"},
                         directory + "/log"};
    server.read_line();
    ControllerLoad load{port, channels};
    pb::ScopeInfo scope;
    scope.set_scope("bench");
    load.call("createScope", scope.SerializeAsString());

    std::printf("%zu streams, %zu callers on %zu channels\n", streams, callers, channels);
    for (const BenchedCall& call : life_of_a_stream()) {
        const double cpu_before = server.cpu_seconds();
        const auto began = SteadyClock::now();
        std::vector<double> times = load.each(call, streams, callers);
        const double seconds = seconds_between(began, SteadyClock::now());
        std::sort(times.begin(), times.end());
        std::printf("%-18s %8.0f /s   median %7.2f ms   99%% %7.2f ms   server %6.0f us of CPU\n", call.what,
                    static_cast<double>(streams) / seconds, 1e3 * median(times), 1e3 * times[times.size() * 99 / 100],
                    1e6 * (server.cpu_seconds() - cpu_before) / static_cast<double>(streams));
        std::fflush(stdout);
    }
    server.terminate();
    std::filesystem::remove_all(directory);
    return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) { return millrace::bench::bench_controller(argc, argv); }
