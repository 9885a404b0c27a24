// SPDX-License-Identifier: Apache-2.0
//
// Where a routing key lies in [0, 1). Every client must agree to the bit, or the order of a key is
// lost: MurmurHash3_x64_128 over the key as UTF-16LE (docs/protocol/routing.md has the vectors).
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/bytes.h"

namespace millrace {

// First 64-bit word of MurmurHash3_x64_128; `seed` is sign-extended into both halves of the state.
std::uint64_t murmur3_x64_128(ByteView bytes, std::int32_t seed);

// Of the UTF-16LE form of a UTF-8 text; each invalid byte counts as U+FFFD. Never allocates.
std::uint64_t murmur3_of_utf16(std::string_view text, std::int32_t seed);

// What every client mixes into the hash of routing keys.
inline constexpr std::int32_t kRoutingKeySeed = 1'741'865'571;

inline std::uint64_t routing_key_hash(std::string_view key) { return murmur3_of_utf16(key, kRoutingKeySeed); }

// The top 52 bits as a fraction: 0.0 <= result < 1.0.
double position_of_hash(std::uint64_t hash);

inline double routing_position(std::string_view key) { return position_of_hash(routing_key_hash(key)); }

// Of the primary key of a key-value table, whose bytes are hashed as they are. The seed is negative,
// and most other implementations of the hash would not extend its sign.
inline constexpr std::int32_t kTableKeySeed = -2'020'233'499;

inline double table_key_position(ByteView primary_key) {
    return position_of_hash(murmur3_x64_128(primary_key, kTableKeySeed));
}

}  // namespace millrace
