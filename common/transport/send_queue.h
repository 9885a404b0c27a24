// SPDX-License-Identifier: Apache-2.0
//
// What waits to be sent: small frames are copied together, large ones stay pieces of their own.
// Thread rule: the connection's executor.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "common/base/bytes.h"
#include "common/wire/frame.h"

namespace millrace::transport {

class SendQueue {
public:
    // Bytes that may still grow at the end of the queue; whole frames, or parts of one, are appended.
    // Then end_append().
    ByteBuffer& begin_append();
    void end_append();
    void add(ByteBuffer frames);
    void add(Bytes part);
    void add_frame(wire::FrameType type, Bytes payload);
    void add_copy(wire::FrameType type, ByteView payload);

    // Bytes not taken by done() yet.
    std::size_t bytes() const { return bytes_; }

    // Takes the next pieces, at most so many bytes (one piece may be cut), out for one gathered write.
    // They stay valid until done() or clear(). REQUIRES: nothing is taken out.
    std::span<const ByteView> take(std::size_t bytes_max);
    std::size_t taken_bytes() const { return taken_bytes_; }
    // Ends what take() began: so many of the bytes are written, the rest waits again, in front.
    void done(std::size_t written);
    // Forgets all but what is taken out, which a write may still be reading.
    void clear();

private:
    struct Piece {
        ByteBuffer own;  // or
        Bytes shared;
        std::size_t begin = 0;  // before it: taken out earlier
        ByteView view() const { return (shared.empty() ? own.view() : shared.view()).subspan(begin); }
    };

    void append_frame(wire::FrameType type, std::size_t payload_bytes, ByteView copied);
    void seal();

    std::deque<Piece> pieces_;
    ByteBuffer small_;  // after pieces_
    std::size_t small_before_ = 0;
    ByteBuffer spare_;  // memory for the next small_
    std::size_t bytes_ = 0;

    std::vector<Piece> out_;
    std::vector<ByteView> views_;
    std::size_t taken_bytes_ = 0;
};

}  // namespace millrace::transport
