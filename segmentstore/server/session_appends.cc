// SPDX-License-Identifier: Apache-2.0
//
// Writers: set-ups and appends of one connection.
#include <algorithm>
#include <array>
#include <utility>

#include "segmentstore/server/access.h"
#include "segmentstore/server/session.h"
#include "segmentstore/server/session_messages.h"

namespace millrace::segmentstore {

namespace {

// Of one append; see wire::AppendData.
constexpr std::size_t kMaxPieces = 3;

// Whether a piece of an append that came in frames of up to `frame_bytes` may wait for the log as it is: a slice keeps all
// the memory that it came in alive. Small ones are the container's to copy.
bool may_wait(const Bytes& piece, std::size_t frame_bytes) {
    const std::size_t pinned = std::max(frame_bytes, transport::ConnectionOptions{}.receive_buffer_bytes);
    return piece.size() >= pinned / Session::kMaxPinned || piece.size() < container::Container::kCopiedBelow;
}

}  // namespace

Session::Next Session::on(wire::Padding) { return assembler_.padding(); }

Session::Next Session::on(wire::SetupAppend message) {
    MR_TRY(auto set_up, assembler_.setup_append(message));
    std::shared_ptr<SessionWriter>& place = writers_[message.writer_id];
    if (place) release(*place);
    auto writer = std::make_shared<SessionWriter>();
    place = writer;
    writer->set_up = std::move(set_up);
    writer->container = find_container(message.segment);
    // Here, because what such a writer sends behind its set-up is dropped.
    constexpr Permission kNeeded = access_of(wire::SetupAppend::kType).permission;
    if (refuse_access(kNeeded, message.segment, message.delegation_token, message.request_id) ||
        refuse_halted(message.segment, message.request_id)) {
        writer->failed = true;
        return ok();
    }
    writer->queue = &queue_of(*writer->container);
    container::SetupOutcome outcome = writer->container->setup_append(message.segment, message.writer_id);
    if (outcome.status == container::Status::kNoSuchSegment) {
        writer->failed = true;
        reply(*writer->container, outcome.depends_on, no_such_segment(message.request_id, message.segment),
              message.segment);
        return ok();
    }
    const bool stuck = writer->container->refuses() && !writer->container->committed(outcome.depends_on.lsn);
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
    connection_.expect_more(nullptr);
    store(append, frame_bytes);
    return ok();
}

Session::Next Session::on(wire::ConditionalAppend message) {
    const std::size_t frame_bytes = message.event.size();
    MR_TRY(const wire::Append append, assembler_.conditional_append(std::move(message)));
    store(append, frame_bytes);
    return ok();
}

Session::Next Session::on(wire::ConditionalBlockEnd message) {
    const std::size_t frame_bytes = message.data.size();
    MR_TRY(const wire::Append append, assembler_.conditional_block_end(std::move(message)));
    store(append, frame_bytes);
    return ok();
}

void Session::store(const wire::Append& append, std::size_t frame_bytes) {
    // Appends of one writer mostly follow each other.
    if (!recent_ || recent_->set_up != append.writer) {
        const auto found = writers_.find(append.writer->id);
        MR_CHECK(found != writers_.end() && found->second->set_up == append.writer);
        recent_ = found->second;
    }
    if (run_.takes(*recent_, append)) return run_.add(append);
    store_run();
    if (AppendRun::may_hold(append)) return run_.begin(recent_, append);

    std::span<const Bytes> pieces = append.data.pieces();
    std::array<Bytes, kMaxPieces> copies;
    if (!std::ranges::all_of(pieces, [&](const Bytes& piece) { return may_wait(piece, frame_bytes); })) {
        MR_CHECK(pieces.size() <= kMaxPieces);
        std::ranges::transform(pieces, copies.begin(), [&](const Bytes& piece) {
            return may_wait(piece, frame_bytes) ? piece : Bytes::copy_of(piece.view());
        });
        pieces = std::span{copies}.first(pieces.size());
    }
    store(recent_, {container::EventNumbers::of_one_append(append.event_number, append.event_count), pieces,
                    append.expected_offset, append.request_id, append.request_id});
}

void Session::store_run() {
    if (run_.empty()) return;
    // The container copies what is so small, so nothing has to keep it alive.
    const Bytes data{nullptr, run_.data()};
    const std::size_t pieces = data.empty() ? 0 : 1;
    store(run_.writer(), {run_.events(), std::span{&data, pieces}, {}, run_.first_request(), run_.last_request()});
    run_.clear();
}

void Session::store(const std::shared_ptr<SessionWriter>& writer, const Stored& stored) {
    // The error that was sent says that nothing after it counts; the client sets up again.
    if (writer->failed) return;
    container::AppendOutcome outcome;
    if (shared_.credits.reserve_available()) {
        outcome = writer->container->append(writer->handle, stored.events, stored.pieces, stored.expected_offset);
    } else {
        outcome.status = container::Status::kFull;
    }
    if (outcome.status != container::Status::kOk) return refuse(writer, stored, outcome);
    writer->queue->add_ack(outcome.depends_on, writer, stored.events.last, outcome.length_after, stored.last_request,
                           stored.expected_offset.has_value());
    flush_or_listen(*writer->queue);
}

void Session::refuse(const std::shared_ptr<SessionWriter>& writer, const Stored& stored,
                     const container::AppendOutcome& outcome) {
    container::Container& container = *writer->container;
    const std::string& segment = writer->set_up->segment;
    if (outcome.status == container::Status::kConditionFailed) {
        // The writer goes on.
        wire::ConditionalCheckFailed failed;
        failed.writer_id = writer->set_up->id;
        failed.event_number = stored.events.first;
        failed.request_id = stored.first_request;
        return reply(container, outcome.depends_on, failed, segment);
    }
    writer->failed = true;
    switch (outcome.status) {
        case container::Status::kSealed: {
            wire::SegmentIsSealed sealed = segment_is_sealed(stored.first_request, segment);
            sealed.offset = stored.events.first;
            reply(container, outcome.depends_on, sealed, segment, writer);
            break;
        }
        case container::Status::kNoSuchSegment:
            reply(container, outcome.depends_on, no_such_segment(stored.first_request, segment), segment, writer);
            break;
        case container::Status::kInvalidEventNumber: {
            wire::InvalidEventNumber invalid;
            invalid.writer_id = writer->set_up->id;
            invalid.request_id = stored.first_request;
            invalid.event_number = stored.events.first;
            // Where the writer was set up elsewhere, the queue would drop the answer with its acks.
            const bool owned = container.owns(writer->handle);
            reply(container, outcome.depends_on, invalid, segment, owned ? writer : nullptr, true);
            break;
        }
        case container::Status::kInvalidArgument: {
            std::size_t bytes = 0;
            for (const Bytes& piece : stored.pieces) bytes += piece.size();
            reply(container, outcome.depends_on,
                  error_message(stored.first_request, segment,
                                "an append of " + std::to_string(bytes) + " bytes is too large", kIllegalArgument),
                  segment, writer);
            break;
        }
        default:
            refuse(outcome.status, segment, stored.first_request, true);
    }
}

}  // namespace millrace::segmentstore
