// SPDX-License-Identifier: Apache-2.0
//
// The factory: the only place that puts the client on a real event loop with a thread of its own and
// on gRPC.
#include "millrace/client.h"

#include <utility>

#include "client/client_core.h"
#include "client/reader/event_reader.h"
#include "client/streams/stream_admin.h"
#include "client/writer/event_writer.h"
#include "common/rpc/grpc/grpc_rpc.h"
#include "common/runtime/asio/asio_runtime.h"

namespace millrace {

namespace {

class ClientOnAThread final : public Client {
public:
    ClientOnAThread(const ClientOptions& options, const Endpoint& controller)
        : rpc_{(runtime_.start_thread("millrace-client"), rpc::make_grpc_rpc(runtime_.bundle()))},
          core_{runtime_.bundle(), find_home(), rpc_->channel(controller), controller,
                client::Timeouts{options.connect_timeout, options.retry_timeout}},
          streams_{client::make_stream_manager(core_)} {}

    ~ClientOnAThread() override {
        (void)client::block_on<bool>(core_.home, [this]() -> Task<Result<bool>> {
            co_await core_.close();
            co_return true;
        });
        runtime_.stop();
        runtime_.join();
    }

    StreamManager& streams() override { return *streams_; }

    Result<std::unique_ptr<EventWriter>> create_writer(const StreamName& stream, WriterOptions options) override {
        return client::make_event_writer(core_, stream, options);
    }

    Result<std::unique_ptr<EventReader>> create_reader(const StreamName& stream, ReaderOptions options) override {
        return client::make_event_reader(core_, stream, std::move(options));
    }

private:
    client::Home find_home() {
        const client::Home nobody{runtime_.executor(), std::thread::id{}};
        const auto thread = client::block_on<std::thread::id>(
            nobody, []() -> Task<Result<std::thread::id>> { co_return std::this_thread::get_id(); });
        return {runtime_.executor(), thread.value()};
    }

    AsioRuntime runtime_{AsioRuntimeOptions{.disk_threads = 1, .blocking_threads = 1, .seed = std::nullopt}};
    std::unique_ptr<rpc::Rpc> rpc_;
    client::ClientCore core_;
    std::unique_ptr<StreamManager> streams_;
};

Result<void> check_timeout(std::string_view name, std::chrono::milliseconds value, bool zero_allowed) {
    if (value.count() == 0 && zero_allowed) return ok();
    if (value >= std::chrono::milliseconds{1} && value <= std::chrono::hours{1}) return ok();
    return Error{ErrorCode::kInvalidArgument, "ClientOptions::" + std::string{name} + " is " +
                                                  std::to_string(value.count()) + " ms; it can be 1 ms to 1 h" +
                                                  (zero_allowed ? ", or 0 for no bound" : "")};
}

}  // namespace

Result<std::unique_ptr<Client>> Client::create(ClientOptions options) {
    auto controller = Endpoint::parse(options.controller);
    if (!controller) return std::move(controller).error().while_doing("ClientOptions::controller");
    MR_TRY_VOID(check_timeout("connect_timeout", options.connect_timeout, false));
    MR_TRY_VOID(check_timeout("retry_timeout", options.retry_timeout, true));
    return std::unique_ptr<Client>{std::make_unique<ClientOnAThread>(options, *controller)};
}

}  // namespace millrace
