// SPDX-License-Identifier: Apache-2.0
//
// A small HTTP/1.1 server for health and metrics: GET and HEAD, one handler a path, requests up to
// 8 KiB, at most 64 connections, 10 s a request.
#pragma once

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

class HttpServer {
public:
    using Handler = std::function<HttpResponse()>;  // must not block

    // Errors as Network::listen.
    static Task<Result<std::unique_ptr<HttpServer>>> start(Runtime runtime, Endpoint listen,
                                                           std::map<std::string, Handler> handlers);
    virtual ~HttpServer() = default;
    virtual Endpoint local() const = 0;
    virtual Task<void> close() = 0;
};

}  // namespace millrace::telemetry
