// SPDX-License-Identifier: Apache-2.0
//
// Frames in, replies out. Reads are in session_reads.cc.
#include "segmentstore/server/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/model/segment_name.h"
#include "common/transport/hello.h"
#include "segmentstore/server/unsupported.h"

namespace millrace::segmentstore {

namespace {

constexpr std::int32_t kUnspecifiedError = -1;
constexpr std::int32_t kIllegalArgument = 0;
// Of one append; see wire::AppendData.
constexpr std::size_t kMaxPieces = 3;
constexpr const char* kFullMessage =
    "the segment store's disk is full: nothing new is taken; free some space, it goes on by itself";

wire::ErrorMessage error_message(wire::RequestId request, const std::string& segment, std::string text,
                                 std::int32_t code) {
    wire::ErrorMessage message;
    message.request_id = request;
    message.segment = segment;
    message.message = std::move(text);
    message.error_code = code;
    return message;
}

wire::NoSuchSegment no_such_segment(wire::RequestId request, const std::string& segment) {
    wire::NoSuchSegment message;
    message.request_id = request;
    message.segment = segment;
    return message;
}

bool adds_to_log(wire::FrameType type) {
    switch (type) {
        case wire::FrameType::kAppendBlockEnd:
        case wire::FrameType::kCreateSegment:
        case wire::FrameType::kSealSegment:
        case wire::FrameType::kDeleteSegment: return true;
        default: return false;
    }
}

// The pieces of an append that came in frames of up to `frame_bytes`, as they may wait for the log:
// a slice keeps all the memory that it came in alive.
std::array<Bytes, kMaxPieces> compact(std::span<const Bytes> pieces, std::size_t frame_bytes) {
    MR_CHECK(pieces.size() <= kMaxPieces);
    const std::size_t pinned = std::max(frame_bytes, transport::ConnectionOptions{}.receive_buffer_bytes);
    std::array<Bytes, kMaxPieces> kept;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        kept[i] = pieces[i].size() < pinned / Session::kMaxPinned ? Bytes::copy_of(pieces[i].view()) : pieces[i];
    }
    return kept;
}

std::string illegal_name(const std::string& segment) {
    return "'" + segment.substr(0, 200) + "' is no name for a segment: 1 to " + std::to_string(kMaxSegmentNameBytes) +
           " printable ASCII characters without blanks";
}

}  // namespace

Session::Session(SessionShared& shared, std::unique_ptr<ByteStream> stream)
    : shared_{shared},
      connection_{shared.runtime, std::move(stream), [] {
                      transport::ConnectionOptions options;
                      options.send_queue_bytes = kSendQueueBytes;
                      return options;
                  }()},
      progress_at_{shared.runtime.clock.now()},
      received_at_{progress_at_} {}

Session::~Session() { MR_CHECK(gate_.inside() == 0); }

Task<void> Session::run() {
    co_await serve_frames();
    deaf_ = true;
    for (Read& read : reads_) read.wait.cancel();
    data_read_.notify_all();
    for (auto& [id, queue] : queues_) {
        if (queue->listening) queue->container().remove_listener(*this);
    }
    for (auto& [id, writer] : writers_) release(*writer);
    co_await connection_.close();
    co_await gate_.close();
}

Task<void> Session::serve_frames() {
    for (;;) {
        auto frames = co_await connection_.receive();
        if (!frames) {
            if (frames.error().is(ErrorCode::kBadRequest) || frames.error().is(ErrorCode::kTooLarge) ||
                frames.error().is(ErrorCode::kTimedOut)) {
                shared_.report_bad_peer(connection_.peer(), frames.error());
            }
            co_return;
        }
        shared_.metrics.frames_received.add(frames->size());
        for (const wire::Frame& frame : *frames) {
            if (const auto room = co_await room_for(frame.type); !room) break;  // receive() tells why
            if (deaf_) break;
            if (auto handled = handle(frame); !handled) {
                shared_.report_bad_peer(connection_.peer(), handled.error());
                co_return;
            }
        }
    }
}

