// SPDX-License-Identifier: Apache-2.0
//
// Filling and completing a block's frame.
#include "client/writer/block.h"

#include <algorithm>

#include "common/base/binary.h"
#include "common/wire/frame.h"

namespace millrace::client {

namespace {

void put_u32(std::byte* at, std::uint32_t value) {
    value = __builtin_bswap32(value);
    std::memcpy(at, &value, sizeof value);
}
void put_u64(std::byte* at, std::uint64_t value) {
    value = __builtin_bswap64(value);
    std::memcpy(at, &value, sizeof value);
}

}  // namespace

void Block::clear() {
    frame_.resize(kHeadBytes);
    event_bytes_ = 0;
    memory_bytes_ = 0;
    positions_.clear();
    callbacks_.clear();
    last_event_number_ = 0;
}

void Block::grow(std::size_t framed) {
    const std::size_t needed = frame_.size() + framed + kTailBytes;
    if (needed > frame_.capacity()) frame_.reserve(std::max({needed, frame_.capacity() * 2, std::size_t{1024}}));
    frame_.resize(frame_.size() + framed);
    event_bytes_ += framed;
    memory_bytes_ += memory_bytes(framed, false);
}

void Block::keep(double position, Acknowledged acknowledged) {
    if (acknowledged) {
        memory_bytes_ += memory_bytes(0, true) - memory_bytes(0, false);
        callbacks_.emplace_back(static_cast<std::uint32_t>(positions_.size()), std::move(acknowledged));
    }
    positions_.push_back(position);
}

void Block::add(double position, std::string_view payload, Acknowledged acknowledged) {
    const std::size_t at = frame_.size();
    grow(framed_bytes(payload.size()));
    put_u32(frame_.data() + at, 0);
    put_u32(frame_.data() + at + 4, static_cast<std::uint32_t>(payload.size()));
    if (!payload.empty()) std::memcpy(frame_.data() + at + kEventHeaderBytes, payload.data(), payload.size());
    keep(position, std::move(acknowledged));
}

void Block::add_framed(double position, ByteView framed, Acknowledged acknowledged) {
    const std::size_t at = frame_.size();
    grow(framed.size());
    std::memcpy(frame_.data() + at, framed.data(), framed.size());
    keep(position, std::move(acknowledged));
}

void Block::number(const WriterId& writer, std::int64_t last_event_number, std::int64_t request_id) {
    MR_CHECK(frame_.size() == kHeadBytes + event_bytes_ && !positions_.empty());
    last_event_number_ = last_event_number;
    frame_.resize(frame_.size() + kTailBytes);
    std::byte* const head = frame_.data();
    put_u32(head, static_cast<std::uint32_t>(wire::FrameType::kAppendBlockEnd));
    put_u32(head + 4, static_cast<std::uint32_t>(frame_.size() - wire::kFrameHeaderBytes));
    std::memcpy(head + 8, writer.bytes.data(), writer.bytes.size());
    put_u32(head + 24, static_cast<std::uint32_t>(event_bytes_));
    put_u32(head + 28, static_cast<std::uint32_t>(event_bytes_));
    std::byte* const tail = frame_.data() + kHeadBytes + event_bytes_;
    put_u32(tail, static_cast<std::uint32_t>(positions_.size()));
    put_u64(tail + 4, static_cast<std::uint64_t>(last_event_number));
    put_u64(tail + 12, static_cast<std::uint64_t>(request_id));
}

void Block::notify(const Result<void>& outcome) {
    if (callbacks_.empty()) return;
    // Taken out first: a callback may look at the writer, but never at this block.
    auto callbacks = std::move(callbacks_);
    callbacks_.clear();
    for (auto& [index, acknowledged] : callbacks) acknowledged(outcome);
    callbacks.clear();
    callbacks_ = std::move(callbacks);  // keeps the memory for the next use
}

std::vector<Block::Event> Block::dissolve() {
    auto callbacks = std::move(callbacks_);
    callbacks_.clear();
    auto callback = callbacks.begin();
    std::vector<Event> events;
    events.reserve(positions_.size());
    BigEndianReader reader{frame_.view().subspan(kHeadBytes, event_bytes_)};
    std::size_t at = kHeadBytes;
    for (std::uint32_t i = 0; i < positions_.size(); ++i) {
        reader.u32();
        const std::size_t payload_bytes = reader.u32();
        reader.bytes(payload_bytes);
        MR_CHECK(!reader.failed());
        Acknowledged acknowledged;
        if (callback != callbacks.end() && callback->first == i) acknowledged = std::move((callback++)->second);
        const std::size_t framed = framed_bytes(payload_bytes);
        events.push_back(Event{positions_[i], frame_.view().subspan(at, framed), std::move(acknowledged)});
        at += framed;
    }
    return events;
}

}  // namespace millrace::client
