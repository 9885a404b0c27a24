// SPDX-License-Identifier: Apache-2.0
//
// Over real sockets, with the client's bytes written out.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "common/runtime/gate.h"
#include "common/telemetry/health.h"
#include "common/telemetry/http_server.h"
#include "common/telemetry/metrics.h"

namespace millrace::telemetry {
namespace {

using namespace std::chrono_literals;

class HttpServerTest : public testing::Test {
protected:
    HttpServerTest() { shard_.start_thread("shard"); }
    ~HttpServerTest() override {
        if (!server_) return;
        block_on(shard_.executor(), [this]() -> Task<bool> {
            co_await server_->close();
            server_.reset();
            co_return true;
        });
    }

    void start(HttpServerOptions options = {}) {
        const bool started = block_on(shard_.executor(), [this, options]() -> Task<bool> {
            std::map<std::string, HttpServer::Handler> handlers;
            handlers["/health"] = [] { return HttpResponse{200, "text/plain", "fine\n"}; };
            handlers["/sick"] = [] { return HttpResponse{503, "text/plain", "sick\n"}; };
            handlers["/state"] = [this] { return health_.response(); };
            handlers["/metrics"] = [] { return HttpResponse{.body = render()}; };
            handlers["/big"] = [] { return HttpResponse{200, "text/plain", std::string(8 * 1024 * 1024, 'b')}; };
            auto server = co_await HttpServer::start(bundle_, Endpoint{"127.0.0.1", 0}, std::move(handlers), options);
            if (server.ok()) server_ = std::move(server).value();
            co_return server_ != nullptr;
        });
        ASSERT_TRUE(started);
    }

    Task<std::unique_ptr<ByteStream>> connect() {
        auto stream = co_await bundle_.network.connect(server_->local(), Deadline::after(bundle_.clock, 60s));
        MR_CHECK(stream.ok());
        co_return std::move(stream).value();
    }
    static Task<std::string> read_to_end(ByteStream& stream) {
        std::string all;
        ByteBuffer into(64 * 1024);
        for (;;) {
            auto count = co_await stream.read_some(into.mutable_view());
            if (!count.ok() || *count == 0) co_return all;
            all += as_text(into.view().first(*count));
        }
    }
    Task<std::string> exchange(std::string request) {
        auto stream = co_await connect();
        const std::vector<ByteView> pieces{as_bytes(request)};
        (void)co_await stream->write(pieces);
        co_return co_await read_to_end(*stream);
    }
    // The whole answer to `request`, which is sent as it stands.
    std::string ask(std::string request) {
        return block_on(shard_.executor(), [this, request = std::move(request)]() { return exchange(request); });
    }

