// SPDX-License-Identifier: Apache-2.0
//
// xoshiro256** 1.0 and splitmix64, after Blackman and Vigna, "Scrambled linear pseudorandom number
// generators" (both published for any use).
#include "common/runtime/random.h"

#include <bit>
#include <cstring>

namespace millrace {

std::uint64_t Random::between(std::uint64_t low, std::uint64_t high) {
    MR_CHECK(low < high);
    const std::uint64_t last = high - low - 1;
    if (last == 0) return low;
    // As few top bits as can hold `last`, drawn again while above it: exact, and below two draws on
    // average.
    const int shift = std::countl_zero(last);
    for (;;) {
        const std::uint64_t drawn = next() >> shift;
        if (drawn <= last) return low + drawn;
    }
}

double Random::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

void Random::fill(MutableByteView bytes) {
    while (!bytes.empty()) {
        std::uint64_t drawn = next();
        const std::size_t take = std::min<std::size_t>(bytes.size(), sizeof drawn);
        for (std::size_t i = 0; i < take; ++i, drawn >>= 8) bytes[i] = static_cast<std::byte>(drawn & 0xff);
        bytes = bytes.subspan(take);
    }
}

SeededRandom::SeededRandom(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
        seed += 0x9e3779b97f4a7c15;
        std::uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        word = z ^ (z >> 31);
    }
}

std::uint64_t SeededRandom::next() {
    const std::uint64_t drawn = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return drawn;
}

}  // namespace millrace
