// SPDX-License-Identifier: Apache-2.0
//
// A connection that carries frames over a ByteStream, for both ends. Receives in runs: all whole
// frames that one read brought. Sends from a queue that is bounded in bytes and written with
// gathered writes. Memory and patience are bounded (ConnectionOptions): whatever a peer does, or does
// not do, the connection costs what its options say and ends with a stated reason, which is counted.
// Thread rule: the stream's executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/gate.h"
#include "common/runtime/memory_budget.h"
#include "common/runtime/network.h"
#include "common/runtime/runtime.h"
#include "common/runtime/signal.h"
#include "common/transport/connection_options.h"
#include "common/transport/frame_run.h"
#include "common/transport/receive_buffer.h"
#include "common/transport/send_queue.h"
#include "common/wire/frame.h"

namespace millrace::transport {

class Connection {
public:
    Connection(Runtime runtime, std::unique_ptr<ByteStream> stream, ConnectionOptions options = {});
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    // At least one whole frame, in order. One receive at a time. Frames share memory that counts
    // against the budget of received bytes: what is kept for long is better copied.
    // Errors: kClosed (closed here), kUnavailable (peer went away, "between frames" or "inside a
    // frame" in the detail; or silent), kBadRequest (oversized or negative length), kTimedOut and
    // kTooLarge (a limit of the options). After an error the connection is over.
    Task<Result<std::vector<wire::Frame>>> receive();
    // The same, as they lie in memory: cheaper for many small frames of which little is kept. Let go of the run before
    // the next receive, or its memory cannot be used again.
    Task<Result<FrameRun>> receive_run();

    // Queues bytes to send: whole frames, or consecutive parts of one frame. Never waits.
    // Dropped silently once the connection is over or the stream ended by close_after_drain().
    void send(ByteBuffer frames);
    void send(Bytes part);
    // A whole frame. A shared payload is sent from where it lies if it is large, a view always copied.
    void send_frame(wire::FrameType type, Bytes payload);
    void send_frame(wire::FrameType type, ByteView payload);
    // The same for what encode(ByteBuffer&) appends, without a buffer in between. For small frames.
    template <class Encode>
    void send_encoded(Encode&& encode) {
        if (!may_send()) return;
        const std::size_t before = queue_.bytes();
        std::forward<Encode>(encode)(queue_.begin_append());
        queue_.end_append();
        sent(before);
    }

    // Waits until at most `at_most` bytes are queued, those being written included, or the connection
    // is over (then its error).
    // While all connections of the shard together hold more than ConnectionResources::queued_bytes_max, it waits for
    // that as well: a peer that is slow then ends within seconds.
    Task<Result<void>> drained(std::size_t at_most);
    // Waits until what all connections have to send, with what is being put together (SendReservation), is within
    // ConnectionResources::queued_bytes_max, or the connection is over (then its error).
    Task<Result<void>> room_to_prepare();
    // Whether drained() would not wait.
    bool has_drained(std::size_t at_most) const { return queue_.bytes() <= at_most && !crowded(); }
    std::size_t queued_bytes() const { return queue_.bytes(); }

    // The owner has begun something that the peer's next frames must complete ("an append block"), or null: it
    // has not. It must be completed within frame_limit, whatever other frames come; a single frame that brings
    // frame_bytes_min in that time goes on. Say null in between when one was completed and another begun.
    void expect_more(const char* what);

    // `ended` is called once, inside the call that ends the connection: for owners that wait elsewhere.
    void on_end(UniqueFunction<void()> ended) { on_end_ = std::move(ended); }

    // Whether receive() waits for the peer, and whether for the rest of a frame.
    bool receiving() const { return receiving_ && !waiting_for_budget_; }
    bool inside_frame() const { return in_.inside_frame(); }
    std::uint64_t received_bytes() const { return received_bytes_; }
    std::size_t receive_buffer_bytes() const { return in_.capacity(); }

    // Stops both directions now; what is queued may be lost. Waits for the background writer and for
    // receive() and drained() to end.
    Task<void> close();
    // Lets the queue be written first, tells the peer that no more comes, and goes on reading (into
    // nothing) until it has closed its end too: a stream closed on unread bytes would be reset, and the
    // last reply lost. Not longer than until `deadline`, nor than a second after the queue was written.
    // Meanwhile receive() brings no more frames.
    Task<void> close_after_drain(Deadline deadline);
    // Ends receive(), drained() and the writer with `reason`, without waiting. The first reason stays.
    void shut(Error reason);

    bool over() const { return over_.has_value(); }
    // Why, once it is over.
    EndReason end_reason() const { return end_reason_; }
    const std::string& peer() const { return peer_; }
    Clock& clock() const { return runtime_.clock; }
    const Executor& executor() const { return runtime_.executor; }

private:
    // What the watch saw at its last look.
    struct Watch {
        std::optional<Clock::TimerId> timer;
        bool short_interval = false;
        MonotonicTime frame_since;
        std::uint64_t frame_bytes_seen = 0;
        std::uint64_t frames_seen = 0;
        MonotonicTime write_since;
        std::uint64_t written_seen = 0;
        std::optional<MonotonicTime> crowded_since;
        std::uint64_t crowded_written = 0;
        MonotonicTime heard_at;
        std::uint64_t heard_bytes_seen = 0;
        MonotonicTime keep_alive_at;
    };

    Task<bool> ensure_room();
    void count_frames(std::size_t frames);

    bool may_send() const { return !over_ && !writes_ended_; }
    void sent(std::size_t queued_before);
    void count_queued(std::size_t before);
    bool crowded() const { return options_.resources != nullptr && options_.resources->crowded(); }
    void flush();
    void flush_soon();
    void wrote(std::size_t bytes);
    void drop_queue();
    Task<void> write_loop();

    void end(EndReason why, Error reason);
    Error reason_it_is_over() const;

    // connection_watch.cc
    void watch_soon();
    void watch_later();
    void set_watch(std::chrono::nanoseconds after);
    void look();
    bool look_at_receiving(MonotonicTime now);
    bool look_at_memory(MonotonicTime now);
    bool look_at_sending(MonotonicTime now);
    bool look_at_silence(MonotonicTime now);
    std::chrono::nanoseconds idle_interval() const;

    Runtime runtime_;
    std::unique_ptr<ByteStream> stream_;
    const ConnectionOptions options_;
    const std::string peer_;
    const MonotonicTime opened_at_;
    std::optional<Error> over_;
    EndReason end_reason_ = EndReason::kClosedHere;
    UniqueFunction<void()> on_end_;

    ReceiveBuffer in_;
    MemoryBudget::Wait budget_wait_;
    bool waiting_for_budget_ = false;
    MonotonicTime large_since_;  // of the present large frame
    std::uint64_t large_bytes_seen_ = 0;
    std::uint64_t received_bytes_ = 0;   // ever
    std::uint64_t received_frames_ = 0;  // ever
    bool receiving_ = false;
    const char* more_expected_ = nullptr;
    MonotonicTime more_expected_since_;
    std::uint64_t more_bytes_seen_ = 0;  // where the present frame was when that was last set
    std::uint64_t more_frames_seen_ = 0;

    SendQueue queue_;
    std::uint64_t written_bytes_ = 0;  // ever
    bool writing_ = false;  // the loop runs
    bool flush_posted_ = false;
    bool draining_ = false;
    bool writes_ended_ = false;
    Signal drained_;

    Watch watch_;
    Gate gate_;
};

}  // namespace millrace::transport
