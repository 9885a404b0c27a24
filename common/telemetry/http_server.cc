// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/http_server.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/verb.hpp>

#include "common/runtime/gate.h"
#include "common/telemetry/http_metrics.h"
#include "common/telemetry/log.h"

namespace millrace::telemetry {

namespace {

namespace http = boost::beast::http;
using namespace std::chrono_literals;

// After an accept that failed (too many open files) the next try waits: the cause is still there.
constexpr auto kAcceptPause = 50ms;
// A refused request may still be arriving. Closing on unread bytes would reset the connection and
// could take the reply with it, so they are read for a little while.
constexpr auto kLingerTime = 250ms;
constexpr std::size_t kLingerBytesMax = 256 * 1024;

HttpResponse refusal(http::status status, std::string_view why) {
    return HttpResponse{static_cast<int>(status), "text/plain; charset=utf-8", std::string{why} + "\n"};
}

// The path of a request target: without query, and without scheme and host where a proxy's form is used.
std::string path_of(std::string_view target) {
    if (target.starts_with("http://")) {
        target.remove_prefix(std::string_view{"http://"}.size());
        const std::size_t slash = target.find('/');
        if (slash == std::string_view::npos) return "/";
        target.remove_prefix(slash);
    }
    return std::string{target.substr(0, target.find('?'))};
}

std::string head_of(const HttpResponse& response) {
    const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
    head.append(reason.data(), reason.size());
    head += "\r\nServer: millrace\r\nContent-Type: " + response.content_type;
    head += "\r\nContent-Length: " + std::to_string(response.body.size());
    if (response.status == static_cast<int>(http::status::method_not_allowed)) head += "\r\nAllow: GET, HEAD";
    head += "\r\nConnection: close\r\n\r\n";
    return head;
}

class SmallHttpServer final : public HttpServer {
public:
    SmallHttpServer(Runtime runtime, std::unique_ptr<Listener> listener, std::map<std::string, Handler> handlers,
                    HttpServerOptions options)
        : runtime_{std::move(runtime)},
          options_{options},
          handlers_{std::move(handlers)},
          listener_{std::move(listener)} {}

    void begin() {
        gate_.spawn(runtime_.executor, [this]() -> Task<void> { co_await accept_all(); });
    }

    Endpoint local() const override { return listener_->local(); }

    Task<void> close() override {
        gate_.shut();
        listener_->close();
        for (const auto& [id, place] : places_) place.stream->close();
        changed_.notify_all();
        co_await gate_.close();
    }

private:
    struct Place {
        std::shared_ptr<ByteStream> stream;
        MonotonicTime since;
        bool evicted = false;
    };

    Task<void> accept_all() {
        while (!gate_.closed()) {
            auto accepted = co_await listener_->accept();
            if (accepted.ok()) {
                metrics_.accepted.add();
                const std::shared_ptr<ByteStream> stream = std::move(accepted).value();
                co_await wait_for_a_place();
                if (!gate_.closed()) serve_in_background(stream);
            } else if (!gate_.closed()) {
                MR_LOG_WARN("http connection not accepted", {"reason", accepted.error().detail()});
                co_await changed_.wait_until(runtime_.clock, runtime_.clock.now() + kAcceptPause);
            }
        }
    }

    Task<void> wait_for_a_place() {
        while (!gate_.closed() && places_.size() >= options_.connections_max) {
            Place& oldest = places_.begin()->second;
            const MonotonicTime yields = oldest.since + options_.yield_after;
            if (runtime_.clock.now() < yields) {
                co_await changed_.wait_until(runtime_.clock, yields);
                continue;
            }
            if (!std::exchange(oldest.evicted, true)) {
                metrics_.evicted.add();
                oldest.stream->close();
            }
            // Its coroutine ends soon, and with it the place.
            co_await changed_.wait();
        }
    }

    void serve_in_background(const std::shared_ptr<ByteStream>& stream) {
        const std::uint64_t id = ++last_id_;
        places_.emplace(id, Place{stream, runtime_.clock.now()});
        gate_.spawn(runtime_.executor, [this, id, stream]() -> Task<void> {
            co_await serve(*stream);
            stream->close();
            places_.erase(id);
            changed_.notify_all();
        });
    }

