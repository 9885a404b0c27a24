// SPDX-License-Identifier: Apache-2.0
//
// A call asks now and then whether the server still knows it; when it does not, twice in a row (the answer may have
// overtaken a reply), request or reply are lost, and the call is over as with a broken connection.
#include <map>

#include "common/runtime/gate.h"
#include "common/runtime/rare.h"
#include "common/runtime/signal.h"
#include "tests/sim/rpc/rpc_message.h"
#include "tests/sim/rpc/sim_rpc_ends.h"

namespace millrace::sim {

namespace {

// A call that was sent and has not ended.
struct OutgoingSimCall {
    std::optional<Result<std::string>> result;
    int denials = 0;  // kUnknown in a row
    Signal changed;
};

class SimChannel final : public rpc::Channel {
public:
    SimChannel(RpcSeams seams, Result<std::unique_ptr<MessageSocket>> socket, Endpoint target)
        : seams_{std::move(seams)}, random_{seams_.seed}, name_{target.to_string()}, target_{target.host, target.port} {
        if (!socket) return;  // the process is dead
        socket_ = std::move(socket).value();
        gate_.spawn(seams_.runtime.executor, [this] { return receive_all(); });
    }

    Task<Result<std::string>> call(std::string method, std::string body, Deadline deadline, rpc::Metadata metadata) override {
        MR_CO_TRY(const Gate::Pass pass, gate_.enter());
        if (body.size() > rpc::kMaxMessageBytes) {
            co_return Error{ErrorCode::kTooLarge, "a request of " + std::to_string(body.size()) +
                                                      " bytes; the protocol allows " + std::to_string(rpc::kMaxMessageBytes)};
        }
        MR_CO_TRY_VOID(rpc::check_metadata(metadata));
        Clock& clock = seams_.runtime.clock;
        if (deadline.passed(clock)) co_return Error{ErrorCode::kTimedOut, "no time left for a call to " + name_};
        if (!socket_) co_return dead();

        // Unique among the calls of a world, but for a chance that is none.
        const std::uint64_t id = random_.next();
        OutgoingSimCall outgoing;
        calls_[id] = &outgoing;
        RpcMessage request{RpcKind::kRequest, id, rpc::StatusCode::kOk, std::move(method), std::move(body), std::move(metadata), 0};
        send_request(std::move(request));
        MonotonicTime ask_at = clock.now() + ask_interval();
        while (!outgoing.result && outgoing.denials < 2) {
            (void)co_await outgoing.changed.wait_until(clock, std::min(ask_at, deadline.when()));
            if (outgoing.result || deadline.passed(clock)) break;
            if (clock.now() < ask_at) continue;
            (void)socket_->send(target_, encode_rpc({RpcKind::kAsk, id, {}, {}, {}, {}, 0}));
            ask_at = clock.now() + ask_interval();
        }
        calls_.erase(id);
        if (outgoing.result) co_return std::move(*outgoing.result);
        if (deadline.passed(clock)) {
            MR_PROBE("sim.rpc.timed_out");
            co_return Error{ErrorCode::kTimedOut, name_ + " did not answer in time", Fate::kUnknown};
        }
        MR_PROBE("sim.rpc.connection_broke");
        co_return Error{ErrorCode::kUnavailable, name_ + " cannot be reached: the connection broke", Fate::kUnknown};
    }

    Task<void> close() override {
        gate_.shut();
        for (const auto& [id, call] : calls_) {
            end(*call, Error{ErrorCode::kCancelled, "the channel to " + name_ + " was closed", Fate::kUnknown});
        }
        if (socket_) socket_->close();
        co_await gate_.close();
    }

private:
    std::chrono::nanoseconds ask_interval() { return std::chrono::milliseconds{random_.between(250, 500)}; }
    std::chrono::nanoseconds late() {
        return std::chrono::milliseconds{random_.between(0, static_cast<std::uint64_t>(seams_.faults->late_max.count()) + 1)};
    }
    bool strikes(std::uint32_t one_in) { return one_in > 0 && random_.one_in(one_in); }

