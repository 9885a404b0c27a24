// SPDX-License-Identifier: Apache-2.0
//
// A queue in one ring of memory that doubles as it fills and is kept: once it is as large as it gets, adding and taking
// allocate nothing. A queue that has emptied gives back what would be much to keep.
// Thread rule: as any value.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "common/base/check.h"

namespace millrace {

template <class T>
class Fifo {
public:
    // An empty queue keeps no more memory than this, or for one value.
    static constexpr std::size_t kKeptBytes = 64 * 1024;

    Fifo() = default;
    Fifo(const Fifo&) = delete;
    Fifo& operator=(const Fifo&) = delete;
    ~Fifo() { clear(); }

    bool empty() const { return size_ == 0; }
    std::size_t size() const { return size_; }
    std::size_t capacity() const { return capacity_; }

    // REQUIRES for all of these: not empty, `i` < size().
    T& front() { return *at(0); }
    const T& front() const { return *at(0); }
    T& back() { return *at(size_ - 1); }
    const T& back() const { return *at(size_ - 1); }
    T& operator[](std::size_t i) { return *at(i); }
    const T& operator[](std::size_t i) const { return *at(i); }

    // References to values end here when the ring grows. `arguments` must not refer to values of this queue.
    template <class... Arguments>
    T& emplace_back(Arguments&&... arguments) {
        if (size_ == capacity_) grow();
        T* const made = std::construct_at(at(size_), std::forward<Arguments>(arguments)...);
        ++size_;
        return *made;
    }
    void push_back(T value) { emplace_back(std::move(value)); }

    // REQUIRES: not empty.
    void pop_front() {
        std::destroy_at(at(0));
        begin_ = (begin_ + 1) & (capacity_ - 1);
        if (--size_ == 0 && capacity_ > kKeptCapacity) release();
    }
    T take_front() {
        T value = std::move(front());
        pop_front();
        return value;
    }

    void clear() {
        while (!empty()) pop_front();
        release();
    }

private:
    static constexpr std::size_t kLeastCapacity = 16;  // capacities are powers of two
    static constexpr std::size_t kKeptCapacity = kKeptBytes / sizeof(T) > kLeastCapacity ? kKeptBytes / sizeof(T) : kLeastCapacity;

    T* at(std::size_t i) const { return ring_ + ((begin_ + i) & (capacity_ - 1)); }

    void grow() {
        const std::size_t larger = capacity_ == 0 ? kLeastCapacity : capacity_ * 2;
        T* const ring = std::allocator<T>{}.allocate(larger);
        for (std::size_t i = 0; i < size_; ++i) {
            std::construct_at(ring + i, std::move(*at(i)));
            std::destroy_at(at(i));
        }
        free_ring();
        ring_ = ring;
        capacity_ = larger;
        begin_ = 0;
    }
    void release() {
        free_ring();
        ring_ = nullptr;
        capacity_ = begin_ = 0;
    }
    void free_ring() {
        if (ring_ != nullptr) std::allocator<T>{}.deallocate(ring_, capacity_);
    }

    T* ring_ = nullptr;  // values only where the queue is
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t size_ = 0;
};

}  // namespace millrace
