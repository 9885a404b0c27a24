// SPDX-License-Identifier: Apache-2.0
//
// Frames in, replies out. What each request does is in session_appends.cc, session_segments.cc and session_reads.cc.
#include "segmentstore/server/session.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "common/model/segment_name.h"
#include "common/transport/hello.h"
#include "segmentstore/server/access.h"
#include "segmentstore/server/session_messages.h"
#include "segmentstore/server/unsupported.h"

namespace millrace::segmentstore {

namespace {

bool adds_to_log(wire::FrameType type) {
    switch (type) {
        case wire::FrameType::kAppendBlockEnd:
        case wire::FrameType::kConditionalAppend:
        case wire::FrameType::kConditionalBlockEnd:
        case wire::FrameType::kTruncateSegment:
        case wire::FrameType::kUpdateSegmentAttribute:
        case wire::FrameType::kCreateSegment:
        case wire::FrameType::kSealSegment:
        case wire::FrameType::kDeleteSegment: return true;
        default: return false;
    }
}

// Comes before an append of the same writer.
bool prepares_append(wire::FrameType type) {
    return type == wire::FrameType::kSetupAppend || type == wire::FrameType::kAppendBlock || type == wire::FrameType::kPadding;
}

bool makes_room(wire::FrameType type) {
    return type == wire::FrameType::kTruncateSegment || type == wire::FrameType::kSealSegment ||
           type == wire::FrameType::kDeleteSegment;
}

}  // namespace

Session::Session(SessionShared& shared, std::unique_ptr<ByteStream> stream)
    : shared_{shared},
      connection_{shared.runtime, std::move(stream), [&shared] {
                      transport::ConnectionOptions options;
                      options.send_queue_bytes = shared.send_queue_bytes;
                      options.first_frame_limit = shared.first_frame_limit;
                      options.frame_limit = shared.incomplete_limit;
                      options.write_limit = shared.stall_limit;
                      options.resources = shared.connections;
                      return options;
                  }()} {
    connection_.on_end([this] { wake(); });
}

Session::~Session() { MR_CHECK(gate_.inside() == 0); }

Task<void> Session::run() {
    co_await serve_frames();
    deaf_ = true;
    wake();
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
        // Gone before the next one is received, so that its memory can be used again.
        const auto run = co_await connection_.receive_run();
        if (!run) {
            if (run.error().is(ErrorCode::kBadRequest) || run.error().is(ErrorCode::kTooLarge) ||
                run.error().is(ErrorCode::kTimedOut)) {
                shared_.report_bad_peer(connection_.peer(), run.error());
            }
            co_return;
        }
        shared_.metrics.frames_received.add(run->size());
        room_seen_ = 0;
        for (const transport::FrameView frame : *run) {
            if (!replies_have_room()) {
                store_run();
                if (const auto room = co_await room_for_replies(); !room) break;  // receive_run() tells why
                room_seen_ = 0;
            }
            if (deaf_) break;
            if (has_to_wait(frame.type)) {
                store_run();
                co_await hold(run->share(frame));
                room_seen_ = 0;
            } else if (auto handled = handle(frame, run->bytes()); !handled) {
                store_run();
                shared_.report_bad_peer(connection_.peer(), handled.error());
                co_return;
            }
        }
        store_run();
        expect_rest_of_block();
    }
}

void Session::expect_rest_of_block() {
    // The rest may be here and be held.
    connection_.expect_more(held_.empty() && assembler_.block_open() ? "an append block" : nullptr);
}

bool Session::has_to_wait(wire::FrameType type) {
    if (!held_.empty()) return adds_to_log(type) || prepares_append(type);
    if (type == wire::FrameType::kAppendBlockEnd) {
        // To look costs more than a small append.
        if (shared_.credits.taken() < room_seen_) return false;
        if (!may_handle(type)) return true;
        room_seen_ = shared_.credits.taken() + kLookEvery;
        return false;
    }
    return !may_handle(type);
}

Task<void> Session::hold(wire::Frame frame) {
    held_bytes_ += sizeof frame + frame.payload.size();
    held_.push_back(std::move(frame));
    if (held_.size() == 1) gate_.spawn(shared_.runtime.executor, [this] { return serve_held(); });
    while (held_bytes_ > kMaxHeldBytes && !deaf_ && !connection_.over()) co_await fewer_held_.wait();
}

Task<void> Session::serve_held() {
    while (!held_.empty()) {
        const auto room = co_await room_for(held_.front().type);
        if (!room || deaf_ || connection_.over()) break;
        const wire::Frame frame = std::move(held_.front());
        held_.pop_front();
        held_bytes_ -= sizeof frame + frame.payload.size();
        fewer_held_.notify_all();
        auto handled = handle({frame.type, frame.payload.view()}, frame.payload);
        store_run();
        if (!handled) {
            connection_.shut(std::move(handled).error());  // receive() tells why
            break;
        }
        expect_rest_of_block();
    }
    held_.clear();
    held_bytes_ = 0;
    fewer_held_.notify_all();
}

