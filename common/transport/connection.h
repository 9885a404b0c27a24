// SPDX-License-Identifier: Apache-2.0
//
// A connection that carries frames over a ByteStream, for both ends. Receives in runs: all whole
// frames that one read brought. Sends from a queue that is bounded in bytes and written with one
// gathered write per turn.
// Thread rule: the stream's executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/gate.h"
#include "common/runtime/network.h"
#include "common/runtime/runtime.h"
#include "common/runtime/signal.h"
#include "common/wire/frame.h"

namespace millrace::transport {

struct ConnectionOptions {
    // A frame that announces more ends the connection with kBadRequest.
    std::size_t max_payload_bytes = wire::kMaxReceivedPayload;
    // read_some is asked for this much at a time.
    std::size_t receive_buffer_bytes = 256 * 1024;
    // send() beyond this makes drained() wait; send() beyond twice this closes the connection with
    // kTooLarge, because the peer does not read and the caller does not wait.
    std::size_t send_queue_bytes = 4 * 1024 * 1024;
};

class Connection {
public:
    Connection(Runtime runtime, std::unique_ptr<ByteStream> stream, ConnectionOptions options = {});
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

    // Waits until at most `at_most` bytes are queued or the connection is over (then its error).
    Task<Result<void>> drained(std::size_t at_most);
    std::size_t queued_bytes() const { return queued_bytes_; }

    // Stops both directions now; what is queued may be lost. Waits for the background writer.
    Task<void> close();
    // Lets the queue be written first, but not longer than until `deadline`.
    Task<void> close_after_drain(Deadline deadline);
    // Ends receive() and the writer, without waiting.
    void shut(Error reason);

    bool over() const { return over_.has_value(); }
    const std::string& peer() const { return peer_; }

private:
    Task<void> write_loop();

    Runtime runtime_;
    std::unique_ptr<ByteStream> stream_;
    const ConnectionOptions options_;
    const std::string peer_;
    std::optional<Error> over_;

    std::shared_ptr<ByteBuffer> receive_buffer_;
    std::size_t received_begin_ = 0;  // first byte of receive_buffer_ not yet handed out
    std::size_t received_end_ = 0;    // past the last byte received

    std::deque<Bytes> send_queue_;
    std::size_t queued_bytes_ = 0;
    bool writing_ = false;
    Signal drained_;
    Gate gate_;
};

}  // namespace millrace::transport
