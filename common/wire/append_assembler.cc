// SPDX-License-Identifier: Apache-2.0
#include "common/wire/append_assembler.h"

#include "common/model/segment_name.h"

namespace millrace::wire {
namespace {

Error bad_append(const WriterId& writer, const std::string& what) {
    return Error{ErrorCode::kBadRequest, "writer " + writer.to_string() + ": " + what};
}

// Adds what of `tail` and `end` belongs to the append. `tail` is what the block holds beyond its
// whole events: a nested frame that fills the block up.
Result<void> add_tail(const Bytes& tail, const AppendBlockEnd& end, AppendData& data) {
    if (tail.size() < kFrameHeaderBytes) {
        return bad_append(end.writer_id, "AppendBlock ends in " + std::to_string(tail.size()) +
                                             " bytes after its whole events, too few for a nested frame");
    }
    const FrameHeader nested = read_frame_header(tail.view().first(kFrameHeaderBytes));
    if (nested.type != FrameType::kPadding && nested.type != FrameType::kPartialEvent) {
        return bad_append(end.writer_id, "AppendBlock ends in a nested " + to_string(nested.type) +
                                             "; only Padding and PartialEvent may stand there");
    }
    const std::size_t room = tail.size() - kFrameHeaderBytes;
    if (nested.length < 0 || static_cast<std::size_t>(nested.length) > room) {
        return bad_append(end.writer_id, "nested " + to_string(nested.type) + " announces " +
                                             std::to_string(nested.length) + " bytes where the block has " +
                                             std::to_string(room));
    }
    if (nested.type == FrameType::kPadding) {
        if (end.data.empty()) return ok();
        return bad_append(end.writer_id, "AppendBlockEnd brings " + std::to_string(end.data.size()) +
                                             " bytes after a block that ended in Padding");
    }
    data.add(tail.slice(kFrameHeaderBytes, static_cast<std::size_t>(nested.length)));
    data.add(end.data);
    return ok();
}

Result<void> check_number(const WriterId& writer, FrameType type, std::int64_t number, std::int64_t last) {
    if (number >= last) return ok();
    return bad_append(writer, to_string(type) + " with event number " + std::to_string(number) + " after " +
                                  std::to_string(last));
}

}  // namespace

Bytes AppendData::joined() const {
    if (count_ == 0) return {};
    if (count_ == 1) return pieces_[0];
    ByteBuffer all;
    all.reserve(size_);
    for (const Bytes& piece : pieces()) all.append(piece);
    return Bytes{std::move(all)};
}

Result<std::shared_ptr<const AppendWriter>> AppendAssembler::setup_append(const SetupAppend& message) {
    MR_TRY_VOID(refuse_if_open(FrameType::kSetupAppend));
    if (message.segment.size() > kMaxSegmentNameBytes) {
        return bad_append(message.writer_id, "SetupAppend names a segment with " +
                                                 std::to_string(message.segment.size()) + " bytes; at most " +
                                                 std::to_string(kMaxSegmentNameBytes) + " are allowed");
    }
    if (writers_.size() >= kMaxWriters && !writers_.contains(message.writer_id)) {
        return bad_append(message.writer_id, "SetupAppend of more than " + std::to_string(kMaxWriters) +
                                                 " writers on one connection");
    }
    auto writer = std::make_shared<const AppendWriter>(AppendWriter{message.writer_id, message.segment});
    writers_.insert_or_assign(message.writer_id, State{writer, 0});
    return writer;
}

Result<void> AppendAssembler::append_block(AppendBlock message) {
    MR_TRY_VOID(refuse_if_open(FrameType::kAppendBlock));
    MR_TRY(const State* const state, state_of(message.writer_id, FrameType::kAppendBlock));
    static_cast<void>(state);
    block_ = std::move(message);
    return ok();
}

Result<Append> AppendAssembler::append_block_end(AppendBlockEnd message) {
    MR_TRY(State* const state, state_of(message.writer_id, FrameType::kAppendBlockEnd));
    if (message.num_events <= 0) {
        return bad_append(message.writer_id,
                          "AppendBlockEnd with " + std::to_string(message.num_events) + " events; at least 1 is needed");
    }
    MR_TRY_VOID(check_number(message.writer_id, FrameType::kAppendBlockEnd, message.last_event_number,
                             state->last_event_number));

    Append append;
    if (!block_) {
        append.data.add(std::move(message.data));
    } else {
        if (block_->writer_id != message.writer_id) {
            return bad_append(message.writer_id,
                              "AppendBlockEnd closes a block of writer " + block_->writer_id.to_string());
        }
        const Bytes& block = block_->data;
        if (message.size_of_whole_events < 0 || static_cast<std::size_t>(message.size_of_whole_events) > block.size()) {
            return bad_append(message.writer_id, "AppendBlockEnd counts " +
                                                     std::to_string(message.size_of_whole_events) +
                                                     " bytes of whole events in a block of " +
                                                     std::to_string(block.size()));
        }
        const auto whole = static_cast<std::size_t>(message.size_of_whole_events);
        if (whole == block.size()) {
            append.data.add(std::move(block_->data));
        } else {
            append.data.add(block.slice(0, whole));
            MR_TRY_VOID(add_tail(block.slice(whole), message, append.data));
        }
        block_.reset();
    }

    append.writer = state->writer;
    append.event_number = message.last_event_number;
    append.event_count = message.num_events;
    append.request_id = message.request_id;
    state->last_event_number = message.last_event_number;
    return append;
}

template <class Message>
Result<Append> AppendAssembler::conditional(const Message& message, Bytes data) {
    MR_TRY_VOID(refuse_if_open(Message::kType));
    MR_TRY(State* const state, state_of(message.writer_id, Message::kType));
    MR_TRY_VOID(check_number(message.writer_id, Message::kType, message.event_number, state->last_event_number));
    Append append;
    append.writer = state->writer;
    append.event_number = message.event_number;
    append.event_count = 1;
    append.data.add(std::move(data));
    append.request_id = message.request_id;
    append.expected_offset = message.expected_offset;
    state->last_event_number = message.event_number;
    return append;
}

Result<Append> AppendAssembler::conditional_append(ConditionalAppend message) {
    return conditional(message, std::move(message.event));
}

Result<Append> AppendAssembler::conditional_block_end(ConditionalBlockEnd message) {
    return conditional(message, std::move(message.data));
}

Result<void> AppendAssembler::padding() const { return refuse_if_open(FrameType::kPadding); }

std::shared_ptr<const AppendWriter> AppendAssembler::find(const WriterId& writer) const {
    const auto found = writers_.find(writer);
    return found == writers_.end() ? nullptr : found->second.writer;
}

Result<void> AppendAssembler::refuse_if_open(FrameType type) const {
    if (!block_) return ok();
    return bad_append(block_->writer_id, to_string(type) + " came where the block's AppendBlockEnd was due");
}

Result<AppendAssembler::State*> AppendAssembler::state_of(const WriterId& writer, FrameType type) {
    if (recent_ != nullptr && recent_->writer->id == writer) return recent_;
    const auto found = writers_.find(writer);
    if (found == writers_.end()) {
        return bad_append(writer, to_string(type) + " without a SetupAppend on this connection");
    }
    recent_ = &found->second;
    return recent_;
}

}  // namespace millrace::wire
