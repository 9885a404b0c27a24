// SPDX-License-Identifier: Apache-2.0
//
// A run of events of one segment that is sent, acknowledged and stored as a whole. Its buffer is the
// frame itself (an AppendBlockEnd without AppendBlock, docs/protocol/wire.md), with room at the front
// for what is known only when it is sent, so that a payload is copied once on its way to the socket.
// Thread rule: one owner at a time.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/model/ids.h"
#include "millrace/event_writer.h"

namespace millrace::client {

class Block {
public:
    using Acknowledged = EventWriter::Acknowledged;

    // type, length, writer id, size of whole events, length of data.
    static constexpr std::size_t kHeadBytes = 4 + 4 + 16 + 4 + 4;
    // number of events, last event number, request id.
    static constexpr std::size_t kTailBytes = 4 + 8 + 8;
    // type and length before each payload.
    static constexpr std::size_t kEventHeaderBytes = 8;
    // A block is not filled beyond this, except by a single event that is larger. With head and tail
    // a power of two, which is how buffers grow.
    static constexpr std::size_t kFullBytes = 256 * 1024 - kHeadBytes - kTailBytes;

    static constexpr std::size_t framed_bytes(std::size_t payload_bytes) { return kEventHeaderBytes + payload_bytes; }
    // What an event takes of memory here, but for what its callback holds by itself.
    static constexpr std::size_t memory_bytes(std::size_t framed, bool has_callback) {
        return framed + sizeof(double) + (has_callback ? sizeof(std::pair<std::uint32_t, Acknowledged>) : 0);
    }

    Block() { clear(); }
    // Empty again, keeping its memory.
    void clear();

    bool has_room(std::size_t framed) const { return positions_.empty() || event_bytes_ + framed <= kFullBytes; }
    // Frames and adds an event. `position`: where its key lies, kept for when the segment is sealed.
    void add(double position, std::string_view payload, Acknowledged acknowledged);
    // The same for an event that is framed already.
    void add_framed(double position, ByteView framed, Acknowledged acknowledged);

    std::size_t events() const { return positions_.size(); }
    std::size_t event_bytes() const { return event_bytes_; }
    // Of all events; callbacks that were called or taken away still count.
    std::size_t memory_bytes() const { return memory_bytes_; }
    std::size_t capacity() const { return frame_.capacity(); }

    // Completes the frame. No event may be added afterwards.
    void number(const WriterId& writer, std::int64_t last_event_number, std::int64_t request_id);
    std::int64_t last_event_number() const { return last_event_number_; }
    ByteView frame() const { return frame_.view(); }

    // Calls the callbacks, in order, once.
    void notify(const Result<void>& outcome);

    struct Event {
        double position;
        ByteView framed;
        Acknowledged acknowledged;
    };
    // The events in order, sharing this block's memory; takes the callbacks away.
    std::vector<Event> dissolve();

    // Which flush() waits for it.
    std::uint64_t generation = 0;

private:
    // Room for one more event.
    void grow(std::size_t framed);
    void keep(double position, Acknowledged acknowledged);

    ByteBuffer frame_;
    std::size_t event_bytes_ = 0;
    std::size_t memory_bytes_ = 0;
    std::vector<double> positions_;  // one for each event
    // Index of an event and its callback, for those that have one.
    std::vector<std::pair<std::uint32_t, Acknowledged>> callbacks_;
    std::int64_t last_event_number_ = 0;
};

}  // namespace millrace::client
