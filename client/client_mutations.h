// SPDX-License-Identifier: Apache-2.0
//
// Rules of the client that tests break, one at a time, to see that the simulator notices.
#pragma once

namespace millrace::client {

// Only tests set any of these.
struct ClientMutations {
    bool resend_without_asking = false;     // after a reconnect everything unacknowledged goes again, as if it were new
    bool acknowledge_when_sent = false;     // events count as stored before the segment store has replied
    bool forget_order_on_split = false;     // successors get what was sent last before what was sent first
    bool begin_successors_early = false;    // a segment is read when one of its predecessors has been
    bool forget_segments_early = false;     // positions drop a segment as soon as it has been read
};

}  // namespace millrace::client
