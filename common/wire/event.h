// SPDX-License-Identifier: Apache-2.0
//
// Events inside a segment: i32 0, i32 payload length, payload; big-endian. A convention of clients:
// the segment store never looks (docs/protocol/wire.md, "Events inside a segment").
// Thread rule: an object belongs to one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace millrace::wire {

inline constexpr std::size_t kEventHeaderBytes = 8;
inline constexpr std::size_t kMaxEventPayload = 8 * 1024 * 1024;

// REQUIRES: payload_bytes < 2^31.
std::array<std::byte, kEventHeaderBytes> event_header(std::size_t payload_bytes);
// Appends header and payload.
void encode_event(ByteView payload, ByteBuffer& out);

// Cuts the bytes of a segment, fed in order from the start of an event on, into events. The pieces
// fed may end anywhere. An event that lies in one piece shares its memory, another is copied
// together in a buffer that grows only with what has arrived.
class EventSplitter {
public:
    explicit EventSplitter(std::size_t max_payload_bytes = kMaxEventPayload) : max_payload_bytes_{max_payload_bytes} {}

    // Appends the payload of every event that is complete now to `events`, also before an error.
    // Errors (the splitter is over, every later call gives the same): kCorrupt for bytes that are no
    // event header, kTooLarge for a payload above the bound; both say how far into the bytes fed.
    Result<void> feed(Bytes piece, std::vector<Bytes>& events);

    // Bytes of the events handed out, headers included: where in what was fed the next event starts.
    std::uint64_t consumed_bytes() const { return consumed_bytes_; }
    // Bytes of the next event that are here already.
    std::size_t pending_bytes() const { return header_.size() + payload_.size(); }

private:
    Result<std::size_t> payload_bytes_of(ByteView header);

    const std::size_t max_payload_bytes_;
    std::uint64_t consumed_bytes_ = 0;
    ByteBuffer header_;   // of an event that is not complete; then its payload so far
    ByteBuffer payload_;
    std::size_t payload_due_ = 0;  // known once the header is whole
    std::optional<Error> failed_;
};

}  // namespace millrace::wire
