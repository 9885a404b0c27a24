// SPDX-License-Identifier: Apache-2.0
#include "common/base/bytes.h"

namespace millrace {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::string to_hex(ByteView bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const std::byte b : bytes) {
        text.push_back(kDigits[std::to_integer<unsigned>(b) >> 4]);
        text.push_back(kDigits[std::to_integer<unsigned>(b) & 15]);
    }
    return text;
}

ByteBuffer from_hex(std::string_view hex) {
    ByteBuffer bytes;
    int high = -1;
    for (const char c : hex) {
        if (c == ' ' || c == '\n' || c == '|') continue;
        const int digit = hex_digit(c);
        MR_CHECK(digit >= 0);
        if (high < 0) {
            high = digit;
        } else {
            bytes.push_back(static_cast<std::byte>(high * 16 + digit));
            high = -1;
        }
    }
    MR_CHECK(high < 0);
    return bytes;
}

}  // namespace millrace
