// SPDX-License-Identifier: Apache-2.0
//
// From the append frames of one connection to whole appends (docs/protocol/wire.md, "Append
// blocks"). Knows the writers that SetupAppend announced on this connection, and the one block that
// may be open. Every error is kBadRequest and means: close the connection.
// Thread rule: whoever owns the connection.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/wire/messages.h"

namespace millrace::wire {

// A writer as set up once on one connection. Setting it up again makes a new one, so that a pointer
// tells whether an append belongs to the present set-up or to an earlier one.
struct AppendWriter {
    WriterId id;
    std::string segment;
};

// The bytes of one append, in up to three slices of the frames they came in; none is empty.
class AppendData {
public:
    void add(Bytes piece) {
        if (piece.empty()) return;
        MR_CHECK(count_ < pieces_.size());
        size_ += piece.size();
        pieces_[count_++] = std::move(piece);
    }
    std::span<const Bytes> pieces() const { return {pieces_.data(), count_}; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    // One slice: the only piece itself, or a copy of all.
    Bytes joined() const;

private:
    std::array<Bytes, 3> pieces_;
    std::uint32_t count_ = 0;
    std::size_t size_ = 0;
};

// One atomic unit: stored contiguously and acknowledged once. Its data may be empty.
struct Append {
    std::shared_ptr<const AppendWriter> writer;
    std::int64_t event_number = 0;  // of its last event; >= 0, never falling within one set-up
    std::int32_t event_count = 0;   // >= 1
    AppendData data;
    RequestId request_id = -1;
    // Of a conditional append: stored only if the segment then ends there.
    std::optional<std::int64_t> expected_offset;
};

class AppendAssembler {
public:
    // More writers on one connection are refused. The clients we know stop at 2,000 themselves.
    static constexpr std::size_t kMaxWriters = 4096;

    AppendAssembler() = default;
    AppendAssembler(AppendAssembler&&) = default;
    AppendAssembler& operator=(AppendAssembler&&) = default;

    // The writer appends to `segment` from now on and its event numbers may start anywhere from 0.
    // Also refused: a segment name above kMaxSegmentNameBytes, an open block.
    Result<std::shared_ptr<const AppendWriter>> setup_append(const SetupAppend& message);
    // Opens a block; its AppendBlockEnd comes next.
    Result<void> append_block(AppendBlock message);
    // Completes the open block, or is an append by itself when there is none.
    Result<Append> append_block_end(AppendBlockEnd message);
    // Appends by themselves, of one event and of any bytes; refused while a block is open.
    Result<Append> conditional_append(ConditionalAppend message);
    Result<Append> conditional_block_end(ConditionalBlockEnd message);
    // Means nothing by itself; refused while a block is open.
    Result<void> padding() const;

    // The present set-up of a writer, or nothing.
    std::shared_ptr<const AppendWriter> find(const WriterId& writer) const;
    bool block_open() const { return block_.has_value(); }
    std::size_t writers() const { return writers_.size(); }

private:
    struct State {
        std::shared_ptr<const AppendWriter> writer;
        std::int64_t last_event_number = 0;
    };

    Result<void> refuse_if_open(FrameType type) const;
    Result<State*> state_of(const WriterId& writer, FrameType type);
    template <class Message>
    Result<Append> conditional(const Message& message, Bytes data);

    std::unordered_map<WriterId, State> writers_;  // they stay where they are
    State* recent_ = nullptr;  // of the last frame: a writer's frames mostly follow each other
    std::optional<AppendBlock> block_;
};

}  // namespace millrace::wire
