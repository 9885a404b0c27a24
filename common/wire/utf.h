// SPDX-License-Identifier: Apache-2.0
//
// Strings on the wire: a 16-bit count of bytes, then "modified UTF-8", in which NUL takes two bytes
// and a character beyond U+FFFF is a pair of surrogates of three bytes each (docs/protocol/wire.md).
// Inside, strings are UTF-8. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/bytes.h"

namespace millrace::wire {

inline constexpr std::size_t kMaxUtfBytes = 65'535;

// No more than this is written by encode_utf(), its count included. An invalid byte grows the most:
// to the three of U+FFFD.
inline std::size_t utf_size_bound(std::string_view text) {
    return 2 + (text.size() < kMaxUtfBytes / 3 ? text.size() * 3 : kMaxUtfBytes);
}

// Writes count and bytes, cut after the last character that fits, and returns the end.
// REQUIRES: utf_size_bound(text) bytes of room.
std::byte* encode_utf(std::string_view text, std::byte* out);

// `bytes` without the count. False if a byte cannot stand where it does. Takes the four-byte forms
// of ordinary UTF-8 too, because some clients send them.
bool decode_utf(ByteView bytes, std::string& text);

}  // namespace millrace::wire
