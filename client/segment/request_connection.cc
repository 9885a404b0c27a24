// SPDX-License-Identifier: Apache-2.0
//
// Matching replies to requests.
#include "client/segment/request_connection.h"

#include <utility>

namespace millrace::client {

wire::RequestId request_id_of(const wire::Message& message) {
    return std::visit(
        [](const auto& m) -> wire::RequestId {
            if constexpr (requires { m.request_id; }) return m.request_id;
            else return -1;
        },
        message);
}

RequestConnection::RequestConnection(Runtime runtime, std::unique_ptr<SegmentLink> link)
    : runtime_{runtime}, link_{std::move(link)} {
    gate_.spawn(runtime_.executor, [this]() -> Task<void> { co_await receive_loop(); });
}

Task<void> RequestConnection::receive_loop() {
    while (true) {
        auto messages = co_await link_->receive();
        if (!messages) {
            end(std::move(messages).error());
            co_return;
        }
        for (wire::Message& message : *messages) {
            // Nobody may be waiting any more: the caller's deadline has passed.
            const auto found = waiting_.find(request_id_of(message));
            if (found == waiting_.end()) continue;
            Reply* const reply = found->second;
            waiting_.erase(found);
            reply->set(std::move(message));
        }
    }
}

void RequestConnection::end(Error reason) {
    if (over_) return;
    over_.emplace(reason);
    link_->shut(reason);
    auto waiting = std::move(waiting_);
    waiting_.clear();
    for (auto& [id, reply] : waiting) reply->set(Error{reason}.with_unknown_fate());
}

Task<Result<wire::Message>> RequestConnection::call(wire::Message request, wire::RequestId id, Deadline deadline) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    if (over_) co_return *over_;
    Reply reply;
    MR_CHECK(waiting_.emplace(id, &reply).second);
    link_->send(request);
    auto answer = co_await reply.wait_until(runtime_.clock, deadline.when());
    if (!answer) {
        waiting_.erase(id);
        co_return Error{ErrorCode::kTimedOut, "no reply from segment store " + peer(), Fate::kUnknown};
    }
    co_return std::move(*answer);
}

Task<void> RequestConnection::close() {
    gate_.shut();
    end(Error{ErrorCode::kClosed, "the connection is closing"});
    co_await gate_.close();
    co_await link_->close();
}

}  // namespace millrace::client
