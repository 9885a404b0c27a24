// SPDX-License-Identifier: Apache-2.0
#include "common/transport/receive_buffer.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "common/runtime/rare.h"

namespace millrace::transport {
namespace {

// Less room than this at the end of a buffer is not worth a read.
constexpr std::size_t kLeastReadBytes = 4 * 1024;

}  // namespace

ReceiveBuffer::ReceiveBuffer(const ConnectionOptions& options)
    : max_payload_bytes_{options.max_payload_bytes},
      buffer_bytes_max_{options.receive_buffer_bytes},
      base_bytes_{std::min(kBaseReceiveBytes, options.receive_buffer_bytes)},
      resources_{options.resources},
      buffer_bytes_{base_bytes_} {
    MR_CHECK(buffer_bytes_max_ >= wire::kFrameHeaderBytes);
    MR_CHECK(resources_ == nullptr || max_payload_bytes_ + wire::kFrameHeaderBytes <= BufferPool::kLargestClass);
}

// Whether somebody else holds a slice, on whatever thread. The copy and its release are
// read-modify-writes of the count, so everything that former holders did with the memory happened
// before we write to it again; reading the count alone would not order that.
bool ReceiveBuffer::shared() const {
    const auto touch = memory_;
    return touch.use_count() > 2;
}

Result<void> ReceiveBuffer::cut_frames(FrameRun& run) {
    const std::size_t begin = begin_;
    std::size_t count = 0;
    Result<void> outcome = ok();
    while (count < kFramesPerRun) {
        frame_bytes_ = wire::kFrameHeaderBytes;
        if (here() < wire::kFrameHeaderBytes) break;
        const wire::FrameHeader header =
            wire::read_frame_header(ByteView{memory_->data + begin_, wire::kFrameHeaderBytes});
        if (header.length < 0 || static_cast<std::size_t>(header.length) > max_payload_bytes_) [[unlikely]] {
            outcome = Error{ErrorCode::kBadRequest, wire::to_string(header.type) + " with an announced length of " +
                                                        std::to_string(header.length) + " bytes; 0 to " +
                                                        std::to_string(max_payload_bytes_) + " are allowed"};
            break;
        }
        frame_bytes_ += static_cast<std::size_t>(header.length);
        if (here() < frame_bytes_) break;
        begin_ += frame_bytes_;
        ++count;
    }
    if (count > 0) run = FrameRun{Bytes{memory_, ByteView{memory_->data + begin, begin_ - begin}}, count};
    return outcome;
}

std::size_t ReceiveBuffer::make_room() {
    const bool usual = memory_ && !memory_->large;
    if (here() == 0) {
        // The memory of a single large frame is not kept for small ones.
        if (usual && memory_->capacity >= buffer_bytes_ && !shared()) {
            begin_ = end_ = 0;
        } else if (!usual || memory_->capacity - end_ < std::min(kLeastReadBytes, memory_->capacity)) {
            move_to_usual();
        }
        return 0;
    }
    const bool fits = begin_ + frame_bytes_ <= memory_->capacity;
    const bool alone_and_room_left = begin_ == 0 && end_ < memory_->capacity;
    if (fits || alone_and_room_left) return 0;
    // Below its usual size a buffer is made for whatever comes. What does not fit even there gets
    // memory for the whole frame, once a usual buffer full of it has come: an announced length alone
    // costs nothing.
    if (here() < buffer_bytes_) {
        if (usual && memory_->capacity >= buffer_bytes_ && !shared()) {
            move_to_front();
            return 0;
        }
        if (move_to_usual()) return 0;
    }
    if (memory_->capacity >= frame_bytes_ && !shared()) {
        move_to_front();
        return 0;
    }
    const std::size_t bytes = memory_bytes(frame_bytes_);
    if (resources_ == nullptr || !resources_->received) {
        move_to(frame_bytes_, {}, true);
        return 0;
    }
    if (!MR_RARE("transport.wait_for_budget")) {
        if (auto grant = resources_->received->try_take(bytes)) {
            move_to(frame_bytes_, std::move(grant), true);
            return 0;
        }
    }
    return bytes;
}

void ReceiveBuffer::give_room(MemoryBudget::Grant grant) { move_to(frame_bytes_, std::move(grant), true); }

std::size_t ReceiveBuffer::memory_bytes(std::size_t bytes) const {
    return resources_ == nullptr ? bytes : BufferPool::class_bytes(bytes);
}

MemoryBudget::Grant ReceiveBuffer::grant_for_usual(std::size_t bytes) const {
    MemoryBudget& budget = *resources_->received;
    if (MR_RARE("transport.no_budget_to_grow")) return {};
    return budget.try_take(memory_bytes(bytes), budget.bytes_max() / 2);
}

// False: what is here does not fit into the memory that can be had without waiting.
bool ReceiveBuffer::move_to_usual() {
    MemoryBudget::Grant grant;
    if (buffer_bytes_ > base_bytes_ && resources_ != nullptr && resources_->received) {
        grant = grant_for_usual(buffer_bytes_);
        if (!grant) buffer_bytes_ = base_bytes_;
        if (here() >= buffer_bytes_) return false;
    }
    move_to(buffer_bytes_, std::move(grant), false);
    return true;
}

void ReceiveBuffer::move_to_front() {
    std::memmove(memory_->data, memory_->data + begin_, here());
    end_ = here();
    begin_ = 0;
}

void ReceiveBuffer::move_to(std::size_t bytes, MemoryBudget::Grant grant, bool large) {
    auto next = std::make_shared<Memory>();
    if (resources_ != nullptr) next->pooled = resources_->pool.take(bytes);
    if (next->pooled) {
        next->data = next->pooled.data();
        next->capacity = next->pooled.size();
    } else {
        next->plain = std::make_unique_for_overwrite<std::byte[]>(bytes);
        next->data = next->plain.get();
        next->capacity = bytes;
    }
    next->grant = std::move(grant);
    next->large = large;
    if (here() > 0) std::memcpy(next->data, memory_->data + begin_, here());
    end_ = here();
    begin_ = 0;
    memory_ = std::move(next);
}

void ReceiveBuffer::received(std::size_t offered, std::size_t count) {
    end_ += count;
    if (!memory_->large && count == offered && offered >= buffer_bytes_ / 2) buffer_bytes_ = std::min(buffer_bytes_ * 2, buffer_bytes_max_);
}

void ReceiveBuffer::discard() {
    begin_ = end_;
    frame_bytes_ = 0;
}

}  // namespace millrace::transport
