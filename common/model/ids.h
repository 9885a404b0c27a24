// SPDX-License-Identifier: Apache-2.0
//
// Identities that cross rooms.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/strong_id.h"

namespace millrace {

// A container owns the segments of some hash slots; one segment store serves it at a time. Its log
// has the same number. Range 0 .. containers-1.
using ContainerId = StrongId<std::uint32_t, struct ContainerIdTag>;

// Of a container and its log: rises with every change of owner, and at every restart.
using OwnerEpoch = StrongId<std::uint64_t, struct OwnerEpochTag>;

// Of a stream: rises with every scale. 0 for a new stream.
using StreamEpoch = StrongId<std::int32_t, struct StreamEpochTag>;

// 128 bits chosen by a client for each of its segment writers; opaque, not an RFC 4122 UUID.
struct WriterId {
    std::array<std::byte, 16> bytes{};

    auto operator<=>(const WriterId&) const = default;
    std::string to_string() const { return to_hex(bytes); }
};

// Which of a segment's attributes (numbers kept beside its bytes); chosen by clients, opaque.
struct AttributeId {
    std::array<std::byte, 16> bytes{};

    auto operator<=>(const AttributeId&) const = default;
    std::string to_string() const { return to_hex(bytes); }
};

// The number of a writer's event that no event has: "this writer has written nothing here yet".
inline constexpr std::int64_t kNoEventNumber = INT64_MIN;

}  // namespace millrace

template <>
struct std::hash<millrace::WriterId> {
    std::size_t operator()(const millrace::WriterId& id) const noexcept {
        std::size_t h;
        std::memcpy(&h, id.bytes.data() + 8, sizeof h);
        return h;
    }
};
template <>
struct std::hash<millrace::AttributeId> {
    std::size_t operator()(const millrace::AttributeId& id) const noexcept {
        std::uint64_t high;
        std::uint64_t low;
        std::memcpy(&high, id.bytes.data(), sizeof high);
        std::memcpy(&low, id.bytes.data() + 8, sizeof low);
        // Clients number theirs in either half.
        return static_cast<std::size_t>((high * 0x9E3779B97F4A7C15) ^ low);
    }
};
