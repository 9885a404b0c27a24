// SPDX-License-Identifier: Apache-2.0
//
// Bytes on the move. ByteView borrows; ByteBuffer owns and grows; Bytes shares: an immutable slice
// that keeps its backing memory alive, so that a payload travels from the socket's buffer to log,
// cache and readers without a copy. Slicing and copying a Bytes never copies its contents.
// Thread rule: distinct objects may be used from distinct threads, also when they share memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/check.h"

namespace millrace {

using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;

inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Leaves new elements uninitialised: growing a buffer must not write it first.
template <class T>
struct DefaultInitAllocator : std::allocator<T> {
    template <class U>
    struct rebind {
        using other = DefaultInitAllocator<U>;
    };
    template <class U>
    void construct(U* p) noexcept { ::new (static_cast<void*>(p)) U; }
    template <class U, class... Args>
    void construct(U* p, Args&&... args) { ::new (static_cast<void*>(p)) U(std::forward<Args>(args)...); }
};

// Owned, growing, contiguous. resize() leaves new bytes uninitialised.
class ByteBuffer : public std::vector<std::byte, DefaultInitAllocator<std::byte>> {
public:
    using vector::vector;

    void append(ByteView bytes) {
        const std::size_t old_size = size();
        resize(old_size + bytes.size());
        if (!bytes.empty()) std::memcpy(data() + old_size, bytes.data(), bytes.size());
    }
    ByteView view() const { return {data(), size()}; }
    MutableByteView mutable_view() { return {data(), size()}; }
};

// Shared, immutable slice.
class Bytes {
public:
    Bytes() = default;

    // Takes over a buffer.
    explicit Bytes(ByteBuffer buffer) {
        auto owner = std::make_shared<ByteBuffer>(std::move(buffer));
        view_ = owner->view();
        owner_ = std::move(owner);
    }
    // A slice of memory that `owner` keeps alive.
    Bytes(std::shared_ptr<const void> owner, ByteView view) : owner_{std::move(owner)}, view_{view} {}

    static Bytes copy_of(ByteView bytes) {
        ByteBuffer buffer;
        buffer.append(bytes);
        return Bytes{std::move(buffer)};
    }
    static Bytes copy_of(std::string_view text) { return copy_of(as_bytes(text)); }

    const std::byte* data() const { return view_.data(); }
    std::size_t size() const { return view_.size(); }
    bool empty() const { return view_.empty(); }
    ByteView view() const { return view_; }
    operator ByteView() const { return view_; }  // NOLINT(google-explicit-constructor)

    // REQUIRES: begin + length <= size().
    Bytes slice(std::size_t begin, std::size_t length) const {
        MR_CHECK(begin <= size() && length <= size() - begin);
        return Bytes{owner_, view_.subspan(begin, length)};
    }
    Bytes slice(std::size_t begin) const { return slice(begin, size() - begin); }

    friend bool operator==(const Bytes& a, const Bytes& b) {
        return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
    }

private:
    std::shared_ptr<const void> owner_;
    ByteView view_;
};

// "0a1bff", for messages and tests.
std::string to_hex(ByteView bytes);
// Ignores blanks. REQUIRES: an even number of hex digits (for tests and constants).
ByteBuffer from_hex(std::string_view hex);

}  // namespace millrace
