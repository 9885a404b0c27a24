// SPDX-License-Identifier: Apache-2.0
#include "common/base/buffer_pool.h"

#include <array>
#include <bit>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define MR_POISON(data, size) __asan_poison_memory_region(data, size)
#define MR_UNPOISON(data, size) __asan_unpoison_memory_region(data, size)
#endif
#endif
#if !defined(MR_POISON)
#define MR_POISON(data, size) (static_cast<void>(data), static_cast<void>(size))
#define MR_UNPOISON(data, size) (static_cast<void>(data), static_cast<void>(size))
#endif

namespace millrace {
namespace {

// At the beginning of an idle buffer. The rest of it is off limits for the address sanitizer.
struct IdleBuffer {
    IdleBuffer* next;
};

std::size_t class_of(std::size_t bytes) {
    MR_CHECK(bytes > 0 && bytes <= BufferPool::kLargestClass);
    if (bytes > BufferPool::kLargestClass - 1024 * 1024) return BufferPool::kClasses - 1;
    if (bytes <= BufferPool::kSmallestClass) return 0;
    return static_cast<std::size_t>(std::bit_width((bytes - 1) / BufferPool::kSmallestClass));
}

std::size_t size_of_class(std::size_t number) {
    return number == BufferPool::kClasses - 1 ? BufferPool::kLargestClass : BufferPool::kSmallestClass << number;
}

}  // namespace

// Shared by the pool and every buffer that is out.
class PooledBuffer::Core {
public:
    explicit Core(const BufferPoolOptions& options) : options_{options} {
        MR_CHECK(std::has_single_bit(options.alignment) && options.alignment <= BufferPool::kSmallestClass &&
                 options.alignment >= alignof(IdleBuffer));
    }
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;
    ~Core() {
        for (std::size_t number = 0; number < BufferPool::kClasses; ++number) free_idle(number);
    }

    // The pool's thread.
    std::byte* take(std::size_t number) {
        const std::size_t size = size_of_class(number);
        if (idle_[number] == nullptr) idle_[number] = returned_[number].exchange(nullptr, std::memory_order_acquire);
        if (IdleBuffer* const found = idle_[number]; found != nullptr) {
            idle_[number] = found->next;
            idle_bytes_.fetch_sub(size, std::memory_order_relaxed);
            taken_bytes_.fetch_add(size, std::memory_order_relaxed);
            reused_.fetch_add(1, std::memory_order_relaxed);
            MR_UNPOISON(found, size);
            return reinterpret_cast<std::byte*>(found);
        }
        if (!may_allocate(size)) return nullptr;
        auto* const data = static_cast<std::byte*>(std::aligned_alloc(options_.alignment, size));
        if (data == nullptr) throw std::bad_alloc{};
        taken_bytes_.fetch_add(size, std::memory_order_relaxed);
        made_.fetch_add(1, std::memory_order_relaxed);
        return data;
    }

    // Any thread.
    void give_back(std::byte* data, std::size_t size) {
        taken_bytes_.fetch_sub(size, std::memory_order_relaxed);
        if (idle_bytes_.fetch_add(size, std::memory_order_relaxed) + size > options_.idle_bytes_max ||
            closed_.load(std::memory_order_relaxed)) {
            idle_bytes_.fetch_sub(size, std::memory_order_relaxed);
            std::free(data);
            return;
        }
        auto* const idle = ::new (static_cast<void*>(data)) IdleBuffer{nullptr};
        MR_POISON(data + sizeof(IdleBuffer), size - sizeof(IdleBuffer));
        // Only pushes, and one taker that takes all: a head that looks the same is the same.
        std::atomic<IdleBuffer*>& head = returned_[class_of(size)];
        idle->next = head.load(std::memory_order_relaxed);
        while (!head.compare_exchange_weak(idle->next, idle, std::memory_order_release, std::memory_order_relaxed)) {
        }
    }

    // The pool's thread: no more reuse.
    void close() {
        closed_.store(true, std::memory_order_relaxed);
        for (std::size_t number = 0; number < BufferPool::kClasses; ++number) free_idle(number);
    }

    BufferPool::Stats stats() const {
        return {taken_bytes_.load(std::memory_order_relaxed), idle_bytes_.load(std::memory_order_relaxed),
                made_.load(std::memory_order_relaxed), reused_.load(std::memory_order_relaxed)};
    }

private:
    bool fits(std::size_t size) const {
        const std::size_t held =
            taken_bytes_.load(std::memory_order_relaxed) + idle_bytes_.load(std::memory_order_relaxed);
        return held <= options_.bytes_max && size <= options_.bytes_max - held;
    }
    // Idle buffers of other sizes make room.
    bool may_allocate(std::size_t size) {
        for (std::size_t number = BufferPool::kClasses; number-- > 0 && !fits(size);) free_idle(number);
        return fits(size);
    }
    void free_idle(std::size_t number) {
        free_list(std::exchange(idle_[number], nullptr), number);
        free_list(returned_[number].exchange(nullptr, std::memory_order_acquire), number);
    }
    void free_list(IdleBuffer* first, std::size_t number) {
        while (first != nullptr) {
            IdleBuffer* const next = first->next;
            MR_UNPOISON(first, size_of_class(number));
            std::free(first);
            idle_bytes_.fetch_sub(size_of_class(number), std::memory_order_relaxed);
            first = next;
        }
    }

    const BufferPoolOptions options_;
    std::array<IdleBuffer*, BufferPool::kClasses> idle_{};                   // the pool's thread
    std::array<std::atomic<IdleBuffer*>, BufferPool::kClasses> returned_{};  // any thread
    std::atomic<bool> closed_{false};
    std::atomic<std::size_t> taken_bytes_{0};
    std::atomic<std::size_t> idle_bytes_{0};
    std::atomic<std::uint64_t> made_{0};
    std::atomic<std::uint64_t> reused_{0};
};

void PooledBuffer::release() {
    if (data_ == nullptr) return;
    core_->give_back(std::exchange(data_, nullptr), std::exchange(size_, 0));
    core_.reset();
}

Bytes PooledBuffer::share(std::size_t size) && {
    MR_CHECK(size <= size_);
    if (data_ == nullptr) return {};
    auto owner = std::make_shared<PooledBuffer>(std::move(*this));
    const ByteView shared = owner->view().first(size);
    return Bytes{std::move(owner), shared};
}

BufferPool::BufferPool(BufferPoolOptions options) : core_{std::make_shared<PooledBuffer::Core>(options)} {}

BufferPool::~BufferPool() { core_->close(); }

PooledBuffer BufferPool::take(std::size_t bytes) {
    const std::size_t number = class_of(bytes);
    std::byte* const data = core_->take(number);
    if (data == nullptr) return {};
    return PooledBuffer{core_, data, size_of_class(number)};
}

std::size_t BufferPool::class_bytes(std::size_t bytes) { return size_of_class(class_of(bytes)); }

BufferPool::Stats BufferPool::stats() const { return core_->stats(); }

}  // namespace millrace
