// SPDX-License-Identifier: Apache-2.0
#include "cli/rpc_metrics.h"

#include <chrono>
#include <utility>

namespace millrace::cli {
namespace {

telemetry::Labels of_method(const std::string& method) { return {{"method", method}}; }

struct CountedHandler {
    CountedHandler(rpc::Handler given, const std::string& method, Clock& its_clock)
        : handler{std::move(given)}, metrics{method}, clock{its_clock} {}

    const rpc::Handler handler;
    RpcMetrics metrics;
    Clock& clock;
};

Task<Result<std::string>> run_counted(std::shared_ptr<CountedHandler> counted, rpc::Request request) {
    const MonotonicTime began = counted->clock.now();
    counted->metrics.calls.add();
    Result<std::string> reply = co_await counted->handler(std::move(request));
    counted->metrics.seconds.observe(std::chrono::duration<double>(counted->clock.now() - began).count());
    if (!reply) counted->metrics.errors.count(reply.error().code());
    co_return reply;
}

rpc::Handler counting(rpc::Handler handler, const std::string& method, Clock& clock) {
    // No coroutine itself: what it captures would be gone before the call ends.
    return [counted = std::make_shared<CountedHandler>(std::move(handler), method, clock)](rpc::Request request) {
        return run_counted(counted, std::move(request));
    };
}

class CountingRpc final : public rpc::Rpc {
public:
    CountingRpc(std::unique_ptr<rpc::Rpc> inner, Clock& clock) : inner_{std::move(inner)}, clock_{clock} {}

    Result<std::unique_ptr<rpc::Server>> serve(Endpoint listen, std::map<std::string, rpc::Handler> handlers,
                                               rpc::Handler otherwise) override {
        for (auto& [name, handler] : handlers) {
            handler = counting(std::move(handler), name.substr(name.rfind('/') + 1), clock_);
        }
        return inner_->serve(std::move(listen), std::move(handlers), counting(std::move(otherwise), "other", clock_));
    }
    std::unique_ptr<rpc::Channel> channel(Endpoint target) override { return inner_->channel(std::move(target)); }

private:
    const std::unique_ptr<rpc::Rpc> inner_;
    Clock& clock_;
};

}  // namespace

RpcMetrics::RpcMetrics(const std::string& method)
    : calls{telemetry::counter("millrace_rpc_calls_total", "Calls that a server began to answer", of_method(method))},
      seconds{telemetry::histogram("millrace_rpc_call_seconds", "From a call's arrival to its answer", of_method(method))},
      errors{"millrace_rpc_errors_total", "Calls answered with an error, by its code", of_method(method)} {}

std::unique_ptr<rpc::Rpc> count_calls(std::unique_ptr<rpc::Rpc> inner, Clock& clock) {
    return std::make_unique<CountingRpc>(std::move(inner), clock);
}

}  // namespace millrace::cli
