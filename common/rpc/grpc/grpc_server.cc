// SPDX-License-Identifier: Apache-2.0
//
// A call's life: the poller's thread reads the one request and posts to the executor; the handler
// runs there as a coroutine inside the server's gate; its result is handed back to the library from
// there. Cancelled calls are finished at once and the handler's late result is dropped.
#include "common/rpc/grpc/grpc_server.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>

#include "common/rpc/grpc/grpc_rpc.h"
#include "common/rpc/grpc/library.h"
#include "common/rpc/grpc/poller.h"
#include "common/runtime/gate.h"

namespace millrace::rpc {

namespace {

grpc::Status to_grpc(const Error& error) {
    return {static_cast<grpc::StatusCode>(status_of(error)), error.detail()};
}

Result<std::string> server_body(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    if (!buffer.Dump(&slices).ok()) return Error{ErrorCode::kInternal, "the library could not hand over a request"};
    std::string body;
    body.reserve(buffer.Length());
    for (const grpc::Slice& slice : slices) body.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return body;
}

// A bounded amount of something, taken and given back on any thread.
class Allowance {
public:
    explicit Allowance(std::size_t most) : most_{most} {}

    bool take(std::size_t amount) {
        if (taken_.fetch_add(amount) + amount <= most_) return true;
        give_back(amount);
        return false;
    }
    void give_back(std::size_t amount) { taken_.fetch_sub(amount); }

private:
    const std::size_t most_;
    std::atomic<std::size_t> taken_{0};
};

class GrpcServer;

// Shared by the tags that are with the library and by the coroutine that runs the handler.
class Call final : public std::enable_shared_from_this<Call> {
public:
    explicit Call(GrpcServer& server) : server_{server} {}
    ~Call();

    // Waits for a client to call. Any thread.
    void accept();
    // Once; later ones are dropped. Any thread.
    void finish(Result<std::string> result);

private:
    void on_accepted(bool ok);
    void on_read(bool ok);

    GrpcServer& server_;
    grpc::GenericServerContext context_;
    grpc::GenericServerAsyncReaderWriter stream_{&context_};
    grpc::ByteBuffer request_;
    grpc::ByteBuffer reply_;
    void* ended_tag_ = nullptr;
    // Taken of the server's allowances until the call and its handler are over. Poller's thread.
    bool counted_ = false;
    std::size_t counted_bytes_ = 0;
    std::atomic<bool> finished_{false};
};

class GrpcServer final : public Server {
public:
    GrpcServer(Runtime runtime, std::map<std::string, Handler> handlers, Handler otherwise)
        : runtime_{runtime}, handlers_{std::move(handlers)}, otherwise_{std::move(otherwise)} {}

    Result<void> start(Endpoint listen) {
        redirect_library_log();
        grpc::ServerBuilder builder;
        builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
        // Clients that ping every few seconds, also when idle, are welcome.
        builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
        builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
        builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
        builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 1000);
        builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
        builder.SetMaxSendMessageSize(static_cast<int>(kMaxMessageBytes));
        grpc::ResourceQuota quota{"millrace_rpc"};
        quota.Resize(64 * 1024 * 1024);
        builder.SetResourceQuota(quota);
        builder.RegisterAsyncGenericService(&service_);
        int bound_port = 0;
        builder.AddListeningPort(listen.to_string(), grpc::InsecureServerCredentials(), &bound_port);
        poller_ = std::make_unique<Poller>(builder.AddCompletionQueue());
        LibraryErrors errors;
        server_ = builder.BuildAndStart();
        if (!server_ || bound_port == 0) {
            if (server_) server_->Shutdown();
            poller_->close();
            server_.reset();
            if (errors.text().find("Address already in use") != std::string::npos) {
                return Error{ErrorCode::kInUse, "port " + std::to_string(listen.port) + " of " + listen.host +
                                                    " is taken by another process"};
            }
            return Error{ErrorCode::kInvalidArgument,
                         "cannot listen on " + listen.to_string() +
                             ": not an address of this machine, or not permitted (" + errors.text() + ")"};
        }
        local_ = Endpoint{listen.host, static_cast<std::uint16_t>(bound_port)};
        std::make_shared<Call>(*this)->accept();
        return ok();
    }

    Endpoint local() const override { return local_; }

    Task<void> close(Deadline deadline) override {
        if (!server_ || closing_) {
            co_await gate_.close();
            co_return;
        }
        closing_ = true;
        using std::chrono::system_clock;
        // The library counts in wall time; only the distance matters. A week stands for "never".
        const std::chrono::nanoseconds longest = std::chrono::hours{24 * 7};
        const std::chrono::nanoseconds left =
            deadline.is_never() ? longest
                                : std::clamp(deadline.left(runtime_.clock), std::chrono::nanoseconds{0}, longest);
        co_await run_blocking(runtime_.blocking, [server = server_.get(), left] {
            server->Shutdown(system_clock::now() + std::chrono::duration_cast<system_clock::duration>(left));
            return true;
        });
        // Calls that the library has ended may still have a handler running here.
        co_await gate_.close();
        co_await run_blocking(runtime_.blocking, [poller = poller_.get()] {
            poller->close();
            return true;
        });
    }

