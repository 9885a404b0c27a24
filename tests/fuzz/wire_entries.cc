// SPDX-License-Identifier: Apache-2.0
//
// Whatever is accepted must mean the same after another way over the wire, and every memory that a
// decoder sees is of exactly the size that it may look at.
#include <algorithm>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/wire/append_assembler.h"
#include "common/wire/event.h"
#include "common/wire/extension.h"
#include "common/wire/messages.h"
#include "tests/fuzz/entries.h"
#include "tests/fuzz/input.h"

namespace millrace::fuzz {
namespace {

Bytes joined(const std::vector<Bytes>& pieces) {
    ByteBuffer all;
    for (const Bytes& piece : pieces) all.append(piece);
    return Bytes{std::move(all)};
}

void check_round_trip(const wire::Message& message) {
    ByteBuffer encoded;
    wire::encode(message, encoded);
    const auto header = wire::read_frame_header(encoded.view().first(wire::kFrameHeaderBytes));
    const auto again = wire::decode({header.type, own_copy(encoded.view().subspan(wire::kFrameHeaderBytes))});
    MR_CHECK(again.ok() && *again == message);
    MR_CHECK(joined(wire::encode_in_pieces(message)) == Bytes{std::move(encoded)});
    MR_CHECK(wire::describe(message) == wire::describe(*again));
}

// The next frame, or nothing at the end. A damaged length is taken for "all the rest", so that the
// payload still gets its chance.
std::optional<wire::Frame> next_frame(ByteView& input) {
    if (input.size() < wire::kFrameHeaderBytes) return std::nullopt;
    const auto header = wire::read_frame_header(input.first(wire::kFrameHeaderBytes));
    input = input.subspan(wire::kFrameHeaderBytes);
    const std::size_t size =
        header.length < 0 ? input.size() : std::min(static_cast<std::size_t>(header.length), input.size());
    wire::Frame frame{header.type, own_copy(input.first(size))};
    input = input.subspan(size);
    return frame;
}

// What a connection's owner does with a message; false ends the connection. `appended` gets the
// bytes of appends.
bool assemble(wire::AppendAssembler& assembler, const wire::Message& message, ByteBuffer& appended) {
    if (const auto* setup = std::get_if<wire::SetupAppend>(&message)) return assembler.setup_append(*setup).ok();
    if (const auto* block = std::get_if<wire::AppendBlock>(&message)) {
        const bool was_open = assembler.block_open();
        const bool taken = assembler.append_block(*block).ok();
        MR_CHECK(!taken || (!was_open && assembler.block_open()));
        return taken;
    }
    if (std::holds_alternative<wire::Padding>(message)) return assembler.padding().ok();
    if (const auto* one = std::get_if<wire::ConditionalAppend>(&message)) {
        const auto append = assembler.conditional_append(*one);
        MR_CHECK(!append || append->data.joined() == one->event);
        return append.ok();
    }
    if (const auto* one = std::get_if<wire::ConditionalBlockEnd>(&message)) {
        const auto append = assembler.conditional_block_end(*one);
        MR_CHECK(!append || append->data.joined() == one->data);
        return append.ok();
    }
    if (std::holds_alternative<wire::PartialEvent>(message)) return false;
    if (const auto* end = std::get_if<wire::AppendBlockEnd>(&message)) {
        const bool was_open = assembler.block_open();
        const auto append = assembler.append_block_end(*end);
        if (!append) return false;
        MR_CHECK(append->writer != nullptr && append->writer->id == end->writer_id);
        MR_CHECK(append->writer == assembler.find(end->writer_id));
        MR_CHECK(append->event_number >= 0 && append->event_count > 0);
        MR_CHECK(was_open || append->data.joined() == end->data);
        MR_CHECK(append->data.joined().size() == append->data.size());
        MR_CHECK(!assembler.block_open());
        for (const Bytes& piece : append->data.pieces()) appended.append(piece);
    }
    return true;
}

}  // namespace

void frames(ByteView input) {
    while (const auto frame = next_frame(input)) {
        if (const auto message = wire::decode(*frame)) {
            MR_CHECK(wire::type_of(*message) == frame->type);
            check_round_trip(*message);
        } else {
            MR_CHECK(message.error().is(ErrorCode::kBadRequest) || message.error().is(ErrorCode::kUnsupported));
        }
        if (const auto extension = wire::decode_extension(*frame, 3)) {
            ByteBuffer encoded;
            wire::encode_extension(*extension, encoded);
            MR_CHECK(Bytes{std::move(encoded)}.slice(wire::kFrameHeaderBytes) == frame->payload);
        }
    }
}

void appends(ByteView input) {
    wire::AppendAssembler assembler;
    ByteBuffer appended;
    while (const auto frame = next_frame(input)) {
        const auto message = wire::decode(*frame);
        if (!message || !assemble(assembler, *message, appended)) break;
    }
    events(appended);
}

void events(ByteView input) {
    constexpr std::size_t kMaxPayload = 4096;
    const std::size_t step = input.empty() ? 1 : 1 + static_cast<std::size_t>(input.back()) % 32;
    wire::EventSplitter whole{kMaxPayload};
    wire::EventSplitter pieces{kMaxPayload};
    std::vector<Bytes> of_whole;
    std::vector<Bytes> of_pieces;
    const bool whole_ok = whole.feed(own_copy(input), of_whole).ok();
    bool pieces_ok = true;
    for (std::size_t at = 0; at < input.size() && pieces_ok; at += step) {
        pieces_ok = pieces.feed(own_copy(input.subspan(at, std::min(step, input.size() - at))), of_pieces).ok();
    }
    MR_CHECK(whole_ok == pieces_ok && of_whole == of_pieces);
    MR_CHECK(whole.consumed_bytes() == pieces.consumed_bytes());
    // What was handed out, put together again, is what was fed.
    ByteBuffer again;
    for (const Bytes& event : of_whole) wire::encode_event(event, again);
    MR_CHECK(again.size() == whole.consumed_bytes() && std::ranges::equal(again, input.first(again.size())));
    if (whole_ok) MR_CHECK(again.size() + whole.pending_bytes() == input.size());
}

}  // namespace millrace::fuzz
