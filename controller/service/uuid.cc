// SPDX-License-Identifier: Apache-2.0
#include "controller/service/uuid.h"

#include "common/base/bytes.h"
#include "common/base/check.h"

namespace millrace::controller::service {

namespace {

bool is_dash_place(std::size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::optional<std::string> parse_uuid(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    std::string bytes;
    int high = -1;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (is_dash_place(at)) {
            if (text[at] != '-') return std::nullopt;
            continue;
        }
        const int digit = hex_value(text[at]);
        if (digit < 0) return std::nullopt;
        if (high < 0) {
            high = digit;
        } else {
            bytes.push_back(static_cast<char>(high * 16 + digit));
            high = -1;
        }
    }
    return bytes;
}

std::string random_uuid(Random& random) {
    std::array<std::byte, kUuidBytes> bytes{};
    random.fill(bytes);
    bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x40};
    bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
    return std::string{as_text(bytes)};
}

std::string uuid_text(std::string_view bytes) {
    MR_CHECK(bytes.size() == kUuidBytes);
    std::string text = to_hex(as_bytes(bytes));
    for (const std::size_t at : {8, 13, 18, 23}) text.insert(at, 1, '-');
    return text;
}

}  // namespace millrace::controller::service
