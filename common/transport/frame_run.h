// SPDX-License-Identifier: Apache-2.0
//
// Whole frames as they lie one after the other in the memory they were received into. Going through
// them costs no reference count; what is to be kept is shared explicitly.
// Thread rule: as any value. Views are good as long as the run or something shared from it lives.
#pragma once

#include <cstddef>
#include <utility>

#include "common/base/bytes.h"
#include "common/wire/frame.h"

namespace millrace::transport {

struct FrameView {
    wire::FrameType type{};  // may be a code that we do not know
    ByteView payload;
};

class FrameRun {
public:
    class Iterator {
    public:
        FrameView operator*() const {
            const wire::FrameHeader header = wire::read_frame_header(ByteView{at_, wire::kFrameHeaderBytes});
            return {header.type, ByteView{at_ + wire::kFrameHeaderBytes, static_cast<std::size_t>(header.length)}};
        }
        Iterator& operator++() {
            const ByteView payload = (**this).payload;
            at_ = payload.data() + payload.size();
            return *this;
        }
        bool operator==(const Iterator&) const = default;

    private:
        friend class FrameRun;
        explicit Iterator(const std::byte* at) : at_{at} {}
        const std::byte* at_;
    };

    FrameRun() = default;
    // REQUIRES: `bytes` are exactly `count` whole frames.
    FrameRun(Bytes bytes, std::size_t count) : bytes_{std::move(bytes)}, count_{count} {}

    Iterator begin() const { return Iterator{bytes_.data()}; }
    Iterator end() const { return Iterator{bytes_.data() + bytes_.size()}; }
    std::size_t size() const { return count_; }
    // What the frames lie in.
    const Bytes& bytes() const { return bytes_; }
    bool empty() const { return count_ == 0; }

    // A part of this run's bytes, kept for longer. REQUIRES: it lies in this run.
    Bytes share(ByteView part) const {
        if (part.empty()) return {};
        return bytes_.slice(static_cast<std::size_t>(part.data() - bytes_.data()), part.size());
    }
    wire::Frame share(FrameView frame) const { return {frame.type, share(frame.payload)}; }

private:
    Bytes bytes_;
    std::size_t count_ = 0;
};

}  // namespace millrace::transport
