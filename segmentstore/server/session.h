// SPDX-License-Identifier: Apache-2.0
//
// One connection of the data port: takes its frames in order, admits what they ask for, and sends
// replies when what they depend on is committed. A read that waits blocks nothing else. Whatever is
// wrong with a connection ends that connection only. While writers are held back, what they sent waits and the rest of the
// connection goes on, because clients share connections between writers and readers.
// Thread rule: the shard's executor. Lifetime: run() has ended before destruction; containers live longer.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/runtime/gate.h"
#include "common/runtime/runtime.h"
#include "common/transport/connection.h"
#include "common/wire/append_assembler.h"
#include "common/wire/messages.h"
#include "segmentstore/container/admission.h"
#include "segmentstore/container/container.h"
#include "segmentstore/server/append_run.h"
#include "segmentstore/server/principal.h"
#include "segmentstore/server/reply_queue.h"
#include "segmentstore/server/segment_store.h"
#include "segmentstore/server/server_metrics.h"

namespace millrace::segmentstore {

// What all sessions of a store share.
struct SessionShared {
    Runtime runtime;
    std::vector<container::Container*> containers;  // by id; nullptr: it is halted
    container::AdmissionCredits& credits;
    ServerMetrics& metrics;
    // A connection ended because of what its peer sent or did not read.
    std::function<void(const std::string& peer, const Error& reason)> report_bad_peer;

    // Committed bytes could not be read.
    std::function<void(const Error& reason)> report_bad_read;

    std::size_t waiting_reads = 0;
    // Absent where a test needs none.
    transport::ConnectionResources* connections = nullptr;

    // As SegmentStoreOptions say.
    std::size_t send_queue_bytes = SegmentStoreOptions{}.send_queue_bytes;
    std::chrono::nanoseconds first_frame_limit = SegmentStoreOptions{}.first_frame_limit;
    std::chrono::nanoseconds incomplete_limit = SegmentStoreOptions{}.incomplete_limit;
    std::chrono::nanoseconds stall_limit = SegmentStoreOptions{}.stall_limit;

    // Who the delegation tokens of requests stand for.
    const TokenVerifier* tokens = &accept_everybody();
};

class Session final : private container::CommitListener {
public:
    // Reads that wait or are being served; a client that has more is cut off.
    static constexpr std::size_t kMaxReads = 1000;
    // Replies that wait for the log; beyond, or beyond send_queue_bytes of them, no more frames are taken.
    static constexpr std::size_t kMaxWaitingReplies = 65'536;
    static constexpr std::size_t kMaxReadBytes = 2 * 1024 * 1024;
    static constexpr std::int32_t kMinReadBytes = 8;
    // Data is read for a reply only when no more than this is unsent.
    static constexpr std::size_t kReadBelowQueued = 256 * 1024;
    // A braked flow still gets a frame through this often.
    static constexpr std::chrono::seconds kBrakedFrameEvery{4};
    static constexpr std::chrono::seconds kBrakedLookEvery{1};
    // Frames of braked writers that are taken from the connection, so that those behind them are seen.
    static constexpr std::size_t kMaxHeldBytes = 1024 * 1024;
    // Whether there is room for small appends is looked at after so much of them.
    static constexpr std::size_t kLookEvery = AppendRun::kBytesMax;
    static constexpr std::chrono::seconds kDrainLimit{5};
    // Smaller slices of what was received are copied when they are admitted: what waits for the log
    // then keeps at most so many times of what the credits count.
    static constexpr std::size_t kMaxPinned = 4;

    Session(SessionShared& shared, std::unique_ptr<ByteStream> stream);
    ~Session();

    // Serves until the connection is over.
    Task<void> run();
    // Takes no more frames; what was admitted is still answered.
    void stop_intake();
    // Lets what is queued be sent, for at most kDrainLimit, then ends the connection.
    void end_after_drain();

private:
    using Next = Result<void>;  // an error ends the connection

