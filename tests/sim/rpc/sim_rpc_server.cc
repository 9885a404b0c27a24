// SPDX-License-Identifier: Apache-2.0
#include <deque>
#include <map>
#include <set>

#include "common/runtime/gate.h"
#include "common/runtime/rare.h"
#include "common/runtime/signal.h"
#include "tests/sim/rpc/rpc_message.h"
#include "tests/sim/rpc/sim_rpc_ends.h"

namespace millrace::sim {

namespace {

constexpr std::size_t kSeenMax = 16 * 1024;

class SimServer final : public rpc::Server {
public:
    SimServer(RpcSeams seams, std::unique_ptr<MessageSocket> socket, Endpoint local,
              std::map<std::string, rpc::Handler> handlers, rpc::Handler otherwise)
        : seams_{std::move(seams)},
          random_{seams_.seed},
          socket_{std::move(socket)},
          local_{std::move(local)},
          handlers_{std::move(handlers)},
          otherwise_{std::move(otherwise)} {
        loop_.spawn(seams_.runtime.executor, [this] { return receive_all(); });
    }

    Endpoint local() const override { return local_; }

    Task<void> close(Deadline deadline) override {
        closing_ = true;
        Clock& clock = seams_.runtime.clock;
        while (!running_.empty() && !deadline.passed(clock)) (void)co_await ended_.wait_until(clock, deadline.when());
        // Callers learn that nobody is there any more.
        for (const auto& [id, peer] : running_) {
            send(peer, {RpcKind::kReply, id, rpc::StatusCode::kUnavailable, {}, "the server was shut down", {}, 0});
        }
        running_.clear();
        socket_->close();
        co_await loop_.close();
        co_await gate_.close();
    }

private:
    bool strikes(std::uint32_t one_in) { return one_in > 0 && random_.one_in(one_in); }
    std::chrono::nanoseconds late() {
        return std::chrono::milliseconds{random_.between(0, static_cast<std::uint64_t>(seams_.faults->late_max.count()) + 1)};
    }

    Task<void> receive_all() {
        for (;;) {
            Result<Message> message = co_await socket_->receive();
            if (!message) co_return;
            if (message->returned) continue;
            auto decoded = decode_rpc(message->bytes);
            MR_CHECK(decoded.ok());  // the network changes no bytes
            if (decoded->kind == RpcKind::kAsk) {
                const bool known = running_.contains(decoded->call);
                send(message->peer, {known ? RpcKind::kRunning : RpcKind::kUnknown, decoded->call, {}, {}, {}, {}, 0});
            } else if (decoded->kind == RpcKind::kRequest) {
                accept(std::move(message->peer), std::move(decoded).value());
            }
        }
    }

    void accept(MessageAddress peer, RpcMessage request) {
        const std::uint64_t id = request.call;
        if (closing_) {
            return refuse(peer, id, rpc::StatusCode::kUnavailable, "this server is shutting down");
        }
        if (!is_new(id, request.attempt)) {
            MR_PROBE("sim.rpc.copy_dropped");
            return;
        }
        if (inside_ >= rpc::kMaxRunningCalls) {
            return refuse(peer, id, rpc::StatusCode::kResourceExhausted,
                          "this server runs " + std::to_string(rpc::kMaxRunningCalls) + " calls already: try again");
        }
        if (bytes_ + request.body.size() > rpc::kMaxRunningBytes) {
            return refuse(peer, id, rpc::StatusCode::kResourceExhausted,
                          "the requests that this server works on have " + std::to_string(rpc::kMaxRunningBytes) +
                              " bytes already: try again");
        }
        const std::size_t length = request.body.size();
        ++inside_;
        bytes_ += length;
        running_.emplace(id, peer);
        gate_.spawn(seams_.runtime.executor,
                    [this, peer = std::move(peer), length, request = std::move(request)]() mutable -> Task<void> {
                        const std::uint64_t call = request.call;
                        Result<std::string> result = co_await run(peer, std::move(request));
                        --inside_;
                        bytes_ -= length;
                        finish(peer, call, std::move(result));
                    });
    }

