// SPDX-License-Identifier: Apache-2.0
//
// Shared connections and the location cache.
#include "client/segment/segment_pool.h"

#include <algorithm>
#include <utility>

#include "client/segment/retry.h"

namespace millrace::client {

namespace {

// Forgetting costs one question to the controller, so the bound may be crude.
constexpr std::size_t kLocationsMax = 65'536;
constexpr std::chrono::seconds kConnectAttempt{5};

}  // namespace

Task<Result<Endpoint>> Locations::find(StreamName stream, SegmentId segment, bool refresh) {
    const std::string name = segment_name(stream, segment);
    if (const auto found = known_.find(name); found != known_.end() && !refresh) co_return found->second;
    while (asking_ >= kAskingMax) co_await asked_.wait();
    ++asking_;
    auto answer = co_await controller_.segment_endpoint(stream, segment, controller_.briefly());
    --asking_;
    asked_.notify_one();
    if (!answer) {
        const auto found = known_.find(name);
        if (found != known_.end() && may_pass(answer.error())) co_return found->second;
        co_return std::move(answer).error();
    }
    if (known_.size() >= kLocationsMax) known_.clear();
    known_.insert_or_assign(name, *answer);
    co_return std::move(*answer);
}

SegmentPool::Lane& SegmentPool::lane_to(const std::string& address) {
    auto& lanes = lanes_[address];
    const auto free = std::find_if(lanes.begin(), lanes.end(), [](const auto& lane) { return lane->calls < kCallsMax; });
    return free != lanes.end() ? **free : *lanes.emplace_back(std::make_unique<Lane>());
}

Task<Result<std::shared_ptr<RequestConnection>>> SegmentPool::connect(Lane& lane, Endpoint endpoint, Deadline deadline) {
    while (lane.connecting) co_await lane.connected.wait();
    if (gate_.closed()) co_return Error{ErrorCode::kClosed, "the client is closing"};
    if (lane.connection && !lane.connection->over()) co_return lane.connection;

    if (lane.connection) {
        auto old = std::exchange(lane.connection, nullptr);
        gate_.spawn(runtime_.executor, [old]() -> Task<void> { co_await old->close(); });
    }
    lane.connecting = true;
    const MonotonicTime attempt_end = std::min(deadline.when(), runtime_.clock.now() + kConnectAttempt);
    auto link = co_await SegmentLink::open(runtime_, std::move(endpoint), Deadline{attempt_end}, &resources_);
    lane.connecting = false;
    lane.connected.notify_all();
    if (!link) co_return std::move(link).error();
    lane.connection = std::make_shared<RequestConnection>(runtime_, std::move(*link));
    if (gate_.closed()) {
        // close() may have passed this lane already.
        auto late = std::exchange(lane.connection, nullptr);
        co_await late->close();
        co_return Error{ErrorCode::kClosed, "the client is closing"};
    }
    co_return lane.connection;
}

Task<Result<wire::Message>> SegmentPool::call(StreamName stream, SegmentId segment,
                                              std::function<wire::Message(wire::RequestId)> make, Deadline connect_by,
                                              Deadline reply_by) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    const std::string name = segment_name(stream, segment);
    const bool refresh = suspect_.erase(name) != 0;
    MR_CO_TRY(auto endpoint, co_await locations_.find(stream, segment, refresh));
    const std::string address = endpoint.to_string();
    Lane& lane = lane_to(address);
    const Seat seat{lane};
    auto connection = co_await connect(lane, std::move(endpoint), connect_by);
    if (!connection) {
        suspect_.insert(name);
        co_return std::move(connection).error();
    }
    const wire::RequestId id = ++last_id_;
    auto reply = co_await (*connection)->call(make(id), id, reply_by);
    if (!reply) {
        suspect_.insert(name);
        co_return std::move(reply).error().while_doing("segment store " + address);
    }
    if (std::holds_alternative<wire::WrongHost>(*reply)) {
        suspect_.insert(name);
        co_return Error{ErrorCode::kWrongHost, "segment store " + address + " does not serve " + name};
    }
    co_return std::move(*reply);
}

Task<void> SegmentPool::close() {
    gate_.shut();
    // A list of its own: calls that end meanwhile may still touch the map.
    std::vector<std::shared_ptr<RequestConnection>> connections;
    for (auto& [address, lanes] : lanes_) {
        for (auto& lane : lanes) {
            lane->connected.notify_all();
            if (lane->connection) connections.push_back(std::exchange(lane->connection, nullptr));
        }
    }
    for (auto& connection : connections) co_await connection->close();
    co_await gate_.close();
}

}  // namespace millrace::client