// All conditions hold together when this returns: whatever suspended, they are looked at again.
Task<Result<void>> Session::room_for(wire::FrameType type) {
    bool passes = false;
    while (!deaf_ && !connection_.over()) {
        if (waiting_replies_ > kMaxWaitingReplies) {
            co_await fewer_replies_.wait();
        } else if (connection_.queued_bytes() > kSendQueueBytes) {
            MR_CO_TRY_VOID(co_await connection_.drained(kSendQueueBytes));
        } else if (!adds_to_log(type) || may_add()) {
            break;
        } else if (passes && shared_.credits.reserve_available() && !hiccup_ends()) {
            break;
        } else {
            passes = co_await brake();
        }
    }
    co_return ok();
}

bool Session::may_add() const {
    const auto refuses = [](const container::Container* c) { return c->refuses() || c->stopped(); };
    if (std::any_of(shared_.containers.begin(), shared_.containers.end(), refuses)) return true;
    return shared_.credits.available() && !hiccup_ends();
}

std::optional<MonotonicTime> Session::hiccup_ends() const {
    std::optional<MonotonicTime> first;
    for (const container::Container* c : shared_.containers) {
        const auto ends = c->refuses_from();
        if (ends && (!first || *ends < *first)) first = ends;
    }
    return first;
}

// Holds an operation back until memory has room for it, see AdmissionCredits, or the disk.
Task<bool> Session::brake() {
    shared_.metrics.braked.add();
    Clock& clock = shared_.runtime.clock;
    MonotonicTime next_frame = clock.now() + kBrakedFrameEvery;
    while (!may_add() && !deaf_ && !connection_.over()) {
        co_await shared_.credits.changed().wait_until(clock, std::min(next_frame, hiccup_ends().value_or(next_frame)));
        if (clock.now() < next_frame) continue;
        if (shared_.credits.reserve_available()) co_return true;
        next_frame = clock.now() + kBrakedFrameEvery;
    }
    co_return false;
}

Session::Next Session::handle(const wire::Frame& frame) {
    auto message = wire::decode(frame);
    if (!message && message.error().is(ErrorCode::kUnsupported)) return handle_unknown(frame, std::move(message).error());
    if (!message) return std::move(message).error();
    return std::visit([this](auto& m) { return on(std::move(m)); }, message.value());
}

Session::Next Session::handle_unknown(const wire::Frame& frame, Error reason) {
    const auto request = unsupported_request(frame);
    if (!request || (is_append_family(frame.type) && assembler_.block_open())) {
        return Error{ErrorCode::kBadRequest, reason.detail()};
    }
    wire::OperationUnsupported answer;
    answer.request_id = request->request_id;
    answer.operation_name = request->name;
    send_message(answer);
    return ok();
}

template <class Reply>
Session::Next Session::on(Reply message) {
    return Error{ErrorCode::kBadRequest, wire::to_string(wire::type_of(message)) + " is not for a server"};
}

Session::Next Session::on(wire::Hello message) {
    const auto compatible = transport::answer_hello(connection_, message);
    if (compatible) return ok();
    shared_.report_bad_peer(connection_.peer(), compatible.error());
    end_after_drain();
    return ok();
}

Session::Next Session::on(wire::KeepAlive message) {
    send_message(message);
    return ok();
}

Session::Next Session::on(wire::Padding) { return assembler_.padding(); }