    // `stream` lives until the caller's coroutine has ended.
    Task<void> serve(ByteStream& stream) {
        // Cancelled on its executor, before `stream` ends.
        const Clock::TimerId limit = close_after(stream, options_.request_time);
        bool whole = false;
        auto reply = co_await read_request(stream, whole);
        if (reply) {
            metrics_.count(reply->response.status);
            const std::string head = head_of(reply->response);
            std::vector<ByteView> pieces{as_bytes(head)};
            if (!reply->head_only) pieces.push_back(as_bytes(reply->response.body));
            const auto written = co_await stream.write(pieces);
            if (written.ok() && !whole) co_await linger(stream);
        }
        runtime_.clock.cancel(limit);
    }

    Clock::TimerId close_after(ByteStream& stream, std::chrono::nanoseconds time) {
        return runtime_.clock.schedule(runtime_.clock.now() + time, runtime_.executor, [&stream] { stream.close(); });
    }

    struct Reply {
        HttpResponse response;
        bool head_only = false;
    };

    // The reply to the request that arrives; none when the client left. `whole` becomes true when
    // nothing of the request can still be on its way.
    Task<std::optional<Reply>> read_request(ByteStream& stream, bool& whole) {
        http::request_parser<http::empty_body> parser;
        parser.header_limit(static_cast<std::uint32_t>(options_.request_bytes_max));
        ByteBuffer buffer(options_.request_bytes_max);
        std::size_t filled = 0;
        std::size_t parsed = 0;
        while (!parser.is_header_done()) {
            if (filled == buffer.size()) co_return too_large();
            const auto count = co_await stream.read_some(buffer.mutable_view().subspan(filled));
            if (!count.ok() || *count == 0) co_return std::nullopt;
            filled += *count;
            boost::system::error_code error;
            parsed += parser.put(boost::asio::const_buffer{buffer.data() + parsed, filled - parsed}, error);
            if (error == http::error::need_more) continue;
            if (error == http::error::header_limit || error == http::error::buffer_overflow) co_return too_large();
            if (error && !parser.is_header_done()) {
                co_return Reply{refusal(http::status::bad_request, "not an HTTP/1.1 request: " + error.message())};
            }
        }
        const auto& request = parser.get();
        const bool head_only = request.method() == http::verb::head;
        if (!head_only && request.method() != http::verb::get) {
            co_return Reply{refusal(http::status::method_not_allowed, "only GET and HEAD are served here")};
        }
        const bool has_body = parser.chunked() || parser.content_length().value_or(0) > 0;
        if (has_body) {
            co_return Reply{refusal(http::status::bad_request, "a request with a body is not served here"), head_only};
        }
        whole = parsed == filled;
        const auto target = request.target();
        const auto handler = handlers_.find(path_of({target.data(), target.size()}));
        if (handler == handlers_.end()) {
            std::string known;
            for (const auto& [path, ignored] : handlers_) known += " " + path;
            co_return Reply{refusal(http::status::not_found, "not found; served here:" + known), head_only};
        }
        co_return Reply{handler->second(), head_only};
    }

    Reply too_large() const {
        return Reply{refusal(http::status::request_header_fields_too_large,
                             "request line and headers are limited to " + std::to_string(options_.request_bytes_max) +
                                 " bytes")};
    }

    Task<void> linger(ByteStream& stream) {
        const Clock::TimerId limit = close_after(stream, kLingerTime);
        ByteBuffer buffer(4096);
        for (std::size_t read = 0; read < kLingerBytesMax;) {
            const auto count = co_await stream.read_some(buffer.mutable_view());
            if (!count.ok() || *count == 0) break;
            read += *count;
        }
        runtime_.clock.cancel(limit);
    }

    const Runtime runtime_;
    const HttpServerOptions options_;
    const std::map<std::string, Handler> handlers_;
    const std::unique_ptr<Listener> listener_;

    HttpMetrics metrics_;
    std::uint64_t last_id_ = 0;
    std::map<std::uint64_t, Place> places_;  // the oldest first; at most connections_max
    Signal changed_;  // a connection ended, or closing began
    Gate gate_;
};

}  // namespace

Task<Result<std::unique_ptr<HttpServer>>> HttpServer::start(Runtime runtime, Endpoint listen,
                                                            std::map<std::string, Handler> handlers,
                                                            HttpServerOptions options) {
    MR_CO_TRY(auto listener, co_await runtime.network.listen(std::move(listen)));
    auto server =
        std::make_unique<SmallHttpServer>(std::move(runtime), std::move(listener), std::move(handlers), options);
    server->begin();
    co_return std::unique_ptr<HttpServer>{std::move(server)};
}

}  // namespace millrace::telemetry
