// SPDX-License-Identifier: Apache-2.0
//
// Log lines about what strangers can cause as often as they like: some each period, the rest counted.
// Thread rule: one executor.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "common/runtime/clock.h"

namespace millrace::segmentstore {

class RateLimit {
public:
    static constexpr std::uint32_t kLinesPerPeriod = 10;
    static constexpr std::chrono::seconds kPeriod{10};

    explicit RateLimit(const Clock& clock) : clock_{clock} {}

    // Whether to write a line now; then how many were dropped since the last one.
    std::optional<std::uint64_t> line() {
        const MonotonicTime now = clock_.now();
        if (!period_began_ || now - *period_began_ >= kPeriod) {
            period_began_ = now;
            lines_ = 0;
        }
        if (lines_ >= kLinesPerPeriod) {
            ++dropped_;
            return std::nullopt;
        }
        ++lines_;
        const std::uint64_t dropped = dropped_;
        dropped_ = 0;
        return dropped;
    }

private:
    const Clock& clock_;
    std::optional<MonotonicTime> period_began_;
    std::uint32_t lines_ = 0;
    std::uint64_t dropped_ = 0;
};

}  // namespace millrace::segmentstore
