// SPDX-License-Identifier: Apache-2.0
//
// The part of a segment store that a controller talks to, on a real or simulated network, with
// segments in memory. Can be told to break connections or to stay silent. For tests.
// Thread rule: the runtime's executor. Lifetime: close() before destruction.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/runtime/gate.h"
#include "common/runtime/runtime.h"
#include "common/transport/connection.h"
#include "common/wire/messages.h"

namespace millrace::controller {

class ScriptedStore {
public:
    explicit ScriptedStore(Runtime runtime) : runtime_{runtime} {}

    Task<Result<Endpoint>> listen(Endpoint at) {
        MR_CO_TRY(listener_, co_await runtime_.network.listen(std::move(at)));
        gate_.spawn(runtime_.executor, [this]() -> Task<void> { return accept_loop(); });
        co_return listener_->local();
    }

    Task<void> close() {
        gate_.shut();
        if (listener_) listener_->close();
        for (const auto& connection : connections_) connection->shut(Error{ErrorCode::kClosed, "closing"});
        co_await gate_.close();
    }

    void break_connections() {
        for (const auto& connection : connections_) connection->shut(Error{ErrorCode::kClosed, "broken on purpose"});
    }

    std::map<std::string, wire::CreateSegment> segments;
    std::map<std::string, bool> sealed;
    std::map<std::string, std::int64_t> starts;
    static constexpr std::int64_t kLength = 1000;  // of every segment
    std::uint64_t requests = 0;
    std::uint64_t connections = 0;
    // The connection breaks instead of this many of the next replies, after the change was made.
    int break_replies = 0;
    // Requests are taken and never answered.
    bool silent = false;
    // Instead of the ordinary reply, if set; its request id is filled in.
    std::optional<wire::Message> reply_with;

private:
    Task<void> accept_loop() {
        for (;;) {
            Result<std::unique_ptr<ByteStream>> stream = co_await listener_->accept();
            if (!stream) {
                if (stream.error().is(ErrorCode::kClosed)) co_return;
                continue;
            }
            ++connections;
            auto connection = std::make_shared<transport::Connection>(runtime_, std::move(*stream));
            connections_.push_back(connection);
            gate_.spawn(runtime_.executor, [this, connection]() -> Task<void> {
                co_await serve(connection);
                connections_.remove(connection);
                co_await connection->close();
            });
        }
    }

    Task<void> serve(std::shared_ptr<transport::Connection> connection) {
        for (;;) {
            Result<std::vector<wire::Frame>> frames = co_await connection->receive();
            if (!frames) co_return;
            for (const wire::Frame& frame : *frames) {
                Result<wire::Message> message = wire::decode(frame);
                if (!message) co_return;
                std::optional<wire::Message> reply = answer(*message);
                if (!reply) continue;
                if (std::holds_alternative<wire::Hello>(*message)) {
                    send(*connection, *reply);
                    continue;
                }
                ++requests;
                if (silent) continue;
                if (break_replies > 0) {
                    --break_replies;
                    connection->shut(Error{ErrorCode::kClosed, "broken on purpose"});
                    co_return;
                }
                send(*connection, *reply);
            }
        }
    }

    static void send(transport::Connection& connection, const wire::Message& message) {
        ByteBuffer bytes;
        wire::encode(message, bytes);
        connection.send(std::move(bytes));
    }

    std::optional<wire::Message> answer(const wire::Message& message) {
        if (std::holds_alternative<wire::Hello>(message)) return wire::Message{wire::Hello{}};
        return std::visit(
            [this](const auto& m) -> std::optional<wire::Message> {
                using Kind = std::decay_t<decltype(m)>;
                if constexpr (std::is_same_v<Kind, wire::CreateSegment>) {
                    const bool made = segments.emplace(m.segment, m).second;
                    if (auto special = as_told(m.request_id)) return special;
                    if (made) return wire::SegmentCreated{m.request_id, m.segment};
                    return wire::SegmentAlreadyExists{m.request_id, m.segment, {}};
                } else if constexpr (std::is_same_v<Kind, wire::SealSegment>) {
                    if (auto special = as_told(m.request_id)) return special;
                    if (!segments.contains(m.segment)) return wire::NoSuchSegment{m.request_id, m.segment, {}, -1};
                    if (sealed[m.segment]) return wire::SegmentIsSealed{m.request_id, m.segment, {}, -1};
                    sealed[m.segment] = true;
                    return wire::SegmentSealed{m.request_id, m.segment};
                } else if constexpr (std::is_same_v<Kind, wire::TruncateSegment>) {
                    if (auto special = as_told(m.request_id)) return special;
                    if (!segments.contains(m.segment)) return wire::NoSuchSegment{m.request_id, m.segment, {}, -1};
                    std::int64_t& start = starts[m.segment];
                    if (m.truncation_offset < start || m.truncation_offset > kLength) {
                        return wire::SegmentIsTruncated{m.request_id, m.segment, start, {}, m.truncation_offset};
                    }
                    start = m.truncation_offset;
                    return wire::SegmentTruncated{m.request_id, m.segment};
                } else if constexpr (std::is_same_v<Kind, wire::GetStreamSegmentInfo>) {
                    if (auto special = as_told(m.request_id)) return special;
                    if (!segments.contains(m.segment)) return wire::NoSuchSegment{m.request_id, m.segment, {}, -1};
                    return wire::StreamSegmentInfo{m.request_id, m.segment, true, sealed[m.segment], false, 0, kLength, starts[m.segment]};
                } else if constexpr (std::is_same_v<Kind, wire::DeleteSegment>) {
                    if (auto special = as_told(m.request_id)) return special;
                    if (segments.erase(m.segment) == 0) return wire::NoSuchSegment{m.request_id, m.segment, {}, -1};
                    return wire::SegmentDeleted{m.request_id, m.segment};
                } else {
                    return std::nullopt;
                }
            },
            message);
    }

    std::optional<wire::Message> as_told(wire::RequestId id) {
        if (!reply_with) return std::nullopt;
        wire::Message told = *reply_with;
        std::visit(
            [id](auto& m) {
                if constexpr (requires { m.request_id; }) m.request_id = id;
            },
            told);
        return told;
    }

    Runtime runtime_;
    std::unique_ptr<Listener> listener_;
    std::list<std::shared_ptr<transport::Connection>> connections_;
    Gate gate_;
};

}  // namespace millrace::controller
