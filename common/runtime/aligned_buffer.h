// SPDX-License-Identifier: Apache-2.0
//
// Memory aligned for direct I/O. Contents are uninitialised. Keep and reuse them: the first touch of
// a page costs more than the copy into it.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

#include "common/base/bytes.h"

namespace millrace {

// Alignment of offsets, lengths and memory of direct I/O: the logical block of every disk we know.
inline constexpr std::size_t kDirectAlignment = 4096;

constexpr std::size_t align_up(std::size_t n) { return (n + kDirectAlignment - 1) & ~(kDirectAlignment - 1); }
constexpr std::size_t align_down(std::size_t n) { return n & ~(kDirectAlignment - 1); }

class AlignedBuffer {
public:
    AlignedBuffer() = default;
    // `size` is rounded up to kDirectAlignment.
    explicit AlignedBuffer(std::size_t size)
        : data_{static_cast<std::byte*>(std::aligned_alloc(kDirectAlignment, align_up(size)))}, size_{align_up(size)} {
        MR_CHECK(data_ != nullptr || size_ == 0);
    }

    std::byte* data() { return data_.get(); }
    const std::byte* data() const { return data_.get(); }
    std::size_t size() const { return size_; }
    MutableByteView mutable_view() { return {data_.get(), size_}; }
    ByteView view() const { return {data_.get(), size_}; }

private:
    struct Free {
        void operator()(std::byte* p) const { std::free(p); }
    };
    std::unique_ptr<std::byte, Free> data_;
    std::size_t size_ = 0;
};

}  // namespace millrace
