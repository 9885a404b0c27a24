// SPDX-License-Identifier: Apache-2.0
#include "cli/wire_stream.h"

#include <algorithm>
#include <cstdio>
#include <variant>

#include "cli/command.h"
#include "common/wire/event.h"
#include "common/wire/extension.h"

namespace millrace::cli {
namespace {

std::string counted(std::uint64_t count, const char* what) {
    return with_commas(count) + " " + what + (count == 1 ? "" : "s");
}

// How many whole events `data` starts with, and their bytes.
struct EventRun {
    std::uint64_t events = 0;
    std::size_t bytes = 0;
};
EventRun events_at_front(ByteView data) {
    EventRun run;
    while (data.size() - run.bytes >= wire::kEventHeaderBytes) {
        const auto header = wire::read_frame_header(data.subspan(run.bytes, wire::kEventHeaderBytes));
        const std::size_t left = data.size() - run.bytes - wire::kEventHeaderBytes;
        if (header.type != wire::FrameType::kEvent || header.length < 0 || static_cast<std::size_t>(header.length) > left) {
            break;
        }
        run.bytes += wire::kEventHeaderBytes + static_cast<std::size_t>(header.length);
        ++run.events;
    }
    return run;
}

// What an AppendBlock holds, as far as can be told without its AppendBlockEnd.
std::string nesting_of(ByteView data) {
    const EventRun run = events_at_front(data);
    std::string text = "holds " + counted(run.events, "event") + " in " + counted(run.bytes, "byte");
    const ByteView tail = data.subspan(run.bytes);
    if (tail.empty()) return text;
    if (tail.size() >= wire::kFrameHeaderBytes) {
        const auto nested = wire::read_frame_header(tail.first(wire::kFrameHeaderBytes));
        const bool is_nested = nested.type == wire::FrameType::kPadding || nested.type == wire::FrameType::kPartialEvent;
        const std::size_t room = tail.size() - wire::kFrameHeaderBytes;
        if (is_nested && nested.length >= 0 && static_cast<std::size_t>(nested.length) <= room) {
            const auto length = static_cast<std::size_t>(nested.length);
            text += ", " + to_string(nested.type) + " of " + counted(length, "byte");
            if (length < room) text += ", " + counted(room - length, "byte") + " that mean nothing";
            return text;
        }
    }
    return text + ", " + counted(tail.size(), "byte") + " that are no events";
}

}  // namespace

Result<void> WireStream::feed(ByteView bytes) {
    pending_.append(bytes);
    std::size_t at = 0;
    while (pending_.size() - at >= wire::kFrameHeaderBytes) {
        const ByteView left = pending_.view().subspan(at);
        const auto header = wire::read_frame_header(left.first(wire::kFrameHeaderBytes));
        if (header.length < 0 || static_cast<std::size_t>(header.length) > wire::kMaxReceivedPayload) {
            return damage(to_string(header.type) + " announces a payload of " + std::to_string(header.length) +
                          " bytes; 0 to " + std::to_string(wire::kMaxReceivedPayload) + " were expected");
        }
        const std::size_t size = wire::kFrameHeaderBytes + static_cast<std::size_t>(header.length);
        if (left.size() < size) break;
        MR_TRY_VOID(take_frame(left.subspan(wire::kFrameHeaderBytes, size - wire::kFrameHeaderBytes), header.type));
        at += size;
        offset_ += size;
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(at));
    return ok();
}

Result<void> WireStream::finish() {
    if (pending_.size() >= wire::kFrameHeaderBytes) {
        const auto header = wire::read_frame_header(pending_.view().first(wire::kFrameHeaderBytes));
        return damage("the stream ends inside this " + to_string(header.type) + ": it announces a payload of " +
                      std::to_string(header.length) + " bytes and " +
                      std::to_string(pending_.size() - wire::kFrameHeaderBytes) + " are there");
    }
    if (!pending_.empty()) {
        return damage("the stream ends inside a frame's header: " + std::to_string(pending_.size()) + " bytes where " +
                      std::to_string(wire::kFrameHeaderBytes) + " were expected");
    }
    if (open_block_) {
        return damage("the stream ends where the AppendBlockEnd was expected of the AppendBlock at byte " +
                      std::to_string(*open_block_));
    }
    return ok();
}

Result<void> WireStream::check_side(wire::FrameType type) const {
    const wire::Sender sender = sender_of(type);
    if (side_ == WireSide::kClient && sender == wire::Sender::kServer) {
        return damage(to_string(type) + " is what servers send; a frame that clients send was expected");
    }
    if (side_ == WireSide::kServer && (sender == wire::Sender::kClient || sender == wire::Sender::kNested)) {
        return damage(to_string(type) + " is what clients send; a frame that servers send was expected");
    }
    return ok();
}

Result<void> WireStream::take_frame(ByteView payload, wire::FrameType type) {
    const wire::Frame frame{type, Bytes::copy_of(payload)};
    std::string name = to_string(type);
    std::string text;
    if (is_extension(type)) {
        const auto extension = wire::decode_extension(frame, UINT16_MAX);
        if (!extension) return damage(extension.error().detail());
        name = "Extension";
        text = "code=" + std::to_string(static_cast<std::int32_t>(type)) + " version=" + std::to_string(extension->version) +
               " request_id=" + std::to_string(extension->request_id) + (extension->is_reply ? " reply" : "") + " body=<" +
               counted(extension->body.size(), "byte") + ">";
    } else {
        auto message = wire::decode(frame);
        if (!message && message.error().is(ErrorCode::kUnsupported)) {
            return damage(name + " is not a type of the protocol; one from docs/protocol/wire.md was expected");
        }
        if (!message) return damage(message.error().detail());
        MR_TRY_VOID(check_side(type));
        text = wire::describe(*message);
        MR_TRY(const std::string note, follow_appends(*message));
        if (!note.empty()) text += "  (" + note + ")";
    }
    ++frames_;
    ++frames_by_name_[name];
    std::array<char, 64> place;
    std::snprintf(place.data(), place.size(), "%10llu  %-22s %8zu  ", static_cast<unsigned long long>(offset_), name.c_str(),
                  payload.size());
    std::string line = place.data() + text;
    line.erase(line.find_last_not_of(' ') + 1);
    return print_(line);
}

void WireStream::set_up_if_unknown(const WriterId& writer) {
    if (assembler_.block_open() || assembler_.find(writer)) return;
    if (assembler_.setup_append({-1, writer, "", ""})) ++unannounced_writers_;
}

Result<std::string> WireStream::note_append(const wire::Append& append) {
    ++appends_;
    append_events_ += static_cast<std::uint64_t>(append.event_count);
    append_bytes_ += append.data.size();
    std::string note = "appends " + counted(append.data.size(), "byte");
    note += append.writer->segment.empty() ? " to a segment that is not named here" : " to " + wire::quoted(append.writer->segment);
    const Bytes data = append.data.joined();
    const EventRun run = events_at_front(data);
    // Bytes that are no events are fine too, and then nobody can count.
    if (run.bytes == data.size() && run.events != static_cast<std::uint64_t>(append.event_count) && run.events != 0) {
        note += "; these are " + counted(run.events, "event");
    }
    return note;
}

Result<std::string> WireStream::follow_appends(wire::Message& message) {
    const auto damaged = [this](Error error) { return damage(error.detail()); };
    const auto noted = [&](Result<wire::Append> append) -> Result<std::string> {
        if (!append) return damaged(std::move(append).error());
        open_block_.reset();
        return note_append(*append);
    };
    if (const auto* setup = std::get_if<wire::SetupAppend>(&message)) {
        if (auto done = assembler_.setup_append(*setup); !done) return damaged(std::move(done).error());
    } else if (auto* block = std::get_if<wire::AppendBlock>(&message)) {
        set_up_if_unknown(block->writer_id);
        std::string nesting = nesting_of(block->data);
        if (auto done = assembler_.append_block(std::move(*block)); !done) return damaged(std::move(done).error());
        open_block_ = offset_;
        return nesting;
    } else if (auto* end = std::get_if<wire::AppendBlockEnd>(&message)) {
        set_up_if_unknown(end->writer_id);
        return noted(assembler_.append_block_end(std::move(*end)));
    } else if (auto* event = std::get_if<wire::ConditionalAppend>(&message)) {
        set_up_if_unknown(event->writer_id);
        return noted(assembler_.conditional_append(std::move(*event)));
    } else if (auto* bytes = std::get_if<wire::ConditionalBlockEnd>(&message)) {
        set_up_if_unknown(bytes->writer_id);
        return noted(assembler_.conditional_block_end(std::move(*bytes)));
    } else if (std::holds_alternative<wire::Padding>(message)) {
        if (auto done = assembler_.padding(); !done) return damaged(std::move(done).error());
    } else if (std::holds_alternative<wire::PartialEvent>(message)) {
        return damage("PartialEvent came as a frame of its own; it belongs at the end of an AppendBlock");
    }
    return std::string{};
}

Error WireStream::damage(const std::string& what) const {
    return Error{ErrorCode::kCorrupt, "byte " + std::to_string(offset_) + ": " + what};
}

std::string WireStream::summary() const {
    std::string text = counted(frames_, "frame") + " in " + counted(offset_, "byte");
    bool first = true;
    for (const auto& [name, count] : frames_by_name_) {
        text += (first ? ": " : ", ") + with_commas(count) + " " + name;
        first = false;
    }
    if (appends_ > 0) {
        text += "; " + counted(appends_, "append") + " of " + counted(append_events_, "event") + ", " +
                counted(append_bytes_, "byte");
    }
    if (unannounced_writers_ > 0) text += "; " + counted(unannounced_writers_, "writer") + " without a SetupAppend";
    return text;
}

Result<void> HexText::feed(std::string_view text, ByteBuffer& out) {
    for (const char c : text) {
        ++column_;
        if (c == '\n') {
            ++line_;
            column_ = 0;
            comment_ = false;
            continue;
        }
        if (comment_ || c == ' ' || c == '\t' || c == '\r') continue;
        int digit = -1;
        if (c >= '0' && c <= '9') digit = c - '0';
        else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
        if (c == '#') {
            comment_ = true;
        } else if (digit < 0) {
            return Error{ErrorCode::kCorrupt, "line " + std::to_string(line_) + ", column " + std::to_string(column_) +
                                                  ": a hex digit, a blank or a comment was expected"};
        } else if (high_ < 0) {
            high_ = digit;
        } else {
            out.push_back(static_cast<std::byte>(high_ * 16 + digit));
            high_ = -1;
        }
    }
    return ok();
}

Result<void> HexText::finish() const {
    if (high_ < 0) return ok();
    return Error{ErrorCode::kCorrupt, "line " + std::to_string(line_) + ", column " + std::to_string(column_) +
                                          ": the text ends after the first digit of a byte"};
}

}  // namespace millrace::cli