bool Session::replies_have_room() const {
    return waiting_replies_ <= kMaxWaitingReplies && waiting_reply_bytes_ <= shared_.send_queue_bytes &&
           connection_.queued_bytes() <= shared_.send_queue_bytes;
}

Task<Result<void>> Session::room_for_replies() {
    while (!replies_have_room() && !deaf_ && !connection_.over()) {
        if (connection_.queued_bytes() > shared_.send_queue_bytes) {
            MR_CO_TRY_VOID(co_await connection_.drained(shared_.send_queue_bytes));
        } else {
            co_await fewer_replies_.wait();
        }
    }
    co_return ok();
}

// All conditions hold together when this returns: whatever suspended, they are looked at again.
Task<Result<void>> Session::room_for(wire::FrameType type) {
    bool passes = false;
    while (!deaf_ && !connection_.over()) {
        if (!replies_have_room()) {
            MR_CO_TRY_VOID(co_await room_for_replies());
        } else if (may_handle(type) || (passes && shared_.credits.reserve_available() && !hiccup_ends())) {
            break;
        } else {
            passes = co_await brake(type);
        }
    }
    co_return ok();
}

bool Session::may_handle(wire::FrameType type) const {
    return !adds_to_log(type) || may_add() ||
           (makes_room(type) && shared_.credits.available_to_free() && !hiccup_ends());
}

bool Session::may_add() const {
    if (shared_.credits.troubled() == 0) return shared_.credits.available();
    const auto refuses = [](const container::Container* c) { return c != nullptr && (c->refuses() || c->stopped()); };
    if (std::any_of(shared_.containers.begin(), shared_.containers.end(), refuses)) return true;
    return shared_.credits.available() && !hiccup_ends();
}

std::optional<MonotonicTime> Session::hiccup_ends() const {
    if (shared_.credits.troubled() == 0) return std::nullopt;
    std::optional<MonotonicTime> first;
    for (const container::Container* c : shared_.containers) {
        const auto ends = c != nullptr ? c->refuses_from() : std::nullopt;
        if (ends && (!first || *ends < *first)) first = ends;
    }
    return first;
}

// Holds an operation back until memory has room for it, see AdmissionCredits, or the disk.
Task<bool> Session::brake(wire::FrameType type) {
    shared_.metrics.braked.add();
    Clock& clock = shared_.runtime.clock;
    MonotonicTime next_frame = clock.now() + kBrakedFrameEvery;
    while (!may_handle(type) && !deaf_ && !connection_.over()) {
        // Some of what holds back ends by time alone, without a word.
        const MonotonicTime look = std::min(next_frame, clock.now() + kBrakedLookEvery);
        co_await shared_.credits.changed().wait_until(clock, std::min(look, hiccup_ends().value_or(look)));
        if (clock.now() < next_frame) continue;
        if (shared_.credits.reserve_available()) co_return true;
        next_frame = clock.now() + kBrakedFrameEvery;
    }
    co_return false;
}

template <class M>
Session::Next Session::decode_and_admit(const transport::FrameView& frame, const Bytes& memory) {
    MR_TRY(M message, wire::decode_as<M>(frame.payload, memory));
    return admit(std::move(message));
}

Session::Next Session::handle(const transport::FrameView& frame, const Bytes& memory) {
    // By far the most of all: spared the way through a variant.
    if (frame.type == wire::FrameType::kAppendBlock) return decode_and_admit<wire::AppendBlock>(frame, memory);
    if (frame.type == wire::FrameType::kAppendBlockEnd) return decode_and_admit<wire::AppendBlockEnd>(frame, memory);
    store_run();
    // What the protocol has and we do not offer is answered, whatever else it says.
    if (const auto request = unsupported_request(frame)) {
        wire::OperationUnsupported answer;
        answer.request_id = request->request_id;
        answer.operation_name = request->name;
        send_message(answer);
        return ok();
    }
    auto message = wire::decode(frame.type, frame.payload, memory);
    if (!message) return std::move(message).error();
    return std::visit([this](auto& m) { return admit(std::move(m)); }, message.value());
}

namespace {

template <class M>
const std::string& concerned(const M& message) {
    return message.segment;
}
const std::string& concerned(const wire::CreateTransientSegment& message) { return message.parent_segment; }

}  // namespace

