// SPDX-License-Identifier: Apache-2.0
//
// How a stream scales and what of it is kept. Policies are stored with the stream and shown to every client; whether a server
// acts on them by itself depends on its version: this one truncates by the retention policy, and scales when it is told to.
#pragma once

#include <cstdint>

namespace millrace {

// When segments split and merge.
struct ScalingPolicy {
    enum class By : std::uint8_t { kHand, kEvents, kKibibytes };
    By by = By::kHand;
    // The rest counts unless by hand. What one segment should take in a second: 1 .. 2^31 - 1.
    std::int32_t target_rate = 0;
    // Into how many a busy segment is split at most: 1 .. 2^31 - 1.
    std::int32_t split_max = 0;
    bool operator==(const ScalingPolicy&) const = default;
};

// How much of the stream stays when a server truncates it by itself, once in a while: counted back from its end.
struct RetentionPolicy {
    enum class By : std::uint8_t { kNothing, kMilliseconds, kBytes };
    By by = By::kNothing;  // everything is kept
    // The rest counts unless by nothing. At least so much is kept, at most so much (0: no such bound; without both everything
    // is kept). What lies between the two goes as soon as it may; with `most` alone nothing goes before it must.
    std::int64_t least = 0;
    std::int64_t most = 0;
    bool operator==(const RetentionPolicy&) const = default;
};

struct StreamConfig {
    // Segments at creation, and the least that scaling keeps. 1 .. 10,000.
    std::int32_t min_segments = 1;
    ScalingPolicy scaling{};
    RetentionPolicy retention{};
    bool operator==(const StreamConfig&) const = default;
};

}  // namespace millrace
