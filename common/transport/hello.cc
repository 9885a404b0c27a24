// SPDX-License-Identifier: Apache-2.0
#include "common/transport/hello.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace millrace::transport {
namespace {

// Ends the connection when the deadline passes; not once this object is gone.
class DeadlineWatch {
public:
    DeadlineWatch(Connection& connection, Deadline deadline) : clock_{connection.clock()} {
        if (deadline.is_never()) return;
        timer_ = clock_.schedule(deadline.when(), connection.executor(), [&connection] {
            connection.shut(Error{ErrorCode::kTimedOut, connection.peer() + " did not answer Hello in time"});
        });
    }
    DeadlineWatch(const DeadlineWatch&) = delete;
    DeadlineWatch& operator=(const DeadlineWatch&) = delete;
    ~DeadlineWatch() {
        if (timer_) clock_.cancel(*timer_);
    }

private:
    Clock& clock_;
    std::optional<Clock::TimerId> timer_;
};

void send_our_hello(Connection& connection) {
    ByteBuffer bytes;
    wire::encode(kOurHello, bytes);
    connection.send(std::move(bytes));
}

Result<void> check_answer(const wire::Frame& frame, const std::string& peer) {
    if (frame.type != wire::FrameType::kHello) {
        return Error{ErrorCode::kBadRequest, peer + " sent " + wire::to_string(frame.type) + " before its Hello"};
    }
    MR_TRY(const wire::Message message, wire::decode(frame));
    return check_compatible(std::get<wire::Hello>(message));
}

}  // namespace

Result<void> check_compatible(const wire::Hello& peer) {
    if (peer.low_version <= kOurHello.high_version && peer.high_version >= kOurHello.low_version) return ok();
    return Error{ErrorCode::kUnsupported, "the peer speaks wire versions " + std::to_string(peer.low_version) + " to " +
                                              std::to_string(peer.high_version) + ", we " +
                                              std::to_string(kOurHello.low_version) + " to " +
                                              std::to_string(kOurHello.high_version)};
}

Task<Result<std::vector<wire::Frame>>> client_hello(Connection& connection, Deadline deadline) {
    const DeadlineWatch watch{connection, deadline};
    send_our_hello(connection);
    MR_CO_TRY(std::vector<wire::Frame> frames, co_await connection.receive());
    if (auto checked = check_answer(frames.front(), connection.peer()); !checked) {
        Error error = std::move(checked).error();
        connection.shut(error);
        co_return error;
    }
    frames.erase(frames.begin());
    co_return frames;
}

Result<void> answer_hello(Connection& connection, const wire::Hello& peer) {
    send_our_hello(connection);
    return check_compatible(peer);
}

}  // namespace millrace::transport
