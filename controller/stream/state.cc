// SPDX-License-Identifier: Apache-2.0
#include "controller/stream/state.h"

namespace millrace::controller::stream {

std::string_view to_string(State state) {
    switch (state) {
        case State::kUnknown: return "unknown";
        case State::kCreating: return "creating";
        case State::kActive: return "active";
        case State::kScaling: return "scaling";
        case State::kTruncating: return "truncating";
        case State::kCommitting: return "committing";
        case State::kUpdating: return "updating";
        case State::kSealing: return "sealing";
        case State::kSealed: return "sealed";
    }
    return "unknown";
}

bool can_become(State from, State to) {
    if (from == to) return true;
    switch (from) {
        case State::kUnknown: return to == State::kCreating;
        case State::kCreating: return to == State::kActive;
        case State::kActive:
            return to == State::kScaling || to == State::kTruncating || to == State::kCommitting ||
                   to == State::kUpdating || to == State::kSealing || to == State::kSealed;
        case State::kScaling:
        case State::kTruncating:
        case State::kCommitting:
        case State::kUpdating: return to == State::kActive;
        case State::kSealing: return to == State::kSealed;
        case State::kSealed: return false;
    }
    return false;
}

ScaleStatus scale_status(std::int32_t polled, StreamEpoch active, StreamEpoch reference, State state,
                         std::optional<StreamEpoch> transition) {
    const std::int32_t a = active.number();
    const std::int32_t r = reference.number();
    if (polled > a) return ScaleStatus::kInvalidInput;
    if (a == polled || r == polled) return ScaleStatus::kInProgress;
    if (polled + 1 == r && state == State::kScaling && (!transition || *transition == active)) {
        return ScaleStatus::kInProgress;
    }
    return ScaleStatus::kSuccess;
}

}  // namespace millrace::controller::stream
