// SPDX-License-Identifier: Apache-2.0
//
// Names of scopes, streams and segments, and how they are spelled (docs/protocol/names.md).
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/ids.h"

namespace millrace {

// A stream segment's 64-bit id: (epoch it was created in << 32) | number. Ids order by age.
struct SegmentId {
    std::int64_t value = 0;

    static SegmentId of(std::int32_t number, StreamEpoch epoch) {
        return {static_cast<std::int64_t>((static_cast<std::uint64_t>(static_cast<std::uint32_t>(epoch.number())) << 32) |
                                          static_cast<std::uint32_t>(number))};
    }
    std::int32_t number() const { return static_cast<std::int32_t>(value & 0xFFFFFFFF); }
    StreamEpoch epoch() const { return StreamEpoch{static_cast<std::int32_t>(value >> 32)}; }
    auto operator<=>(const SegmentId&) const = default;
};

struct StreamName {
    std::string scope;
    std::string stream;

    std::string to_string() const { return scope + "/" + stream; }
    auto operator<=>(const StreamName&) const = default;

    // "scope/stream"; both parts are checked as user names. kInvalidArgument says what is wrong.
    static Result<StreamName> parse(std::string_view text);
};

inline constexpr std::size_t kMaxUserNameBytes = 250;
inline constexpr std::size_t kMaxInternalNameBytes = 255;
// No name of a segment that we or a client make up comes near: two internal names, two numbers and
// two suffixes with ids.
inline constexpr std::size_t kMaxSegmentNameBytes = 1024;

// 1..255 characters of [A-Za-z0-9.-]; a user name has at most 250, an internal one may start with
// one '_' (such as _RG..., _MARK..., _system). kInvalidArgument names `what` and the culprit.
Result<void> check_user_name(std::string_view what, std::string_view name);
Result<void> check_internal_name(std::string_view what, std::string_view name);

// "<scope>/<stream>/<number>.#epoch.<epoch>"
std::string segment_name(const StreamName& stream, SegmentId segment);

struct ParsedSegmentName {
    StreamName stream;
    SegmentId segment;
};
// The inverse; also accepts the old form without ".#epoch." (epoch 0).
Result<ParsedSegmentName> parse_segment_name(std::string_view name);

// The name all epochs, transactions and transients of one segment number share: suffixes
// "#transaction.<>=32 chars>", "#transient.<>=32 chars>" and ".#epoch.<n>" cut off.
std::string_view container_hash_key(std::string_view segment_name);

inline constexpr std::uint32_t kHashSlots = 4096;

// 0 .. kHashSlots-1, the same for every name with the same container_hash_key().
std::uint32_t hash_slot_of(std::string_view segment_name);

// The container of a segment: its hash slot, spread over `containers` in runs of neighbours.
// REQUIRES: 1 <= containers <= kHashSlots.
ContainerId container_of(std::string_view segment_name, std::uint32_t containers);

}  // namespace millrace

template <>
struct std::hash<millrace::SegmentId> {
    std::size_t operator()(millrace::SegmentId id) const noexcept { return std::hash<std::int64_t>{}(id.value); }
};
