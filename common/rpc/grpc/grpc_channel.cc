// SPDX-License-Identifier: Apache-2.0
//
// Calls fail fast while the server cannot be reached, and the library looks for it again every
// 100 ms to 1 s: who calls decides whether to try again.
#include "common/rpc/grpc/grpc_channel.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <set>

#include "common/rpc/grpc/connect_failure.h"
#include "common/rpc/grpc/grpc_rpc.h"
#include "common/rpc/grpc/library.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"

namespace millrace::rpc {

namespace {

constexpr std::string_view kDeadlinePassed = "Deadline Exceeded";

// What one call needs until the library is done with it; shared with the library's tag.
struct OutgoingCall {
    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer reply;
    grpc::Status status;  // written by the library before its tag comes out
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    OneShot<bool> done;   // on the executor
};

Result<std::string> channel_body(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    if (!buffer.Dump(&slices).ok()) {
        return Error{ErrorCode::kInternal, "the library could not hand over a reply", Fate::kUnknown};
    }
    std::string body;
    body.reserve(buffer.Length());
    for (const grpc::Slice& slice : slices) body.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return body;
}

// The library says of a call that never had a connection that it could not connect.
bool certainly_never_left(const grpc::Status& status) {
    return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
           status.error_message().find("failed to connect to all addresses") != std::string::npos;
}

Fate fate_of_call(const grpc::Status& status) {
    return certainly_never_left(status) ? Fate::kNotApplied : fate_of(static_cast<StatusCode>(status.error_code()));
}

class GrpcChannel final : public Channel {
public:
    GrpcChannel(Runtime runtime, std::shared_ptr<Poller> poller, Endpoint target)
        : runtime_{runtime}, poller_{std::move(poller)}, name_{target.to_string()} {
        redirect_library_log();
        grpc::ChannelArguments arguments;
        arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
        arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
        arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);  // also the time a connect may take
        // Each channel has connections and back-off of its own, and asks no proxy and no directory.
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
        arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
        arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
        arguments.SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
        arguments.SetMaxSendMessageSize(static_cast<int>(kMaxMessageBytes));
        channel_ = grpc::CreateCustomChannel(name_, grpc::InsecureChannelCredentials(), arguments);
        stub_ = std::make_unique<grpc::GenericStub>(channel_);
    }

    Task<Result<std::string>> call(std::string method, std::string body, Deadline deadline, Metadata metadata) override {
        MR_CO_TRY(const Gate::Pass pass, gate_.enter());
        if (body.size() > kMaxMessageBytes) {
            co_return Error{ErrorCode::kTooLarge, "a request of " + std::to_string(body.size()) +
                                                      " bytes; the protocol allows " + std::to_string(kMaxMessageBytes)};
        }
        MR_CO_TRY_VOID(check_metadata(metadata));
        if (deadline.passed(runtime_.clock)) {
            co_return Error{ErrorCode::kTimedOut, "no time left for a call to " + name_};
        }
        auto outgoing = std::make_shared<OutgoingCall>();
        if (!deadline.is_never()) {
            using std::chrono::system_clock;
            const std::chrono::nanoseconds left =
                std::min<std::chrono::nanoseconds>(deadline.left(runtime_.clock), std::chrono::hours{24});
            outgoing->context.set_deadline(system_clock::now() + std::chrono::duration_cast<system_clock::duration>(left));
        }
        outgoing->context.set_wait_for_ready(false);
        for (const auto& [key, value] : metadata) outgoing->context.AddMetadata(key, value);
        const grpc::Slice slice{body};
        outgoing->request = grpc::ByteBuffer{&slice, 1};

        running_.insert(outgoing);
        const bool begun = poller_->begin([&] {
            outgoing->reader = stub_->PrepareUnaryCall(&outgoing->context, method, outgoing->request, poller_->queue());
            outgoing->reader->StartCall();
            outgoing->reader->Finish(&outgoing->reply, &outgoing->status,
                                     Poller::tag([held = outgoing, executor = runtime_.executor](bool) mutable {
                                         post(executor, [held = std::move(held)] { held->done.set(true); });
                                     }));
        });
        MR_CHECK(begun);  // it outlives the channel
        co_await outgoing->done.wait();
        running_.erase(outgoing);

        if (outgoing->status.ok()) co_return channel_body(outgoing->reply);
        co_return to_error(outgoing->status);
    }

    Task<void> close() override {
        gate_.shut();
        for (const std::shared_ptr<OutgoingCall>& outgoing : running_) outgoing->context.TryCancel();
        co_await gate_.close();
    }

private:
    Error to_error(const grpc::Status& status) const {
        if (gate_.closed() && status.error_code() == grpc::StatusCode::CANCELLED) {
            return Error{ErrorCode::kCancelled, "the channel to " + name_ + " was closed", Fate::kUnknown};
        }
        const ErrorCode code = from_status(static_cast<StatusCode>(status.error_code()));
        switch (code) {
            case ErrorCode::kUnavailable:
                return Error{code, connect_failure(name_, status.error_message()), fate_of_call(status)};
            case ErrorCode::kTimedOut:
                // The library's words for our own deadline say nothing; a server's are its reason.
                if (status.error_message() != kDeadlinePassed) break;
                return Error{code, name_ + " did not answer in time", fate_of_call(status)};
            default: break;
        }
        return Error{code, status.error_message(), fate_of_call(status)};
    }

    Runtime runtime_;
    std::shared_ptr<Poller> poller_;
    const std::string name_;
    std::shared_ptr<grpc::Channel> channel_;
    std::unique_ptr<grpc::GenericStub> stub_;
    std::set<std::shared_ptr<OutgoingCall>> running_;
    Gate gate_;
};

}  // namespace

std::unique_ptr<Channel> make_grpc_channel(Runtime runtime, std::shared_ptr<Poller> poller, Endpoint target) {
    return std::make_unique<GrpcChannel>(runtime, std::move(poller), std::move(target));
}

}  // namespace millrace::rpc