    static void end(OutgoingSimCall& call, Result<std::string> result) {
        if (!call.result) call.result = std::move(result);
        call.changed.notify_all();
    }

    Error dead() const { return Error{ErrorCode::kClosed, "process is dead", Fate::kUnknown}; }

    void send_request(RpcMessage request) {
        if (strikes(seams_.faults->lose_request_one_in)) {
            MR_PROBE("sim.rpc.request_lost");
            return;
        }
        if (strikes(seams_.faults->run_twice_one_in)) {
            MR_PROBE("sim.rpc.run_twice");
            RpcMessage again = request;
            again.attempt = 1;
            send_later(encode_rpc(again), late());
        }
        if (strikes(seams_.faults->late_request_one_in)) {
            MR_PROBE("sim.rpc.request_late");
            send_later(encode_rpc(request), late());
            return;
        }
        (void)socket_->send(target_, encode_rpc(request));
    }

    // Also after the channel is closed: it is under way already.
    void send_later(Bytes request, std::chrono::nanoseconds after) {
        seams_.runtime.clock.schedule(seams_.runtime.clock.now() + after, seams_.runtime.executor,
                                      [socket = std::weak_ptr<MessageSocket>{socket_}, to = target_, request = std::move(request)] {
                                          if (const auto open = socket.lock()) (void)open->send(to, request);
                                      });
    }

    Task<void> receive_all() {
        for (;;) {
            Result<Message> message = co_await socket_->receive();
            if (!message) break;
            const auto decoded = decode_rpc(message->bytes);
            MR_CHECK(decoded.ok());  // the network changes no bytes
            const auto found = calls_.find(decoded->call);
            if (found == calls_.end()) {
                if (decoded->kind == RpcKind::kReply) MR_PROBE("sim.rpc.reply_too_late_or_double");
                continue;
            }
            OutgoingSimCall& call = *found->second;
            if (message->returned) returned(call, decoded->kind);
            else if (decoded->kind == RpcKind::kReply) replied(call, *decoded);
            else if (decoded->kind == RpcKind::kRunning) call.denials = 0;
            else if (decoded->kind == RpcKind::kUnknown) denied(call);
        }
        // Nothing comes any more: close() has told the calls, or the process is dead.
        for (const auto& [id, call] : calls_) end(*call, dead());
    }

    void returned(OutgoingSimCall& call, RpcKind kind) {
        if (kind == RpcKind::kAsk) return denied(call);
        MR_PROBE("sim.rpc.nobody_listens");
        end(call, Error{ErrorCode::kUnavailable, name_ + " cannot be reached: failed to connect"});
    }

    void denied(OutgoingSimCall& call) {
        ++call.denials;
        call.changed.notify_all();
    }

    void replied(OutgoingSimCall& call, const RpcMessage& reply) {
        if (reply.status == rpc::StatusCode::kOk) return end(call, reply.body);
        const ErrorCode code = rpc::from_status(reply.status);
        const std::string detail = code == ErrorCode::kUnavailable ? name_ + " cannot be reached: " + reply.body : reply.body;
        end(call, Error{code, detail, rpc::fate_of(reply.status)});
    }

    RpcSeams seams_;
    SeededRandom random_;
    const std::string name_;
    const MessageAddress target_;
    std::shared_ptr<MessageSocket> socket_;
    std::map<std::uint64_t, OutgoingSimCall*> calls_;
    Gate gate_;
};

}  // namespace

std::unique_ptr<rpc::Channel> make_sim_channel(RpcSeams seams, Result<std::unique_ptr<MessageSocket>> socket, Endpoint target) {
    return std::make_unique<SimChannel>(std::move(seams), std::move(socket), std::move(target));
}

}  // namespace millrace::sim