    // The network repeats messages; a connection does not. A copy comes soon, if at all.
    bool is_new(std::uint64_t call, std::uint8_t attempt) {
        if (!seen_.emplace(call, attempt).second) return false;
        seen_in_order_.emplace_back(call, attempt);
        if (seen_in_order_.size() > kSeenMax) {
            seen_.erase(seen_in_order_.front());
            seen_in_order_.pop_front();
        }
        return true;
    }

    Task<Result<std::string>> run(MessageAddress peer, RpcMessage request) {
        const auto found = handlers_.find(request.method);
        const rpc::Handler& handler = found == handlers_.end() ? otherwise_ : found->second;
        rpc::Request passed;
        passed.method = std::move(request.method);
        passed.body = std::move(request.body);
        passed.metadata = std::move(request.metadata);
        passed.peer = "sim:" + peer.to_string();
        Result<std::string> result = co_await handler(std::move(passed));
        if (result && result->size() > rpc::kMaxMessageBytes) {
            result = Error{ErrorCode::kTooLarge, "the reply has " + std::to_string(result->size()) +
                                                     " bytes; the protocol allows " + std::to_string(rpc::kMaxMessageBytes)};
        }
        co_return result;
    }

    void finish(const MessageAddress& peer, std::uint64_t call, Result<std::string> result) {
        const bool wanted = running_.erase(call) > 0;
        ended_.notify_all();
        if (!wanted) return;
        RpcMessage reply{RpcKind::kReply, call, {}, {}, {}, {}, 0};
        if (result) {
            reply.body = std::move(result).value();
        } else {
            reply.status = rpc::status_of(result.error());
            reply.body = result.error().detail();
        }
        if (strikes(seams_.faults->lose_reply_one_in)) {
            MR_PROBE("sim.rpc.reply_lost");
            return;
        }
        if (strikes(seams_.faults->double_reply_one_in)) {
            MR_PROBE("sim.rpc.reply_doubled");
            send_later(peer, encode_rpc(reply));
        }
        if (strikes(seams_.faults->late_reply_one_in)) {
            MR_PROBE("sim.rpc.reply_late");
            // Until it is sent, the call counts as running.
            running_.emplace(call, peer);
            gate_.spawn(seams_.runtime.executor, [this, peer, reply = std::move(reply)]() -> Task<void> {
                co_await sleep_for(seams_.runtime.clock, late());
                if (running_.erase(reply.call) > 0) send(peer, reply);
                ended_.notify_all();
            });
            return;
        }
        send(peer, reply);
    }

    void send_later(const MessageAddress& peer, Bytes reply) {
        seams_.runtime.clock.schedule(seams_.runtime.clock.now() + late(), seams_.runtime.executor,
                                      [socket = std::weak_ptr<MessageSocket>{socket_}, peer, reply = std::move(reply)] {
                                          if (const auto open = socket.lock()) (void)open->send(peer, reply);
                                      });
    }
    void send(const MessageAddress& peer, const RpcMessage& message) { (void)socket_->send(peer, encode_rpc(message)); }
    void refuse(const MessageAddress& peer, std::uint64_t call, rpc::StatusCode status, std::string detail) {
        send(peer, {RpcKind::kReply, call, status, {}, std::move(detail), {}, 0});
    }

    RpcSeams seams_;
    SeededRandom random_;
    std::shared_ptr<MessageSocket> socket_;
    const Endpoint local_;
    const std::map<std::string, rpc::Handler> handlers_;
    const rpc::Handler otherwise_;
    std::map<std::uint64_t, MessageAddress> running_;  // whose reply is still to be sent
    std::size_t inside_ = 0;                           // handlers
    std::size_t bytes_ = 0;                            // of their requests
    std::set<std::pair<std::uint64_t, std::uint8_t>> seen_;
    std::deque<std::pair<std::uint64_t, std::uint8_t>> seen_in_order_;
    bool closing_ = false;
    Signal ended_;
    Gate loop_;
    Gate gate_;
};

}  // namespace

std::unique_ptr<rpc::Server> make_sim_server(RpcSeams seams, std::unique_ptr<MessageSocket> socket, Endpoint local,
                                             std::map<std::string, rpc::Handler> handlers, rpc::Handler otherwise) {
    return std::make_unique<SimServer>(std::move(seams), std::move(socket), std::move(local), std::move(handlers),
                                       std::move(otherwise));
}

}  // namespace millrace::sim