    // On the executor.
    void run(std::shared_ptr<Call> call, Request request) {
        Result<Gate::Pass> pass = gate_.enter();
        if (!pass) {
            call->finish(Error{ErrorCode::kUnavailable, "this server is shutting down"});
            return;
        }
        spawn(runtime_.executor, [this, call = std::move(call), request = std::move(request),
                                  pass = std::move(pass).value()]() mutable -> Task<void> {
            const auto found = handlers_.find(request.method);
            const Handler& handler = found == handlers_.end() ? otherwise_ : found->second;
            Result<std::string> result = co_await handler(std::move(request));
            if (result && result->size() > kMaxMessageBytes) {
                result = Error{ErrorCode::kTooLarge, "the reply has " + std::to_string(result->size()) +
                                                         " bytes; the protocol allows " + std::to_string(kMaxMessageBytes)};
            }
            call->finish(std::move(result));
        });
    }

    const Executor& executor() const { return runtime_.executor; }
    grpc::AsyncGenericService& service() { return service_; }
    Poller& poller() { return *poller_; }
    Allowance& calls() { return calls_; }
    Allowance& bytes() { return bytes_; }

private:
    Runtime runtime_;
    const std::map<std::string, Handler> handlers_;
    const Handler otherwise_;
    Allowance calls_{kMaxRunningCalls};
    Allowance bytes_{kMaxRunningBytes};
    grpc::AsyncGenericService service_;
    std::unique_ptr<Poller> poller_;
    std::unique_ptr<grpc::Server> server_;  // before the poller's queue goes
    Endpoint local_;
    bool closing_ = false;
    Gate gate_;
};

Call::~Call() {
    if (counted_) server_.calls().give_back(1);
    server_.bytes().give_back(counted_bytes_);
}

void Call::accept() {
    server_.poller().begin([this, self = shared_from_this()] {
        // How a call ends, also one that its client gave up; the library tells nothing of a call that
        // never began.
        ended_tag_ = Poller::tag([self](bool) { self->finish(Error{ErrorCode::kCancelled, "the caller gave up"}); });
        context_.AsyncNotifyWhenDone(ended_tag_);
        grpc::ServerCompletionQueue* const queue = server_.poller().server_queue();
        server_.service().RequestCall(&context_, &stream_, queue, queue,
                                      Poller::tag([self](bool ok) { self->on_accepted(ok); }));
    });
}

void Call::on_accepted(bool ok) {
    if (!ok) {  // the server shuts down
        Poller::drop(ended_tag_);
        return;
    }
    std::make_shared<Call>(server_)->accept();
    counted_ = server_.calls().take(1);
    if (!counted_) {
        finish(Error{ErrorCode::kNoSpace, "this server runs " + std::to_string(kMaxRunningCalls) +
                                              " calls already: try again"});
        return;
    }
    server_.poller().begin([this, self = shared_from_this()] {
        stream_.Read(&request_, Poller::tag([self](bool read) { self->on_read(read); }));
    });
}

void Call::on_read(bool ok) {
    if (!ok) {
        finish(Error{ErrorCode::kInvalidArgument, "the call carried no message"});
        return;
    }
    // Before the bytes are copied, and while nothing but the library holds them.
    if (!server_.bytes().take(request_.Length())) {
        request_.Clear();
        finish(Error{ErrorCode::kNoSpace, "the requests that this server works on have " +
                                              std::to_string(kMaxRunningBytes) + " bytes already: try again"});
        return;
    }
    counted_bytes_ = request_.Length();
    Result<std::string> body = server_body(request_);
    if (!body) {
        finish(std::move(body));
        return;
    }
    Request request;
    request.method = context_.method();
    request.body = std::move(body).value();
    request.peer = context_.peer();
    for (const auto& [key, value] : context_.client_metadata()) {
        request.metadata.emplace(std::string{key.data(), key.size()}, std::string{value.data(), value.size()});
    }
    request_.Clear();
    post(server_.executor(), [&server = server_, self = shared_from_this(), request = std::move(request)]() mutable {
        server.run(std::move(self), std::move(request));
    });
}

void Call::finish(Result<std::string> result) {
    if (finished_.exchange(true)) return;
    server_.poller().begin([this, self = shared_from_this(), result = std::move(result)] {
        void* const tag = Poller::tag([self](bool) {});
        if (!result) {
            stream_.Finish(to_grpc(result.error()), tag);
            return;
        }
        const grpc::Slice slice{*result};
        reply_ = grpc::ByteBuffer{&slice, 1};
        stream_.WriteAndFinish(reply_, grpc::WriteOptions{}, grpc::Status::OK, tag);
    });
}

}  // namespace

Result<std::unique_ptr<Server>> start_grpc_server(Runtime runtime, Endpoint listen,
                                                  std::map<std::string, Handler> handlers, Handler otherwise) {
    auto server = std::make_unique<GrpcServer>(runtime, std::move(handlers), std::move(otherwise));
    MR_TRY_VOID(server->start(std::move(listen)));
    return std::unique_ptr<Server>{std::move(server)};
}

}  // namespace millrace::rpc
