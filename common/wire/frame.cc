// SPDX-License-Identifier: Apache-2.0
#include "common/wire/frame.h"

namespace millrace::wire {

std::string to_string(FrameType type) {
    switch (type) {
        case FrameType::kEvent: return "Event";
#define MR_WIRE_NAME(name, code, sender) \
    case FrameType::k##name: return #name;
            MR_WIRE_MESSAGES(MR_WIRE_NAME)
#undef MR_WIRE_NAME
    }
    return "frame type " + std::to_string(static_cast<std::int32_t>(type));
}

}  // namespace millrace::wire