Session::Next Session::on(wire::SetupAppend message) {
    MR_TRY(auto set_up, assembler_.setup_append(message));
    std::shared_ptr<SessionWriter>& place = writers_[message.writer_id];
    if (place) release(*place);
    auto writer = std::make_shared<SessionWriter>();
    place = writer;
    writer->set_up = std::move(set_up);
    writer->container = &container_for(message.segment);
    container::SetupOutcome outcome = writer->container->setup_append(message.segment, message.writer_id);
    if (outcome.status == container::Status::kNoSuchSegment) {
        writer->failed = true;
        reply(*writer->container, outcome.depends_on, no_such_segment(message.request_id, message.segment),
              message.segment);
        return ok();
    }
    const bool stuck = writer->container->refuses() && !writer->container->committed(outcome.depends_on);
    if (outcome.status != container::Status::kOk || stuck) {
        writer->failed = true;
        writer->handle = std::move(outcome.handle);
        refuse(stuck ? container::Status::kFull : outcome.status, message.segment, message.request_id, true);
        return ok();
    }
    writer->handle = std::move(outcome.handle);
    writer->acknowledged = outcome.last_event_number;
    wire::AppendSetup answer;
    answer.request_id = message.request_id;
    answer.segment = message.segment;
    answer.writer_id = message.writer_id;
    answer.last_event_number = outcome.last_event_number;
    reply(*writer->container, outcome.depends_on, answer, message.segment, nullptr, false, writer);
    return ok();
}

Session::Next Session::on(wire::AppendBlock message) {
    block_bytes_ = message.data.size();
    return assembler_.append_block(std::move(message));
}

Session::Next Session::on(wire::AppendBlockEnd message) {
    const std::size_t frame_bytes = std::max(message.data.size(), std::exchange(block_bytes_, 0));
    MR_TRY(const wire::Append append, assembler_.append_block_end(std::move(message)));
    const auto found = writers_.find(append.writer->id);
    MR_CHECK(found != writers_.end() && found->second->set_up == append.writer);
    const std::shared_ptr<SessionWriter>& writer = found->second;
    // The error that was sent says that nothing after it counts; the client sets up again.
    if (writer->failed) return ok();

    container::Container& container = *writer->container;
    const std::string& segment = writer->set_up->segment;
    container::AppendOutcome outcome;
    if (!shared_.credits.reserve_available()) {
        outcome.status = container::Status::kFull;
    } else {
        const auto pieces = compact(append.data.pieces(), frame_bytes);
        outcome = container.append(writer->handle, append.event_number, append.event_count,
                                   std::span{pieces}.first(append.data.pieces().size()));
    }
    if (outcome.status == container::Status::kOk) {
        ReplyQueue& queue = queue_of(container);
        queue.add_ack(outcome.depends_on, writer, append.event_number, outcome.length_after, append.request_id);
        ++waiting_replies_;
        flush_or_listen(queue);
        return ok();
    }
    writer->failed = true;
    switch (outcome.status) {
        case container::Status::kSealed: {
            wire::SegmentIsSealed sealed;
            sealed.request_id = append.request_id;
            sealed.segment = segment;
            sealed.offset = append.event_number;
            reply(container, outcome.depends_on, sealed, segment, writer);
            break;
        }
        case container::Status::kNoSuchSegment:
            reply(container, outcome.depends_on, no_such_segment(append.request_id, segment), segment, writer);
            break;
        case container::Status::kInvalidEventNumber: {
            wire::InvalidEventNumber invalid;
            invalid.writer_id = append.writer->id;
            invalid.request_id = append.request_id;
            invalid.event_number = append.event_number;
            // Where the writer was set up elsewhere, the queue would drop the answer with its acks.
            const bool owned = container.owns(writer->handle);
            reply(container, outcome.depends_on, invalid, segment, owned ? writer : nullptr, true);
            break;
        }
        case container::Status::kInvalidArgument:
            reply(container, outcome.depends_on,
                  error_message(append.request_id, segment,
                                "an append of " + std::to_string(append.data.size()) + " bytes is too large",
                                kIllegalArgument),
                  segment, writer);
            break;
        default:
            refuse(outcome.status, segment, append.request_id, true);
    }
    return ok();
}

