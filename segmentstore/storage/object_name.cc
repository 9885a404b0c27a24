// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/storage/object_name.h"

#include <optional>

namespace millrace::storage {

namespace {

constexpr std::size_t kContainerDigits = 8;
constexpr std::size_t kNumberDigits = 16;
constexpr std::size_t kNameBytes = kContainerDigits + 1 + kNumberDigits + 1 + kNumberDigits;

std::string to_digits(std::uint64_t number, std::size_t digits) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text(digits, '0');
    for (std::size_t i = 0; i < digits; ++i) text[digits - 1 - i] = kDigits[(number >> (4 * i)) & 15];
    return text;
}

std::optional<std::uint64_t> from_digits(std::string_view text) {
    std::uint64_t number = 0;
    for (const char c : text) {
        const bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
        number = number << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
    }
    return number;
}

}  // namespace

std::string ObjectName::to_string() const {
    return to_digits(container.number(), kContainerDigits) + "/" + to_digits(epoch.number(), kNumberDigits) + "/" +
           to_digits(sequence, kNumberDigits);
}

Result<ObjectName> ObjectName::parse(std::string_view text) {
    const Error wrong{ErrorCode::kInvalidArgument, "'" + std::string{text.substr(0, 64)} +
                                                       "' is not the name of an object: container/epoch/sequence in 8, 16 "
                                                       "and 16 hex digits"};
    if (text.size() != kNameBytes || text[kContainerDigits] != '/' || text[kContainerDigits + 1 + kNumberDigits] != '/') {
        return wrong;
    }
    const auto container = from_digits(text.substr(0, kContainerDigits));
    const auto epoch = from_digits(text.substr(kContainerDigits + 1, kNumberDigits));
    const auto sequence = from_digits(text.substr(kContainerDigits + kNumberDigits + 2));
    if (!container || !epoch || !sequence) return wrong;
    return ObjectName{ContainerId{static_cast<std::uint32_t>(*container)}, OwnerEpoch{*epoch}, *sequence};
}

}  // namespace millrace::storage