    Task<void> serve_frames();
    // Whether a frame of this type has to wait for those that are held, or has to be held itself.
    bool has_to_wait(wire::FrameType type);
    // Takes a frame off the connection; while too many are held, waits.
    Task<void> hold(wire::Frame frame);
    Task<void> serve_held();
    void expect_rest_of_block();
    // Waits until replies have room. An error: the connection is over.
    Task<Result<void>> room_for_replies();
    // Waits until a frame of this type may be handled. An error: the connection is over.
    Task<Result<void>> room_for(wire::FrameType type);
    bool replies_have_room() const;
    // Whether there is room for what a frame of this type adds to the log, if it does.
    bool may_handle(wire::FrameType type) const;
    // Whether memory and disk take what adds to a log; on a full disk it is refused, not held back.
    bool may_add() const;
    // The same for what makes room in the end.
    bool may_free() const { return shared_.credits.reserve_available() || shared_.credits.available_to_free(); }
    // When the first container's hiccup of a full disk becomes a refusal; empty without such.
    std::optional<MonotonicTime> hiccup_ends() const;
    // Until a frame of this type may be handled, or one may pass all the same: then true.
    Task<bool> brake(wire::FrameType type);
    // Those who wait look at their conditions again.
    void wake();
    // `memory`: what it lies in.
    Next handle(const transport::FrameView& frame, const Bytes& memory);
    // Hands a message to its on() when its sender may ask for that (access.h), and answers it otherwise.
    template <class M>
    Next admit(M message);
    template <class M>
    Next decode_and_admit(const transport::FrameView& frame, const Bytes& memory);
    // Answers a request that its token does not allow. Whether it did.
    bool refuse_access(Permission needed, const std::string& segment, const std::string& token, wire::RequestId request);
    // The same for a segment whose container is halted.
    bool refuse_halted(const std::string& segment, wire::RequestId request);
    Next on(wire::Hello message);
    Next on(wire::KeepAlive message);
    Next on(wire::Padding message);
    Next on(wire::SetupAppend message);
    Next on(wire::AppendBlock message);
    Next on(wire::AppendBlockEnd message);
    Next on(wire::ConditionalAppend message);
    Next on(wire::ConditionalBlockEnd message);
    // Now, or with others of its writer. `frame_bytes`: the largest frame that its pieces came in.
    void store(const wire::Append& append, std::size_t frame_bytes);
    // What is stored and answered as one.
    struct Stored {
        container::EventNumbers events;
        std::span<const Bytes> pieces;
        std::optional<std::int64_t> expected_offset;
        // Of the first append, for a refusal, and of the last, for an acknowledgement.
        wire::RequestId first_request = 0;
        wire::RequestId last_request = 0;
    };
    void store(const std::shared_ptr<SessionWriter>& writer, const Stored& stored);
    void refuse(const std::shared_ptr<SessionWriter>& writer, const Stored& stored, const container::AppendOutcome& outcome);
    // Before anything else happens: what came later sees it, and it waits for nothing.
    void store_run();
    Next on(wire::ReadSegment message);
    Next on(wire::GetStreamSegmentInfo message);
    Next on(wire::CreateSegment message);
    Next on(wire::SealSegment message);
    Next on(wire::DeleteSegment message);
    Next on(wire::TruncateSegment message);
    Next on(wire::GetSegmentAttribute message);
    Next on(wire::UpdateSegmentAttribute message);
    template <class Reply>
    Next on(Reply message);  // replies have no business here

    // nullptr: it is halted.
    container::Container* find_container(const std::string& segment) const;
    // REQUIRES: it is not halted, which admit() has seen to.
    container::Container& container_for(const std::string& segment) const;
    ReplyQueue& queue_of(container::Container& container);
    template <class M>
    void send_message(const M& message) {
        connection_.send_encoded([&message](ByteBuffer& out) { wire::encode(message, out); });
    }
    // Sends now, or when `depends_on` is settled.
    template <class M>
    void reply(container::Container& container, const container::Dependency& depends_on, const M& message, std::string segment,
               std::shared_ptr<SessionWriter> writer = nullptr, bool close_after = false,
               std::shared_ptr<SessionWriter> set_up = nullptr) {
        // A reply that concerns no writer need not stay behind others.
        if (!writer && !close_after && container.settled(depends_on)) return send_message(message);
        ByteBuffer frame;
        wire::encode(message, frame);
        reply_later(container, depends_on, std::move(frame), message.request_id, std::move(segment), std::move(writer),
                    close_after, std::move(set_up));
    }
    void reply_later(container::Container& container, const container::Dependency& depends_on, ByteBuffer frame,
                     wire::RequestId request, std::string segment, std::shared_ptr<SessionWriter> writer,
                     bool close_after, std::shared_ptr<SessionWriter> set_up);
    // Sends what is ready, and listens for the rest.
    void flush_or_listen(ReplyQueue& queue);
    void flush(ReplyQueue& queue);
    // Answers a request that a full disk or a stopping store refuses.
    void refuse(container::Status status, const std::string& segment, wire::RequestId request, bool end_connection);
    void release(SessionWriter& writer);
    // Answers a request whose segment's name is too long to be kept. Whether it did.
    bool refuse_name(const std::string& segment, wire::RequestId request);

    struct Read {
        wire::ReadSegment request;
        container::Container* container = nullptr;
        container::ReadCursor cursor;
        std::size_t limit = 0;
        container::ReadWait wait;
    };
    Task<void> serve_read(std::list<Read>::iterator read);
    Task<void> serve_read_steps(Read& read);
    // Whether the outcome was final; otherwise nothing is sent.
    bool send_read_reply(container::Container& container, const wire::ReadSegment& request, container::ReadOutcome outcome);

    bool on_committed(ContainerId container, container::Lsn committed) override;
    void on_full(ContainerId container) override;
    void on_stopped(ContainerId container) override;

    SessionShared& shared_;
    transport::Connection connection_;
    wire::AppendAssembler assembler_;
    std::size_t block_bytes_ = 0;  // of the block that is open
    std::unordered_map<WriterId, std::shared_ptr<SessionWriter>> writers_;
    std::shared_ptr<SessionWriter> recent_;  // of the last append
    AppendRun run_;                          // empty whenever this session waits
    std::size_t room_seen_ = 0;              // for appends, while less than this is taken; only until this session waits
    std::unordered_map<std::uint32_t, std::unique_ptr<ReplyQueue>> queues_;  // by container; they stay
    std::size_t waiting_replies_ = 0;
    std::size_t waiting_reply_bytes_ = 0;
    Signal fewer_replies_;

    std::deque<wire::Frame> held_;  // in order
    std::size_t held_bytes_ = 0;
    Signal fewer_held_;

    // Whom the newest request came from, and what it showed for that.
    std::shared_ptr<const Principal> principal_;
    std::string token_;

    std::list<Read> reads_;
    bool reading_data_ = false;  // one reply with data is put together at a time
    Signal data_read_;

    bool deaf_ = false;    // frames are dropped
    bool ending_ = false;  // the drain has begun
    Gate gate_;
};

}  // namespace millrace::segmentstore