Session::Next Session::on(wire::GetStreamSegmentInfo message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    const container::InfoOutcome outcome = container.info(message.segment);
    if (outcome.status == container::Status::kNoSuchSegment) {
        reply(container, outcome.depends_on, no_such_segment(message.request_id, message.segment), message.segment);
    } else if (outcome.status == container::Status::kOk) {
        wire::StreamSegmentInfo info;
        info.request_id = message.request_id;
        info.segment = message.segment;
        info.exists = true;
        info.is_sealed = outcome.sealed;
        info.last_modified_ms = outcome.last_modified_ms;
        info.write_offset = outcome.length;
        info.start_offset = outcome.start_offset;
        reply(container, outcome.depends_on, info, message.segment);
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

Session::Next Session::on(wire::CreateSegment message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    const container::ScalePolicy policy{message.target_rate, message.scale_type,
                                        std::max<std::int64_t>(0, message.rollover_size_bytes)};
    const container::Outcome outcome = shared_.credits.reserve_available()
                                           ? container.create(message.segment, policy)
                                           : container::Outcome{container::Status::kFull, {}};
    if (outcome.status == container::Status::kOk) {
        wire::SegmentCreated created;
        created.request_id = message.request_id;
        created.segment = message.segment;
        reply(container, outcome.depends_on, created, message.segment);
    } else if (outcome.status == container::Status::kAlreadyExists) {
        wire::SegmentAlreadyExists exists;
        exists.request_id = message.request_id;
        exists.segment = message.segment;
        reply(container, outcome.depends_on, exists, message.segment);
    } else if (outcome.status == container::Status::kInvalidArgument) {
        send_message(error_message(message.request_id, message.segment, illegal_name(message.segment), kIllegalArgument));
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

Session::Next Session::on(wire::SealSegment message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    const container::Outcome outcome = shared_.credits.reserve_available()
                                           ? container.seal(message.segment)
                                           : container::Outcome{container::Status::kFull, {}};
    if (outcome.status == container::Status::kOk) {
        wire::SegmentSealed sealed;
        sealed.request_id = message.request_id;
        sealed.segment = message.segment;
        reply(container, outcome.depends_on, sealed, message.segment);
    } else if (outcome.status == container::Status::kSealed) {
        wire::SegmentIsSealed sealed;
        sealed.request_id = message.request_id;
        sealed.segment = message.segment;
        reply(container, outcome.depends_on, sealed, message.segment);
    } else if (outcome.status == container::Status::kNoSuchSegment) {
        reply(container, outcome.depends_on, no_such_segment(message.request_id, message.segment), message.segment);
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

Session::Next Session::on(wire::DeleteSegment message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    const container::Outcome outcome = shared_.credits.reserve_available()
                                           ? container.remove(message.segment)
                                           : container::Outcome{container::Status::kFull, {}};
    if (outcome.status == container::Status::kOk) {
        wire::SegmentDeleted deleted;
        deleted.request_id = message.request_id;
        deleted.segment = message.segment;
        reply(container, outcome.depends_on, deleted, message.segment);
    } else if (outcome.status == container::Status::kNoSuchSegment) {
        reply(container, outcome.depends_on, no_such_segment(message.request_id, message.segment), message.segment);
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

container::Container& Session::container_for(const std::string& segment) const {
    const auto count = static_cast<std::uint32_t>(shared_.containers.size());
    return *shared_.containers[container_of(segment, count).number()];
}

ReplyQueue& Session::queue_of(container::Container& container) {
    auto& queue = queues_[container.id().number()];
    if (!queue) queue = std::make_unique<ReplyQueue>(container);
    return *queue;
}

void Session::send(ByteBuffer frames) {
    sent_total_ += frames.size();
    connection_.send(std::move(frames));
}

template <class M>
void Session::reply(container::Container& container, container::Lsn depends_on, const M& message, std::string segment,
                    std::shared_ptr<SessionWriter> writer, bool close_after, std::shared_ptr<SessionWriter> set_up) {
    ReplyQueue& queue = queue_of(container);
    // A reply that concerns no writer need not stay behind others.
    if (!writer && !close_after && container.committed(depends_on)) {
        send_message(message);
        return;
    }
    if (container.refuses() && !container.committed(depends_on)) {
        // It would wait for as long as the disk is full.
        refuse(container::Status::kFull, segment, message.request_id, writer != nullptr);
        return;
    }
    ByteBuffer frame;
    wire::encode(message, frame);
    queue.add_reply(depends_on, std::move(frame), std::move(writer), close_after, std::move(segment),
                    message.request_id, std::move(set_up));
    ++waiting_replies_;
    flush_or_listen(queue);
}

void Session::flush_or_listen(ReplyQueue& queue) {
    flush(queue);
    if (queue.listening || queue.empty()) return;
    queue.listening = true;
    queue.container().add_listener(*this);
}

void Session::flush(ReplyQueue& queue) {
    const std::size_t before = queue.size();
    ByteBuffer out;
    const ReplyQueue::Then then = queue.collect(queue.container().committed(), out);
    waiting_replies_ -= before - queue.size();
    if (before != queue.size()) fewer_replies_.notify_all();
    if (!out.empty()) send(std::move(out));
    if (then == ReplyQueue::Then::kClose) end_after_drain();
}

void Session::refuse(container::Status status, const std::string& segment, wire::RequestId request, bool end_connection) {
    if (status == container::Status::kFull) {
        send_message(error_message(request, segment, kFullMessage, kUnspecifiedError));
    } else {
        send_message(error_message(request, segment, "the segment store is stopping", kUnspecifiedError));
    }
    if (end_connection) end_after_drain();
}

bool Session::refuse_name(const std::string& segment, wire::RequestId request) {
    if (segment.size() <= kMaxSegmentNameBytes) return false;
    send_message(error_message(request, segment, illegal_name(segment), kIllegalArgument));
    return true;
}

void Session::release(SessionWriter& writer) {
    if (writer.container != nullptr) writer.container->release(writer.handle);
}

bool Session::on_committed(ContainerId container, container::Lsn) {
    ReplyQueue& queue = *queues_.at(container.number());
    flush(queue);
    queue.listening = !queue.empty();
    return queue.listening;
}

void Session::on_full(ContainerId container) {
    ReplyQueue& queue = *queues_.at(container.number());
    const std::size_t before = queue.size();
    ByteBuffer out;
    const bool writers_waited = queue.give_up(kFullMessage, out);
    waiting_replies_ -= before;
    fewer_replies_.notify_all();
    if (!out.empty()) send(std::move(out));
    if (writers_waited) end_after_drain();
}

void Session::on_stopped(ContainerId container) {
    queues_.at(container.number())->listening = false;
    end_after_drain();
}

void Session::stop_intake() {
    deaf_ = true;
    fewer_replies_.notify_all();
}

void Session::end_after_drain() {
    stop_intake();
    if (ending_) return;
    ending_ = true;
    gate_.spawn(shared_.runtime.executor, [this]() -> Task<void> {
        return connection_.close_after_drain(Deadline::after(shared_.runtime.clock, kDrainLimit));
    });
}

void Session::check_progress() {
    const MonotonicTime now = shared_.runtime.clock.now();
    check_unsent(now);
    check_incomplete(now);
}

void Session::check_incomplete(MonotonicTime now) {
    const std::uint64_t received = connection_.received_bytes();
    // While we do not receive, it is us who keep the peer waiting.
    const bool waits_for_peer = connection_.receiving() && (connection_.inside_frame() || assembler_.block_open());
    if (!waits_for_peer || received != received_seen_) {
        received_seen_ = received;
        received_at_ = now;
    } else if (now - received_at_ > kIncompleteLimit) {
        connection_.shut({ErrorCode::kTimedOut,
                          "the peer sent nothing for " + std::to_string(kIncompleteLimit.count()) + " s " +
                              (connection_.inside_frame() ? "inside a frame" : "inside an append block")});
    }
}

void Session::check_unsent(MonotonicTime now) {
    const std::uint64_t progress = sent_total_ - connection_.queued_bytes();
    if (connection_.queued_bytes() == 0 || progress != progress_seen_) {
        progress_seen_ = progress;
        progress_at_ = now;
    } else if (now - progress_at_ > kStallLimit) {
        connection_.shut({ErrorCode::kTimedOut, "the peer took nothing for " + std::to_string(kStallLimit.count()) +
                                                    " s while " + std::to_string(connection_.queued_bytes()) +
                                                    " bytes wait for it"});
        fewer_replies_.notify_all();
    }
}

}  // namespace millrace::segmentstore
