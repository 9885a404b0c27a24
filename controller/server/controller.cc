// SPDX-License-Identifier: Apache-2.0
#include "controller/server/controller.h"

#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "common/telemetry/log.h"
#include "controller/retention/retention.h"
#include "controller/segments/wire_segments.h"
#include "controller/service/handlers.h"

namespace millrace::controller {

namespace {

class Server final : public Controller {
public:
    Server(Runtime runtime, metadata::MetadataStore& metadata, ControllerOptions options)
        : runtime_{runtime},
          options_{std::move(options)},
          store_{metadata, runtime.clock},
          segments_{runtime, options_.segment_store_internal.host.empty() ? options_.segment_store
                                                                           : options_.segment_store_internal},
          engine_{runtime, store_, segments_},
          retention_{runtime, store_, segments_, engine_},
          service_{runtime, store_, segments_, engine_, {options_.advertise, options_.segment_store}} {}

    Task<Result<void>> start(rpc::Rpc& rpc) {
        Result<void> opened = co_await store_.open();
        if (opened) opened = co_await engine_.resume();
        if (!opened) co_return std::move(opened).error().while_doing("starting the controller");
        // Calls can come in from here on: the place that discovery answers is filled in before any
        // of them runs, because they too run on this executor.
        Result<std::unique_ptr<rpc::Server>> server =
            rpc.serve(options_.listen, service::handlers(service_), service::otherwise());
        if (!server) co_return std::move(server).error();
        server_ = std::move(*server);
        Endpoint place = options_.advertise;
        if (place.host.empty()) place.host = server_->local().host;
        if (place.port == 0) place.port = server_->local().port;
        service_.set_controller_place(place);
        retention_.start(options_.retention_period);
        MR_LOG_INFO("controller serves", {"listen", server_->local().to_string()}, {"advertise", place.to_string()},
                    {"segment_store", options_.segment_store.to_string()});
        co_return ok();
    }

    Endpoint local() const override { return server_->local(); }

    Task<void> close(Deadline deadline) override {
        // Calls that wait for a workflow get until the deadline; the workflows go on at the next start.
        gate_.spawn(runtime_.executor, [this, deadline]() -> Task<void> {
            while (!calls_ended_ && !deadline.passed(runtime_.clock)) {
                co_await ended_.wait_until(runtime_.clock, deadline.when());
            }
            engine_.stop();
        });
        retention_.stop();
        if (server_) co_await server_->close(deadline);
        calls_ended_ = true;
        ended_.notify_all();
        engine_.stop();
        co_await segments_.close();
        co_await retention_.close();
        co_await engine_.close();
        co_await gate_.close();
    }

private:
    Runtime runtime_;
    const ControllerOptions options_;
    store::StreamStore store_;
    segments::WireSegments segments_;
    workflow::Engine engine_;
    retention::Retention retention_;
    service::Service service_;
    std::unique_ptr<rpc::Server> server_;
    bool calls_ended_ = false;
    Signal ended_;
    Gate gate_;
};

}  // namespace

Task<Result<std::unique_ptr<Controller>>> Controller::start(Runtime runtime, rpc::Rpc& rpc,
                                                            metadata::MetadataStore& metadata,
                                                            ControllerOptions options) {
    auto server = std::make_unique<Server>(runtime, metadata, std::move(options));
    Result<void> started = co_await server->start(rpc);
    if (!started) {
        co_await server->close(Deadline::after(runtime.clock, std::chrono::seconds{1}));
        co_return std::move(started).error();
    }
    co_return std::unique_ptr<Controller>{std::move(server)};
}

}  // namespace millrace::controller
