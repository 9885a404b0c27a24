// SPDX-License-Identifier: Apache-2.0
//
// What a stream can be doing, and how clients learn that a scale is over. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/model/ids.h"

namespace millrace::controller::stream {

enum class State : std::uint8_t {
    kUnknown,
    kCreating,
    kActive,
    kScaling,
    kTruncating,
    kCommitting,
    kUpdating,
    kSealing,
    kSealed,
};

std::string_view to_string(State state);

// One structural operation at a time: everything but the way to SEALED leads back to ACTIVE.
bool can_become(State from, State to);

enum class ScaleStatus : std::uint8_t { kInProgress, kSuccess, kInvalidInput };

// Whether the stream has left `polled`, the epoch that a scale was answered with. `transition` is the
// epoch that a running scale leads to, if one runs.
ScaleStatus scale_status(std::int32_t polled, StreamEpoch active, StreamEpoch reference, State state,
                         std::optional<StreamEpoch> transition);

}  // namespace millrace::controller::stream
