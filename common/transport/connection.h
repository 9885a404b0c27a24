// SPDX-License-Identifier: Apache-2.0
//
// A connection that carries frames over a ByteStream, for both ends. Receives in runs: all whole
// frames that one read brought. Sends from a queue that is bounded in bytes and written with one
// gathered write per turn.
// Thread rule: the stream's executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/gate.h"
#include "common/runtime/network.h"
#include "common/runtime/runtime.h"
#include "common/runtime/signal.h"
#include "common/wire/frame.h"

namespace millrace::transport {

inline constexpr std::size_t kMaxQueuedFrameBytes = wire::kFrameHeaderBytes + wire::kMaxSentPayload;

struct ConnectionOptions {
    // A frame that announces more ends the connection with kBadRequest.
    std::size_t max_payload_bytes = wire::kMaxReceivedPayload;
    // read_some is asked for at most this much, except for the rest of a larger frame. Starts lower
    // and grows with what arrives, so that a quiet connection costs little memory.
    std::size_t receive_buffer_bytes = 256 * 1024;
    // Callers wait with drained(send_queue_bytes) before they send another frame, so no more than
    // this and one largest frame (kMaxQueuedFrameBytes) is ever queued. A send() that finds more than
    // that closes the connection with kTooLarge: the peer does not read and the caller did not wait.
    std::size_t send_queue_bytes = 4 * 1024 * 1024;
};

class Connection {
public:
    Connection(Runtime runtime, std::unique_ptr<ByteStream> stream, ConnectionOptions options = {});
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    // At least one whole frame, in order. One receive at a time.
    // Errors: kClosed (closed here), kUnavailable (peer went away; "between frames" or "inside a
    // frame" in the detail), kBadRequest (oversized or negative length). After an error the
    // connection is over.
    Task<Result<std::vector<wire::Frame>>> receive();

    // Queues bytes to send: whole frames, or consecutive parts of one frame. Never waits.
    // Dropped silently once the connection is over.
    void send(ByteBuffer frames);
    void send(Bytes part);

    // Waits until at most `at_most` bytes are queued, those being written included, or the connection
    // is over (then its error).
    Task<Result<void>> drained(std::size_t at_most);
    std::size_t queued_bytes() const { return queued_bytes_; }

    // Whether receive() waits for the peer, and whether for the rest of a frame.
    bool receiving() const { return receiving_; }
    bool inside_frame() const { return in_.begin != in_.end; }
    std::uint64_t received_bytes() const { return received_bytes_; }

    // Stops both directions now; what is queued may be lost. Waits for the background writer and for
    // receive() and drained() to end.
    Task<void> close();
    // Lets the queue be written first, but not longer than until `deadline`.
    Task<void> close_after_drain(Deadline deadline);
    // Ends receive(), drained() and the writer with `reason`, without waiting. The first reason stays.
    void shut(Error reason);

    bool over() const { return over_.has_value(); }
    const std::string& peer() const { return peer_; }
    Clock& clock() const { return runtime_.clock; }
    const Executor& executor() const { return runtime_.executor; }

private:
    // Memory that received frames share. Never written where a frame lies.
    struct ReceiveBuffer {
        std::shared_ptr<std::byte[]> memory;
        std::size_t capacity = 0;
        std::size_t begin = 0;  // first byte not yet handed out
        std::size_t end = 0;    // past the last byte received

        bool shared() const;
    };

    Result<void> cut_frames(std::vector<wire::Frame>& frames);
    void make_room();
    void move_to(std::size_t capacity);
    void received(std::size_t offered, std::size_t count);

    void seal_small_sends();
    void sent(std::size_t queued_before);
    Task<void> write_loop();
    Error reason_it_is_over() const;

    Runtime runtime_;
    std::unique_ptr<ByteStream> stream_;
    const ConnectionOptions options_;
    const std::string peer_;
    std::optional<Error> over_;

    ReceiveBuffer in_;
    std::size_t buffer_bytes_;    // of the next receive buffer
    std::size_t frame_bytes_ = 0; // of the incomplete frame at in_.begin, as far as it is known
    std::uint64_t received_bytes_ = 0;  // ever
    bool receiving_ = false;

    std::deque<Bytes> send_queue_;
    ByteBuffer small_sends_;  // after send_queue_: small frames, together
    std::size_t queued_bytes_ = 0;
    bool writing_ = false;
    Signal drained_;
    Gate gate_;
};

}  // namespace millrace::transport
