// SPDX-License-Identifier: Apache-2.0
//
// The processor's instruction has a latency of three cycles and starts one a cycle, so long inputs
// are cut into three lanes that are computed side by side. Lanes are joined through what the register
// would be after a lane's length of zero bytes more, which is linear in the register: four look-ups.
#include "common/base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace millrace {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78u;  // reflected

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0u);
        table[i] = crc;
    }
    return table;
}
constexpr auto kTable = make_table();

std::uint32_t extend_by_table(std::uint32_t crc, const std::byte* p, std::size_t n) {
    for (; n > 0; --n, ++p) crc = (crc >> 8) ^ kTable[(crc ^ std::to_integer<std::uint32_t>(*p)) & 0xFF];
    return crc;
}

#if defined(__x86_64__)

// A linear map of registers: the images of the 32 single bits.
using LinearMap = std::array<std::uint32_t, 32>;

constexpr std::uint32_t image_of(const LinearMap& map, std::uint32_t crc) {
    std::uint32_t image = 0;
    for (std::size_t bit = 0; bit < 32; ++bit) {
        if ((crc >> bit & 1) != 0) image ^= map[bit];
    }
    return image;
}

// What a register becomes over 2^log2_bytes zero bytes.
constexpr LinearMap zeros_map(int log2_bytes) {
    LinearMap map{};
    for (std::size_t bit = 0; bit < 32; ++bit) {
        const std::uint32_t crc = std::uint32_t{1} << bit;
        map[bit] = (crc >> 8) ^ kTable[crc & 0xFF];
    }
    for (int doubled = 0; doubled < log2_bytes; ++doubled) {
        LinearMap twice{};
        for (std::size_t bit = 0; bit < 32; ++bit) twice[bit] = image_of(map, map[bit]);
        map = twice;
    }
    return map;
}

// The same map, by the register's bytes.
using ShiftTable = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr ShiftTable shift_table(int log2_bytes) {
    const LinearMap map = zeros_map(log2_bytes);
    ShiftTable table{};
    for (std::size_t part = 0; part < 4; ++part) {
        for (std::size_t value = 1; value < 256; ++value) {
            const std::size_t low = value & (value - 1);  // the value without its lowest bit
            std::size_t bit = 0;
            while ((value >> bit & 1) == 0) ++bit;
            table[part][value] = table[part][low] ^ map[8 * part + bit];
        }
    }
    return table;
}

std::uint32_t shifted(const ShiftTable& table, std::uint32_t crc) {
    return table[0][crc & 0xFF] ^ table[1][crc >> 8 & 0xFF] ^ table[2][crc >> 16 & 0xFF] ^ table[3][crc >> 24];
}

// Long enough that joining costs little, and a short form so that entries of a few KiB profit too.
constexpr int kLongLaneLog2 = 11;
constexpr int kShortLaneLog2 = 8;
constexpr ShiftTable kShiftLong = shift_table(kLongLaneLog2);
constexpr ShiftTable kShiftShort = shift_table(kShortLaneLog2);

std::uint64_t word_at(const std::byte* p) {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return word;
}

template <std::size_t LaneBytes>
__attribute__((target("sse4.2"))) std::uint32_t extend_by_lanes(std::uint32_t crc, const std::byte*& p, std::size_t& n,
                                                                const ShiftTable& shift) {
    while (n >= 3 * LaneBytes) {
        std::uint64_t first = crc;
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        for (std::size_t at = 0; at < LaneBytes; at += 8) {
            first = _mm_crc32_u64(first, word_at(p + at));
            second = _mm_crc32_u64(second, word_at(p + LaneBytes + at));
            third = _mm_crc32_u64(third, word_at(p + 2 * LaneBytes + at));
        }
        crc = shifted(shift, static_cast<std::uint32_t>(first)) ^ static_cast<std::uint32_t>(second);
        crc = shifted(shift, crc) ^ static_cast<std::uint32_t>(third);
        p += 3 * LaneBytes;
        n -= 3 * LaneBytes;
    }
    return crc;
}

__attribute__((target("sse4.2"))) std::uint32_t extend_by_hardware(std::uint32_t crc, const std::byte* p,
                                                                   std::size_t n) {
    crc = extend_by_lanes<(1 << kLongLaneLog2)>(crc, p, n, kShiftLong);
    crc = extend_by_lanes<(1 << kShortLaneLog2)>(crc, p, n, kShiftShort);
    std::uint64_t wide = crc;
    for (; n >= 8; n -= 8, p += 8) wide = _mm_crc32_u64(wide, word_at(p));
    crc = static_cast<std::uint32_t>(wide);
    for (; n > 0; --n, ++p) crc = _mm_crc32_u8(crc, std::to_integer<unsigned char>(*p));
    return crc;
}
const bool kHasHardware = __builtin_cpu_supports("sse4.2") != 0;

#else

constexpr bool kHasHardware = false;
std::uint32_t extend_by_hardware(std::uint32_t, const std::byte*, std::size_t) { MR_CHECK(false); }

#endif

}  // namespace

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
    return kHasHardware ? crc32c_by_hardware(bytes, seed) : crc32c_by_table(bytes, seed);
}

std::uint32_t crc32c_by_table(ByteView bytes, std::uint32_t seed) {
    return ~extend_by_table(~seed, bytes.data(), bytes.size());
}

bool crc32c_has_hardware() { return kHasHardware; }

std::uint32_t crc32c_by_hardware(ByteView bytes, std::uint32_t seed) {
    return ~extend_by_hardware(~seed, bytes.data(), bytes.size());
}

}  // namespace millrace
