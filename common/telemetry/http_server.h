// SPDX-License-Identifier: Apache-2.0
//
// A small HTTP/1.1 server for health and metrics: GET and HEAD, one handler a path, one request a
// connection. Thread rule: the runtime's executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/runtime/runtime.h"

namespace millrace::telemetry {

struct HttpResponse {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
};

struct HttpServerOptions {
    // Request line and headers; more is answered with 431.
    std::size_t request_bytes_max = 8 * 1024;
    // One more waits to be served, others in the kernel's queue.
    std::size_t connections_max = 64;
    // While somebody waits, the oldest connection is closed when it has had this long: connections that dribble or do
    // not read cannot keep out who asks after the server's health.
    std::chrono::nanoseconds yield_after = std::chrono::seconds{1};
    // From accept to the end of the reply; then the connection is closed.
    std::chrono::nanoseconds request_time = std::chrono::seconds{10};
};

class HttpServer {
public:
    using Handler = std::function<HttpResponse()>;  // must not block

    // `handlers` by path, such as "/metrics". Errors as Network::listen.
    static Task<Result<std::unique_ptr<HttpServer>>> start(Runtime runtime, Endpoint listen,
                                                           std::map<std::string, Handler> handlers,
                                                           HttpServerOptions options = {});
    virtual ~HttpServer() = default;
    virtual Endpoint local() const = 0;
    // Breaks off what is being answered.
    virtual Task<void> close() = 0;
};

}  // namespace millrace::telemetry
