// SPDX-License-Identifier: Apache-2.0
#include "common/base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace millrace {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
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
__attribute__((target("sse4.2"))) std::uint32_t extend_by_hardware(std::uint32_t crc, const std::byte* p,
                                                                   std::size_t n) {
    std::uint64_t wide = crc;
    for (; n >= 8; n -= 8, p += 8) {
        std::uint64_t word;
        std::memcpy(&word, p, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = static_cast<std::uint32_t>(wide);
    for (; n > 0; --n, ++p) crc = _mm_crc32_u8(crc, std::to_integer<unsigned char>(*p));
    return crc;
}
const bool kHasHardware = __builtin_cpu_supports("sse4.2") != 0;
#endif

}  // namespace

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
    std::uint32_t crc = ~seed;
#if defined(__x86_64__)
    if (kHasHardware) return ~extend_by_hardware(crc, bytes.data(), bytes.size());
#endif
    return ~extend_by_table(crc, bytes.data(), bytes.size());
}

}  // namespace millrace
