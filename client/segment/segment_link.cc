// SPDX-License-Identifier: Apache-2.0
//
// Hello and decoding; keep-alives are the transport's. A segment store answers every one, so silence means that
// it is gone: a connection whose other machine vanished would otherwise hang for minutes.
#include "client/segment/segment_link.h"

#include <utility>

namespace millrace::client {

namespace {

constexpr std::chrono::seconds kKeepAliveEvery{10};
// A store that brakes a client still answers at least every few seconds.
constexpr std::chrono::seconds kSilenceLimit{60};
// An event of 8 MiB behind a full window of appends must fit without ending the connection.
constexpr std::size_t kSendQueueBytes = 32 * 1024 * 1024;

}  // namespace

Task<Result<std::unique_ptr<SegmentLink>>> SegmentLink::open(Runtime runtime, Endpoint endpoint, Deadline deadline,
                                                             transport::ConnectionResources* resources) {
    MR_CO_TRY(auto stream, co_await runtime.network.connect(std::move(endpoint), deadline));
    auto link = std::make_unique<SegmentLink>(runtime, std::move(stream), resources);
    link->send(wire::Hello{});
    co_return link;
}

SegmentLink::SegmentLink(Runtime runtime, std::unique_ptr<ByteStream> stream, transport::ConnectionResources* resources)
    : connection_{runtime, std::move(stream),
                  transport::ConnectionOptions{.send_queue_bytes = kSendQueueBytes,
                                               .keep_alive_every = kKeepAliveEvery,
                                               .silence_limit = kSilenceLimit,
                                               .resources = resources}} {}

Task<Result<std::vector<wire::Message>>> SegmentLink::receive() {
    std::vector<wire::Message> messages;
    while (messages.empty()) {
        MR_CO_TRY(auto frames, co_await connection_.receive());
        messages.reserve(frames.size());
        for (const wire::Frame& frame : frames) {
            auto message = wire::decode(frame);
            if (!message) {
                // Whatever garbled it may not happen again on a new connection.
                Error garbled{ErrorCode::kUnavailable,
                              "segment store " + peer() + " sent a frame that is no message: " +
                                  message.error().to_string(),
                              Fate::kUnknown};
                shut(garbled);
                co_return garbled;
            }
            if (const auto* hello = std::get_if<wire::Hello>(&*message)) {
                const wire::Hello ours;
                if (hello->low_version > ours.high_version || hello->high_version < ours.low_version) {
                    co_return Error{ErrorCode::kUnsupported,
                                    "segment store " + peer() + " speaks versions " + std::to_string(hello->low_version) +
                                        " to " + std::to_string(hello->high_version) + " of the protocol, this client " +
                                        std::to_string(ours.low_version) + " to " + std::to_string(ours.high_version)};
                }
            } else if (!std::holds_alternative<wire::KeepAlive>(*message)) {
                messages.push_back(std::move(*message));
            }
        }
    }
    co_return messages;
}

void SegmentLink::send(const wire::Message& message) {
    connection_.send_encoded([&message](ByteBuffer& out) { wire::encode(message, out); });
}

void SegmentLink::send(Bytes frames) { connection_.send(std::move(frames)); }

void SegmentLink::shut(Error reason) { connection_.shut(std::move(reason)); }

Task<void> SegmentLink::close() { return connection_.close(); }

const std::string& SegmentLink::peer() const { return connection_.peer(); }

}  // namespace millrace::client
