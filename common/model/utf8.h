// SPDX-License-Identifier: Apache-2.0
//
// One code point after another out of UTF-8 that nobody vouches for. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace millrace {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct CodePoint {
    char32_t value;
    std::size_t bytes;  // that it takes in the text, at least 1
};

// The code point that starts at text[at]; {U+FFFD, 1} where none does (a stray, missing or overlong
// byte, a surrogate, above U+10FFFF). REQUIRES: at < text.size().
inline CodePoint code_point_at(std::string_view text, std::size_t at) {
    constexpr CodePoint kInvalid{kReplacementCharacter, 1};
    const auto lead = static_cast<unsigned char>(text[at]);
    std::size_t count;
    char32_t value;
    char32_t least;
    if (lead < 0x80) {
        return {lead, 1};
    } else if ((lead & 0xE0) == 0xC0) {
        count = 2, value = lead & 0x1F, least = 0x80;
    } else if ((lead & 0xF0) == 0xE0) {
        count = 3, value = lead & 0x0F, least = 0x800;
    } else if ((lead & 0xF8) == 0xF0) {
        count = 4, value = lead & 0x07, least = 0x10000;
    } else {
        return kInvalid;
    }
    if (count > text.size() - at) return kInvalid;
    for (std::size_t i = 1; i < count; ++i) {
        const auto next = static_cast<unsigned char>(text[at + i]);
        if ((next & 0xC0) != 0x80) return kInvalid;
        value = (value << 6) | (next & 0x3F);
    }
    if (value < least || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return kInvalid;
    return {value, count};
}

}  // namespace millrace
