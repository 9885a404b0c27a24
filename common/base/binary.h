// SPDX-License-Identifier: Apache-2.0
//
// Checked readers and writers of fixed-width integers. The wire is big-endian, our files are
// little-endian; both come from one template. A reader never reads past its end: the first short
// read makes it fail() for good and every later read yields zero, so a decoder checks once.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

#include "common/base/bytes.h"

namespace millrace {

namespace detail {
template <std::unsigned_integral U>
constexpr U byte_swap(U v) {
    if constexpr (sizeof(U) == 1) return v;
    else if constexpr (sizeof(U) == 2) return __builtin_bswap16(v);
    else if constexpr (sizeof(U) == 4) return __builtin_bswap32(v);
    else return __builtin_bswap64(v);
}
template <std::endian Order, std::unsigned_integral U>
constexpr U in_order(U v) {
    return Order == std::endian::native ? v : byte_swap(v);
}
}  // namespace detail

template <std::endian Order>
class BinaryReader {
public:
    explicit BinaryReader(ByteView bytes) : rest_{bytes} {}

    std::uint8_t u8() { return integer<std::uint8_t>(); }
    std::uint16_t u16() { return integer<std::uint16_t>(); }
    std::uint32_t u32() { return integer<std::uint32_t>(); }
    std::uint64_t u64() { return integer<std::uint64_t>(); }
    std::int8_t i8() { return static_cast<std::int8_t>(u8()); }
    std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
    std::int64_t i64() { return static_cast<std::int64_t>(u64()); }

    // The next `count` bytes, borrowed; empty after a failure.
    ByteView bytes(std::size_t count) {
        if (count > rest_.size()) {
            fail();
            return {};
        }
        const ByteView taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }
    ByteView rest() { return bytes(rest_.size()); }

    std::size_t remaining() const { return rest_.size(); }
    bool failed() const { return failed_; }
    void fail() {
        failed_ = true;
        rest_ = {};
    }

private:
    template <std::unsigned_integral U>
    U integer() {
        const ByteView raw = bytes(sizeof(U));
        if (raw.empty()) return 0;
        U v;
        std::memcpy(&v, raw.data(), sizeof v);
        return detail::in_order<Order>(v);
    }

    ByteView rest_;
    bool failed_ = false;
};

template <std::endian Order>
class BinaryWriter {
public:
    explicit BinaryWriter(ByteBuffer& out) : out_{out} {}

    void u8(std::uint8_t v) { integer(v); }
    void u16(std::uint16_t v) { integer(v); }
    void u32(std::uint32_t v) { integer(v); }
    void u64(std::uint64_t v) { integer(v); }
    void i8(std::int8_t v) { integer(static_cast<std::uint8_t>(v)); }
    void i32(std::int32_t v) { integer(static_cast<std::uint32_t>(v)); }
    void i64(std::int64_t v) { integer(static_cast<std::uint64_t>(v)); }
    void bytes(ByteView v) { out_.append(v); }

    std::size_t size() const { return out_.size(); }
    // Overwrites four bytes written before, for lengths and checksums known only at the end.
    void patch_u32(std::size_t at, std::uint32_t v) {
        MR_CHECK(out_.size() >= 4 && at <= out_.size() - 4);
        v = detail::in_order<Order>(v);
        std::memcpy(out_.data() + at, &v, sizeof v);
    }

private:
    template <std::unsigned_integral U>
    void integer(U v) {
        v = detail::in_order<Order>(v);
        out_.append(ByteView{reinterpret_cast<const std::byte*>(&v), sizeof v});
    }

    ByteBuffer& out_;
};

using BigEndianReader = BinaryReader<std::endian::big>;
using BigEndianWriter = BinaryWriter<std::endian::big>;
using LittleEndianReader = BinaryReader<std::endian::little>;
using LittleEndianWriter = BinaryWriter<std::endian::little>;

}  // namespace millrace
