// SPDX-License-Identifier: Apache-2.0
//
// Memory of the data path, used again and again: the first touch of fresh pages costs more than the
// copy into them. Buffers come in fixed size classes, are owned by one holder, and may become shared:
// slices on whatever thread, after the last of which the memory returns to its pool.
// Thread rule: take() on one thread (a pool belongs to a shard); buffers and slices end on any.
// Lifetime: buffers and slices may outlive the pool.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "common/base/bytes.h"

namespace millrace {

struct BufferPoolOptions {
    // Of every buffer: a power of two, at most the smallest class. 4096 where direct I/O uses them.
    std::size_t alignment = 64;
    // Kept for reuse at most; what returns beyond it is freed.
    std::size_t idle_bytes_max = 32 * 1024 * 1024;
    // Taken and idle together at most; take() answers with an empty buffer beyond it.
    std::size_t bytes_max = SIZE_MAX;
};

class BufferPool;

// A buffer with one owner, empty or of its class's whole size; uninitialised. Returns to its pool at its end.
class PooledBuffer {
public:
    PooledBuffer() = default;
    PooledBuffer(PooledBuffer&& other) noexcept
        : core_{std::move(other.core_)}, data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)} {}
    PooledBuffer& operator=(PooledBuffer&& other) noexcept {
        if (this != &other) {
            release();
            core_ = std::move(other.core_);
            data_ = std::exchange(other.data_, nullptr);
            size_ = std::exchange(other.size_, 0);
        }
        return *this;
    }
    ~PooledBuffer() { release(); }

    explicit operator bool() const { return data_ != nullptr; }
    std::byte* data() { return data_; }
    const std::byte* data() const { return data_; }
    std::size_t size() const { return size_; }
    MutableByteView mutable_view() { return {data_, size_}; }
    ByteView view() const { return {data_, size_}; }

    // Its first `size` bytes, from now on immutable. REQUIRES: size <= size().
    Bytes share(std::size_t size) &&;

private:
    friend class BufferPool;
    class Core;
    PooledBuffer(std::shared_ptr<Core> core, std::byte* data, std::size_t size)
        : core_{std::move(core)}, data_{data}, size_{size} {}
    void release();

    std::shared_ptr<Core> core_;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

class BufferPool {
public:
    static constexpr std::size_t kSmallestClass = 4 * 1024;
    // Powers of two up to 16 MiB, and one for the largest frame or operation with what surrounds it.
    static constexpr std::size_t kLargestClass = 17 * 1024 * 1024;
    static constexpr std::size_t kClasses = 14;

    explicit BufferPool(BufferPoolOptions options = {});
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;
    // Idle memory is freed now, the rest when its last holder ends.
    ~BufferPool();

    // At least `bytes`. Empty when bytes_max forbids it. REQUIRES: 0 < bytes <= kLargestClass.
    PooledBuffer take(std::size_t bytes);

    // The size of the buffer that take(bytes) gives.
    static std::size_t class_bytes(std::size_t bytes);

    // Any thread; of one moment, not together.
    struct Stats {
        std::size_t taken_bytes = 0;
        std::size_t idle_bytes = 0;
        std::uint64_t made = 0;    // buffers that were allocated, ever
        std::uint64_t reused = 0;  // buffers that were given again
    };
    Stats stats() const;

private:
    std::shared_ptr<PooledBuffer::Core> core_;
};

}  // namespace millrace
