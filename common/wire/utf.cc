// SPDX-License-Identifier: Apache-2.0
#include "common/wire/utf.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "common/model/utf8.h"

namespace millrace::wire {
namespace {

// 0x01 .. 0x7F: the bytes that mean themselves in both encodings.
bool is_plain(char c) { return static_cast<signed char>(c) > 0; }

bool all_plain(std::string_view text) {
    std::size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
        std::uint64_t eight;
        std::memcpy(&eight, text.data() + i, sizeof eight);
        // Bytes of 1 .. 7F have no high bit, nor does any after subtracting 1; only a 0 borrows.
        if (((eight | (eight - 0x0101010101010101)) & 0x8080808080808080) != 0) return false;
    }
    return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(), is_plain);
}

std::byte* put_three(std::uint32_t unit, std::byte* out) {
    *out++ = static_cast<std::byte>(0xE0 | (unit >> 12));
    *out++ = static_cast<std::byte>(0x80 | ((unit >> 6) & 0x3F));
    *out++ = static_cast<std::byte>(0x80 | (unit & 0x3F));
    return out;
}

std::size_t modified_size(char32_t c) {
    if (c == 0) return 2;
    if (c < 0x80) return 1;
    if (c < 0x800) return 2;
    return c < 0x10000 ? 3 : 6;
}

std::byte* put_modified(char32_t c, std::byte* out) {
    if (c != 0 && c < 0x80) {
        *out++ = static_cast<std::byte>(c);
        return out;
    }
    if (c < 0x800) {
        *out++ = static_cast<std::byte>(0xC0 | (c >> 6));
        *out++ = static_cast<std::byte>(0x80 | (c & 0x3F));
        return out;
    }
    if (c < 0x10000) return put_three(c, out);
    out = put_three(0xD800 + ((c - 0x10000) >> 10), out);
    return put_three(0xDC00 + ((c - 0x10000) & 0x3FF), out);
}

void append_utf8(char32_t c, std::string& text) {
    if (c < 0x80) {
        text += static_cast<char>(c);
        return;
    }
    if (c < 0x800) {
        text += static_cast<char>(0xC0 | (c >> 6));
    } else {
        if (c < 0x10000) {
            text += static_cast<char>(0xE0 | (c >> 12));
        } else {
            text += static_cast<char>(0xF0 | (c >> 18));
            text += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
        }
        text += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    }
    text += static_cast<char>(0x80 | (c & 0x3F));
}

// The unit of two or three bytes at `at`, or -1. Overlong spellings are taken for what they mean:
// NUL is one, and other senders do not check the rest.
std::int32_t unit_at(std::string_view bytes, std::size_t at, std::size_t count) {
    if (count > bytes.size() - at) return -1;
    std::int32_t unit = static_cast<unsigned char>(bytes[at]) & (count == 2 ? 0x1F : 0x0F);
    for (std::size_t i = 1; i < count; ++i) {
        const auto next = static_cast<unsigned char>(bytes[at + i]);
        if ((next & 0xC0) != 0x80) return -1;
        unit = (unit << 6) | (next & 0x3F);
    }
    return unit;
}

bool is_high_surrogate(std::int32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low_surrogate(std::int32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

}  // namespace

std::byte* encode_utf(std::string_view text, std::byte* out) {
    std::byte* const count_at = out;
    out += 2;
    if (all_plain(text)) {
        const std::size_t size = std::min(text.size(), kMaxUtfBytes);
        if (size != 0) std::memcpy(out, text.data(), size);
        out += size;
    } else {
        for (std::size_t at = 0; at < text.size();) {
            const CodePoint c = code_point_at(text, at);
            if (static_cast<std::size_t>(out - count_at) - 2 + modified_size(c.value) > kMaxUtfBytes) break;
            out = put_modified(c.value, out);
            at += c.bytes;
        }
    }
    const std::size_t size = static_cast<std::size_t>(out - count_at) - 2;
    count_at[0] = static_cast<std::byte>(size >> 8);
    count_at[1] = static_cast<std::byte>(size & 0xFF);
    return out;
}

bool decode_utf(ByteView bytes, std::string& text) {
    const std::string_view in = as_text(bytes);
    if (all_plain(in)) {
        text.assign(in);
        return true;
    }
    text.clear();
    text.reserve(in.size());
    std::size_t at = 0;
    while (at < in.size()) {
        const auto lead = static_cast<unsigned char>(in[at]);
        if (lead < 0x80) {
            text += in[at++];
        } else if ((lead & 0xE0) == 0xC0) {
            const std::int32_t unit = unit_at(in, at, 2);
            if (unit < 0) return false;
            append_utf8(static_cast<char32_t>(unit), text);
            at += 2;
        } else if ((lead & 0xF0) == 0xE0) {
            const std::int32_t unit = unit_at(in, at, 3);
            if (unit < 0) return false;
            at += 3;
            if (is_high_surrogate(unit) && at < in.size() && static_cast<unsigned char>(in[at]) == 0xED) {
                const std::int32_t low = unit_at(in, at, 3);
                if (is_low_surrogate(low)) {
                    append_utf8(static_cast<char32_t>(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)), text);
                    at += 3;
                    continue;
                }
            }
            const bool half = is_high_surrogate(unit) || is_low_surrogate(unit);
            append_utf8(half ? kReplacementCharacter : static_cast<char32_t>(unit), text);
        } else {
            const CodePoint c = code_point_at(in, at);
            if (c.bytes != 4) return false;
            text.append(in.substr(at, 4));
            at += 4;
        }
    }
    return true;
}

}  // namespace millrace::wire
