// SPDX-License-Identifier: Apache-2.0
//
// The input is what a peer sends on the data port: frames, if it is kind. Each goes through the
// decoder and, where it belongs to an append, through the assembler; the whole input also goes
// through the event splitter, in one piece and in several. Whatever is accepted must mean the same
// after another way over the wire.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "common/wire/append_assembler.h"
#include "common/wire/event.h"
#include "common/wire/messages.h"

namespace millrace::wire {
namespace {

// Of exactly its own size on the heap: a step beyond it is seen.
Bytes own_copy(ByteView bytes) {
    ByteBuffer copy(bytes.size());
    std::copy(bytes.begin(), bytes.end(), copy.begin());
    return Bytes{std::move(copy)};
}

void check_round_trip(const Message& message) {
    ByteBuffer encoded;
    encode(message, encoded);
    const FrameHeader header = read_frame_header(encoded.view().first(kFrameHeaderBytes));
    const auto again = decode(Frame{header.type, own_copy(encoded.view().subspan(kFrameHeaderBytes))});
    MR_CHECK(again.ok() && *again == message);
}

// False: the connection would end here.
bool assemble(AppendAssembler& assembler, const Message& message) {
    if (const auto* setup = std::get_if<SetupAppend>(&message)) return assembler.setup_append(*setup).ok();
    if (const auto* block = std::get_if<AppendBlock>(&message)) return assembler.append_block(*block).ok();
    if (std::holds_alternative<Padding>(message)) return assembler.padding().ok();
    if (std::holds_alternative<PartialEvent>(message)) return false;
    if (const auto* end = std::get_if<AppendBlockEnd>(&message)) {
        const auto append = assembler.append_block_end(*end);
        if (!append) return false;
        MR_CHECK(append->writer != nullptr && append->writer->id == end->writer_id);
        MR_CHECK(append->event_number >= 0 && append->event_count > 0);
        MR_CHECK(append->data.joined().size() == append->data.size());
        MR_CHECK(!assembler.block_open());
    }
    return true;
}

void take_frames(ByteView input) {
    AppendAssembler assembler;
    while (input.size() >= kFrameHeaderBytes) {
        const FrameHeader header = read_frame_header(input.first(kFrameHeaderBytes));
        input = input.subspan(kFrameHeaderBytes);
        // A damaged length is taken for "all the rest", so that the payload still gets its chance.
        const std::size_t size =
            header.length < 0 ? input.size() : std::min(static_cast<std::size_t>(header.length), input.size());
        const auto message = decode(Frame{header.type, own_copy(input.first(size))});
        input = input.subspan(size);
        if (!message) continue;
        check_round_trip(*message);
        if (!assemble(assembler, *message)) return;
    }
}

void split_events(ByteView input, std::size_t step) {
    constexpr std::size_t kMaxPayload = 4096;
    EventSplitter whole{kMaxPayload};
    EventSplitter pieces{kMaxPayload};
    std::vector<Bytes> of_whole;
    std::vector<Bytes> of_pieces;
    const bool whole_ok = whole.feed(own_copy(input), of_whole).ok();
    bool pieces_ok = true;
    for (std::size_t at = 0; at < input.size() && pieces_ok; at += step) {
        pieces_ok = pieces.feed(own_copy(input.subspan(at, std::min(step, input.size() - at))), of_pieces).ok();
    }
    MR_CHECK(whole_ok == pieces_ok && of_whole == of_pieces);
    MR_CHECK(whole.consumed_bytes() == pieces.consumed_bytes());
}

}  // namespace
}  // namespace millrace::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const millrace::ByteView input = std::as_bytes(std::span{data, size});
    millrace::wire::take_frames(input);
    millrace::wire::split_events(input, 1 + data[size - 1] % 32);
    return 0;
}