template <class M>
Session::Next Session::admit(M message) {
    constexpr Access access = access_of(M::kType);
    if constexpr (access.resource == Resource::kSegment && !std::is_same_v<M, wire::SetupAppend>) {
        static_assert(access.permission != Permission::kNone);
        if (refuse_access(access.permission, concerned(message), message.delegation_token, message.request_id)) return ok();
        if (refuse_halted(concerned(message), message.request_id)) return ok();
    } else {
        // Merges and what concerns the whole store are not offered: who offers them checks them here.
        static_assert(!requires { message.delegation_token; } || access.resource == Resource::kMerge ||
                      access.resource == Resource::kStore || std::is_same_v<M, wire::SetupAppend>);
    }
    return on(std::move(message));
}

bool Session::refuse_halted(const std::string& segment, wire::RequestId request) {
    if (find_container(segment) != nullptr) return false;
    wire::WrongHost answer;
    answer.request_id = request;
    answer.segment = segment;
    send_message(answer);
    return true;
}

bool Session::refuse_access(Permission needed, const std::string& segment, const std::string& token,
                            wire::RequestId request) {
    wire::AuthTokenCheckFailed refusal;
    refusal.request_id = request;
    refusal.error_code = kTokenCheckFailed;
    if (!principal_ || token != token_) {
        auto verified = shared_.tokens->verify(token);
        principal_ = verified ? std::move(verified).value() : nullptr;
        token_ = token;
    }
    if (principal_) {
        const auto expires = principal_->expires();
        if (expires && *expires <= shared_.runtime.clock.wall_now()) {
            refusal.error_code = kTokenExpired;
        } else if (principal_->may(needed, segment)) {
            return false;
        }
    }
    send_message(refusal);
    return true;
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

container::Container* Session::find_container(const std::string& segment) const {
    const auto count = static_cast<std::uint32_t>(shared_.containers.size());
    return shared_.containers[container_of(segment, count).number()];
}

container::Container& Session::container_for(const std::string& segment) const {
    container::Container* const container = find_container(segment);
    MR_CHECK(container != nullptr);
    return *container;
}

ReplyQueue& Session::queue_of(container::Container& container) {
    auto& queue = queues_[container.id().number()];
    if (!queue) queue = std::make_unique<ReplyQueue>(container);
    return *queue;
}

void Session::reply_later(container::Container& container, const container::Dependency& depends_on, ByteBuffer frame,
                          wire::RequestId request, std::string segment, std::shared_ptr<SessionWriter> writer,
                          bool close_after, std::shared_ptr<SessionWriter> set_up) {
    if (container.refuses() && !container.committed(depends_on.lsn)) {
        // It would wait for as long as the disk is full.
        return refuse(container::Status::kFull, segment, request, writer != nullptr);
    }
    ReplyQueue& queue = queue_of(container);
    queue.add_reply(depends_on, std::move(frame), std::move(writer), close_after, std::move(segment), request,
                    std::move(set_up));
    flush_or_listen(queue);
}

void Session::flush_or_listen(ReplyQueue& queue) {
    ++waiting_replies_;
    waiting_reply_bytes_ += queue.newest_bytes();
    flush(queue);
    if (queue.listening || queue.empty()) return;
    queue.listening = true;
    queue.container().add_listener(*this);
}

void Session::flush(ReplyQueue& queue) {
    const std::size_t before = queue.size();
    const std::size_t bytes_before = queue.bytes();
    ByteBuffer out;
    const ReplyQueue::Then then = queue.collect(out);
    waiting_replies_ -= before - queue.size();
    waiting_reply_bytes_ -= bytes_before - queue.bytes();
    if (before != queue.size()) fewer_replies_.notify_all();
    if (!out.empty()) connection_.send(std::move(out));
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
    waiting_reply_bytes_ -= queue.bytes();
    ByteBuffer out;
    const bool writers_waited = queue.give_up(kFullMessage, out);
    waiting_replies_ -= before;
    fewer_replies_.notify_all();
    if (!out.empty()) connection_.send(std::move(out));
    if (writers_waited) end_after_drain();
}

void Session::on_stopped(ContainerId container) {
    queues_.at(container.number())->listening = false;
    end_after_drain();
}

void Session::stop_intake() {
    deaf_ = true;
    wake();
}

void Session::wake() {
    fewer_replies_.notify_all();
    fewer_held_.notify_all();
    // Who brakes has no signal of its own.
    if (!held_.empty()) shared_.credits.changed().notify_all();
}

void Session::end_after_drain() {
    stop_intake();
    if (ending_) return;
    ending_ = true;
    gate_.spawn(shared_.runtime.executor, [this]() -> Task<void> {
        return connection_.close_after_drain(Deadline::after(shared_.runtime.clock, kDrainLimit));
    });
}

}  // namespace millrace::segmentstore
