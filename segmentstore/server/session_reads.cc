// SPDX-License-Identifier: Apache-2.0
//
// Reads of one connection. What can be answered at once is; the others wait in coroutines of their
// own, and put their data together one after the other, so that a peer which does not take its
// replies costs a bounded amount of memory.
#include <algorithm>
#include <utility>

#include "common/transport/send_reservation.h"
#include "segmentstore/server/session.h"
#include "segmentstore/server/session_messages.h"

namespace millrace::segmentstore {

namespace {

// Up to this size data is copied into the reply's frame: a slice would keep a whole block alive.
constexpr std::size_t kCopyReplyBytes = 16 * 1024;

}  // namespace

Session::Next Session::on(wire::ReadSegment message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    const auto limit = static_cast<std::size_t>(
        std::clamp<std::int64_t>(message.suggested_length, kMinReadBytes, static_cast<std::int64_t>(kMaxReadBytes)));
    container::ReadCursor cursor = container.open_read(message.segment, message.offset);
    if (!reading_data_ && connection_.has_drained(kReadBelowQueued)) {
        container::ReadOutcome outcome = container.read_now(cursor, limit);
        if (send_read_reply(container, message, std::move(outcome))) return ok();
    }
    if (reads_.size() >= kMaxReads) {
        return Error{ErrorCode::kBadRequest,
                     "more than " + std::to_string(kMaxReads) + " reads wait on one connection"};
    }
    // Up to 64 KiB that nothing needs while the read waits.
    message.delegation_token = std::string{};
    Read& read = reads_.emplace_back();
    read.request = std::move(message);
    read.container = &container;
    read.cursor = std::move(cursor);
    read.limit = limit;
    shared_.metrics.waiting_reads.set(static_cast<double>(++shared_.waiting_reads));
    gate_.spawn(shared_.runtime.executor, [this, at = std::prev(reads_.end())] { return serve_read(at); });
    return ok();
}

Task<void> Session::serve_read(std::list<Read>::iterator read) {
    co_await serve_read_steps(*read);
    reads_.erase(read);
    shared_.metrics.waiting_reads.set(static_cast<double>(--shared_.waiting_reads));
}

Task<void> Session::serve_read_steps(Read& read) {
    const auto over = [&] { return read.wait.cancelled() || connection_.over(); };
    for (;;) {
        co_await read.container->wait_readable(read.cursor, read.wait);
        while (reading_data_ && !over()) co_await data_read_.wait();
        if (over()) {
            data_read_.notify_one();  // whose turn it would have been
            co_return;
        }
        reading_data_ = true;
        container::ReadOutcome outcome;
        auto ready = co_await connection_.drained(kReadBelowQueued);
        if (ready && !over()) outcome = read.container->read_now(read.cursor, read.limit);
        if (ready && !over() && outcome.status == container::ReadStatus::kNotCached) {
            ready = co_await connection_.room_to_prepare();
            if (ready && !over()) {
                const transport::SendReservation reserved{shared_.connections, read.limit};
                outcome = co_await read.container->read_back(read.cursor, read.limit);
            }
        }
        reading_data_ = false;
        data_read_.notify_one();
        if (!ready || over()) co_return;
        if (send_read_reply(*read.container, read.request, std::move(outcome))) co_return;
    }
}

bool Session::send_read_reply(container::Container& container, const wire::ReadSegment& request,
                              container::ReadOutcome outcome) {
    switch (outcome.status) {
        case container::ReadStatus::kNotYet:
        case container::ReadStatus::kNotCached:
            return false;
        case container::ReadStatus::kData: {
            wire::SegmentRead reply;
            reply.segment = request.segment;
            reply.offset = request.offset;
            reply.at_tail = outcome.at_tail;
            reply.end_of_segment = outcome.end_of_segment;
            reply.request_id = request.request_id;
            reply.data = std::move(outcome.data);
            if (reply.data.size() <= kCopyReplyBytes) {
                send_message(reply);
                return true;
            }
            ByteBuffer before;
            ByteBuffer after;
            wire::encode_segment_read_around(reply, before, after);
            connection_.send(std::move(before));
            connection_.send(std::move(reply.data));
            connection_.send(std::move(after));
            return true;
        }
        case container::ReadStatus::kNoSuchSegment: {
            wire::NoSuchSegment none;
            none.request_id = request.request_id;
            none.segment = request.segment;
            none.offset = request.offset;
            reply(container, outcome.depends_on, none, request.segment);
            return true;
        }
        case container::ReadStatus::kTruncated: {
            wire::SegmentIsTruncated reply;
            reply.request_id = request.request_id;
            reply.segment = request.segment;
            reply.start_offset = outcome.start_offset;
            reply.offset = request.offset;
            send_message(reply);
            return true;
        }
        case container::ReadStatus::kSealedWhileWaiting: {
            wire::SegmentIsSealed reply;
            reply.request_id = request.request_id;
            reply.segment = request.segment;
            reply.offset = request.offset;
            send_message(reply);
            return true;
        }
        case container::ReadStatus::kIllegalOffset: {
            wire::ErrorMessage reply;
            reply.request_id = request.request_id;
            reply.segment = request.segment;
            reply.message = "offset " + std::to_string(request.offset) +
                            " cannot be read: it is negative or beyond the end of a sealed segment";
            reply.error_code = kIllegalArgument;
            send_message(reply);
            return true;
        }
        case container::ReadStatus::kFailed: {
            shared_.report_bad_read(outcome.error.value());
            wire::ErrorMessage reply;
            reply.request_id = request.request_id;
            reply.segment = request.segment;
            reply.message = outcome.error.value().to_string();
            reply.error_code = kUnspecifiedError;
            send_message(reply);
            return true;
        }
        case container::ReadStatus::kCancelled:
        case container::ReadStatus::kStopped:
            end_after_drain();
            return true;
    }
    return true;
}

}  // namespace millrace::segmentstore