    Health health_;
    AsioRuntime shard_;
    Runtime bundle_ = shard_.bundle();
    std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersGetAndHead) {
    start();
    EXPECT_EQ(ask("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nServer: millrace\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
              "Connection: close\r\n\r\nfine\n");
    EXPECT_EQ(ask("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nServer: millrace\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
              "Connection: close\r\n\r\n");
    EXPECT_TRUE(ask("GET /health?verbose=1 HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nfine\n"));
    EXPECT_TRUE(ask("GET http://host:1/health HTTP/1.1\r\nHost: host\r\n\r\n").ends_with("\r\n\r\nfine\n"));
    EXPECT_TRUE(ask("GET /sick HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
}

TEST_F(HttpServerTest, ShowsHealthAndMetrics) {
    start();
    const auto state = [this] { return ask("GET /state HTTP/1.1\r\nHost: x\r\n\r\n"); };
    EXPECT_TRUE(state().starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    const auto change = [this](auto how) {
        block_on(shard_.executor(), [this, how]() -> Task<bool> {
            how(health_);
            co_return true;
        });
    };
    change([](Health& health) { health.serving(); });
    EXPECT_TRUE(state().starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT_TRUE(state().ends_with("\r\nConnection: close\r\n\r\n{\"status\":\"serving\"}\n"));
    change([](Health& health) { health.failed("journal", "gone"); });
    EXPECT_TRUE(state().starts_with("HTTP/1.1 503 "));
    EXPECT_TRUE(state().ends_with("{\"status\":\"failed\",\"reasons\":[\"journal: gone\"]}\n"));

    counter("millrace_test_shown_total", "Shown.").add(7);
    const std::string page = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(page.find("\n# TYPE millrace_test_shown_total counter\nmillrace_test_shown_total 7\n"), std::string::npos) << page;
    EXPECT_NE(page.find("\nmillrace_telemetry_http_responses_total{class=\"5xx\"} "), std::string::npos) << page;
}

TEST_F(HttpServerTest, SendsBigBodiesWhole) {
    start();
    const std::string answer = ask("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, 8u * 1024 * 1024);
}

TEST_F(HttpServerTest, RequestInSmallPiecesIsAnswered) {
    start();
    const std::string answer = block_on(shard_.executor(), [this]() -> Task<std::string> {
        auto stream = co_await connect();
        const std::string request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
        for (const char& c : request) {
            const std::vector<ByteView> pieces{as_bytes(std::string_view{&c, 1})};
            (void)co_await stream->write(pieces);
            co_await yield();
        }
        co_return co_await read_to_end(*stream);
    });
    EXPECT_TRUE(answer.ends_with("\r\n\r\nfine\n")) << answer;
}

TEST_F(HttpServerTest, UnknownPathsAndMethodsAreRefused) {
    start();
    const std::string not_found = ask("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(not_found.starts_with("HTTP/1.1 404 Not Found\r\n")) << not_found;
    EXPECT_NE(not_found.find("/health"), std::string::npos);
    const std::string refused = ask("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 405 Method Not Allowed\r\n")) << refused;
    EXPECT_NE(refused.find("Allow: GET, HEAD\r\n"), std::string::npos);
    EXPECT_TRUE(ask("GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").starts_with("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, GarbageIsABadRequest) {
    start();
    for (const std::string& garbage :
         {std::string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11}, std::string{"hello\r\n\r\n"},
          std::string{"GET /health HTTP/9.9\r\n\r\n"}, std::string{"GET /health HTTP/1.1\r\nno colon\r\n\r\n"},
          std::string(100, '\0')}) {
        const std::string answer = ask(garbage);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << testing::PrintToString(garbage) << answer;
    }
    EXPECT_TRUE(ask("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("fine\n"));
}

TEST_F(HttpServerTest, OversizedHeadersAreRefused) {
    start();
    for (const std::string& request : {"GET /health HTTP/1.1\r\nX: " + std::string(100 * 1024, 'x') + "\r\n\r\n",
                                      "GET /" + std::string(100 * 1024, 'y') + " HTTP/1.1\r\n\r\n"}) {
        const std::string answer = ask(request);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
    }
    std::string many = "GET /health HTTP/1.1\r\n";
    for (int i = 0; i < 2000; ++i) many += "A: b\r\n";
    EXPECT_TRUE(ask(many + "\r\n").starts_with("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, ClientThatNeverFinishesItsRequestIsCutOff) {
    start({.request_time = 50ms});
    EXPECT_EQ(ask("GET /health HTTP/1.1\r\nX-Slow: "), "");
    EXPECT_EQ(ask(""), "");
}

TEST_F(HttpServerTest, ClientThatNeverReadsItsReplyIsCutOff) {
    start({.connections_max = 1, .request_time = 50ms});
    const std::string answer = block_on(shard_.executor(), [this]() -> Task<std::string> {
        auto deaf = co_await connect();
        const std::string request = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
        const std::vector<ByteView> pieces{as_bytes(request)};
        (void)co_await deaf->write(pieces);
        // The only place is taken until the time is up.
        co_return co_await exchange("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    });
    EXPECT_TRUE(answer.ends_with("fine\n")) << answer;
}

TEST_F(HttpServerTest, ConnectionsBeyondTheLimitWaitForAPlace) {
    start({.connections_max = 2, .request_time = 60s});
    const std::string answer = block_on(shard_.executor(), [this]() -> Task<std::string> {
        std::vector<std::unique_ptr<ByteStream>> idle;
        for (int i = 0; i < 2; ++i) idle.push_back(co_await connect());
        Gate gate;
        std::string got;
        gate.spawn(shard_.executor(), [&]() -> Task<void> {
            got = co_await exchange("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        });
        idle.clear();
        co_await gate.close();
        co_return got;
    });
    EXPECT_TRUE(answer.ends_with("fine\n")) << answer;
}

TEST_F(HttpServerTest, SlowConnectionsYieldToOthers) {
    // They would keep their places for a minute each.
    start({.connections_max = 3, .yield_after = 20ms, .request_time = 60s});
    const std::string answer = block_on(shard_.executor(), [this]() -> Task<std::string> {
        std::vector<std::unique_ptr<ByteStream>> hostile;
        for (int i = 0; i < 10; ++i) {
            hostile.push_back(co_await connect());
            const std::string part = i % 2 == 0 ? "GET /hea" : "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
            const std::vector<ByteView> pieces{as_bytes(part)};
            (void)co_await hostile.back()->write(pieces);
        }
        co_return co_await exchange("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    });
    EXPECT_TRUE(answer.ends_with("fine\n")) << answer;
}

TEST_F(HttpServerTest, CloseWhileSomebodyWaitsForAPlace) {
    start({.connections_max = 1, .yield_after = 60s, .request_time = 60s});
    const bool ended = block_on(shard_.executor(), [this]() -> Task<bool> {
        auto first = co_await connect();
        auto second = co_await connect();
        auto third = co_await connect();
        co_await server_->close();
        server_.reset();
        const std::string left = co_await read_to_end(*first) + co_await read_to_end(*second) + co_await read_to_end(*third);
        co_return left.empty();
    });
    EXPECT_TRUE(ended);
}

TEST_F(HttpServerTest, SmugglingAndFloodsAreRefusedOrIgnored) {
    start();
    // Bodies by any announcement; the second request of a connection is not answered.
    EXPECT_TRUE(ask("GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(ask("GET /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n").starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(ask("GET /health HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n").starts_with("HTTP/1.1 400 "));
    std::string pipelined;
    for (int i = 0; i < 100; ++i) pipelined += "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    const std::string answer = ask(pipelined);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos);
    // A method that looks like one, and paths that try to get somewhere.
    EXPECT_TRUE(ask("GETT /health HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 4"));
    for (const std::string path : {"//health", "/../etc/passwd", "/health/", "/%68ealth", "health", "http://", "*"}) {
        const std::string got = ask("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
        EXPECT_TRUE(got.starts_with("HTTP/1.1 4")) << path << "\n" << got;
    }
}

TEST_F(HttpServerTest, CloseEndsIdleConnections) {
    start();
    const bool ended = block_on(shard_.executor(), [this]() -> Task<bool> {
        auto idle = co_await connect();
        const std::string part = "GET /hea";
        const std::vector<ByteView> pieces{as_bytes(part)};
        (void)co_await idle->write(pieces);
        // Answered, so the server has accepted what came before.
        (void)co_await exchange("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        co_await server_->close();
        server_.reset();
        co_return (co_await read_to_end(*idle)).empty();
    });
    EXPECT_TRUE(ended);
}

TEST_F(HttpServerTest, TakenPortIsInUse) {
    start();
    const ErrorCode code = block_on(shard_.executor(), [this]() -> Task<ErrorCode> {
        auto second = co_await HttpServer::start(bundle_, server_->local(), {});
        MR_CHECK(!second.ok());
        co_return second.error().code();
    });
    EXPECT_EQ(code, ErrorCode::kInUse);
}

}  // namespace
}  // namespace millrace::telemetry
