// SPDX-License-Identifier: Apache-2.0
//
// Where received bytes land and frames are cut out of, without a copy: frames share the memory they
// arrived in, which is written again only when nobody holds a slice of it any more.
// Thread rule: the connection's executor; slices on any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/base/result.h"
#include "common/transport/connection_options.h"
#include "common/transport/frame_run.h"
#include "common/wire/frame.h"

namespace millrace::transport {

class ReceiveBuffer {
public:
    // A frame without payload is five times larger in a vector of frames than on the wire.
    static constexpr std::size_t kFramesPerRun = 1024;

    explicit ReceiveBuffer(const ConnectionOptions& options);

    // Takes whole frames out of what is there, up to kFramesPerRun, and learns how large the next one is when none
    // is left.
    // kBadRequest, without the peer's name: its length is negative or too large.
    Result<void> cut_frames(FrameRun& run);

    // Makes room() for at least one byte behind what is there, and answers 0; or answers how many bytes
    // of budget give_room() needs for that.
    std::size_t make_room();
    void give_room(MemoryBudget::Grant grant);
    // Memory made for one frame takes that frame only: what comes after it would keep it.
    MutableByteView room() {
        const std::size_t end = memory_->large ? begin_ + frame_bytes_ : memory_->capacity;
        return {memory_->data + end_, end - end_};
    }
    // So many bytes have come into a room of `offered`.
    void received(std::size_t offered, std::size_t count);
    // Forgets what is there.
    void discard();

    bool inside_frame() const { return begin_ != end_; }
    // The incomplete frame has a grant of its own.
    bool has_large_frame() const { return memory_ && memory_->large; }
    std::size_t frame_bytes() const { return frame_bytes_; }  // as far as it is known
    std::size_t capacity() const { return memory_ ? memory_->capacity : 0; }

private:
    // Never written where a frame lies.
    struct Memory {
        PooledBuffer pooled;
        std::unique_ptr<std::byte[]> plain;
        MemoryBudget::Grant grant;  // returns with the last slice
        std::byte* data = nullptr;
        std::size_t capacity = 0;
        bool large = false;  // made for one frame
    };

    std::size_t here() const { return end_ - begin_; }
    bool shared() const;
    // Real size of memory for so many bytes.
    std::size_t memory_bytes(std::size_t bytes) const;
    MemoryBudget::Grant grant_for_usual(std::size_t bytes) const;
    bool move_to_usual();
    void move_to_front();
    void move_to(std::size_t bytes, MemoryBudget::Grant grant, bool large);

    const std::size_t max_payload_bytes_;
    const std::size_t buffer_bytes_max_;
    const std::size_t base_bytes_;
    ConnectionResources* const resources_;

    std::shared_ptr<Memory> memory_;
    std::size_t begin_ = 0;        // first byte not yet handed out
    std::size_t end_ = 0;          // past the last byte received
    std::size_t buffer_bytes_;     // of the next usual buffer
    std::size_t frame_bytes_ = 0;  // of the incomplete frame at begin_, as far as it is known
};

}  // namespace millrace::transport
