// SPDX-License-Identifier: Apache-2.0
//
// Numbers that must not be mixed up: an LSN cannot pass for an offset. A StrongId compares, hashes
// and prints; arithmetic is spelled out by whoever knows what it means, with next() for the usual.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace millrace {

template <class Number, class Tag>
class StrongId {
public:
    using number_type = Number;

    constexpr StrongId() = default;
    constexpr explicit StrongId(Number number) : number_{number} {}

    constexpr Number number() const { return number_; }
    constexpr auto operator<=>(const StrongId&) const = default;

private:
    Number number_{};
};

template <class Number, class Tag>
constexpr StrongId<Number, Tag> next(StrongId<Number, Tag> id) {
    return StrongId<Number, Tag>{static_cast<Number>(id.number() + 1)};
}

template <class Number, class Tag>
std::string to_string(StrongId<Number, Tag> id) {
    return std::to_string(id.number());
}

}  // namespace millrace

template <class Number, class Tag>
struct std::hash<millrace::StrongId<Number, Tag>> {
    std::size_t operator()(millrace::StrongId<Number, Tag> id) const noexcept {
        return std::hash<Number>{}(id.number());
    }
};
