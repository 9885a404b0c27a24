// SPDX-License-Identifier: Apache-2.0
//
// For tests: which gaps between the steps of tiering owners died in, or were replaced in.
#pragma once

#include <array>
#include <cstdint>

#include "segmentstore/container/container.h"

namespace millrace::container {

struct TieringGaps {
    static constexpr std::size_t kSteps = 8;  // of TieringStep

    // By the step that was the last to be done.
    std::array<std::uint64_t, kSteps> crashed{};
    std::array<std::uint64_t, kSteps> replaced{};

    // Probes as well, so call it in a step of a simulated world.
    void note_crash(TieringStep after);
    void note_replacement(TieringStep after);
    TieringGaps& operator+=(const TieringGaps& other);
};

}  // namespace millrace::container
