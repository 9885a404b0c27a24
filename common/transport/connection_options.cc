// SPDX-License-Identifier: Apache-2.0
#include "common/transport/connection_options.h"

namespace millrace::transport {

std::string_view to_string(EndReason reason) {
    switch (reason) {
        case EndReason::kClosedHere: return "closed_here";
        case EndReason::kByOwner: return "by_owner";
        case EndReason::kPeerEnded: return "peer_ended";
        case EndReason::kPeerEndedInFrame: return "peer_ended_in_frame";
        case EndReason::kBroken: return "broken";
        case EndReason::kBadLength: return "bad_length";
        case EndReason::kNothingCame: return "nothing_came";
        case EndReason::kFrameStalled: return "frame_stalled";
        case EndReason::kWriteStalled: return "write_stalled";
        case EndReason::kSendQueueFull: return "send_queue_full";
        case EndReason::kSilent: return "silent";
        case EndReason::kNoMemory: return "no_memory";
        case EndReason::kTooSlowForMemory: return "too_slow_for_memory";
    }
    return "unknown";
}

}  // namespace millrace::transport
