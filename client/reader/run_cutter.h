// SPDX-License-Identifier: Apache-2.0
//
// Cuts what is read of a segment into runs of whole events. Events that lie wholly in one piece stay
// where they are; one that spans pieces is copied together.
// Thread rule: one owner at a time.
#pragma once

#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/wire/event.h"

namespace millrace::client {

// Other clients can write events larger than ours may; beyond this it is no event.
inline constexpr std::size_t kMaxReadEventBytes = 256 * 1024 * 1024;

// The whole size of the framed event that begins with `header`: kCorrupt when none does.
// REQUIRES: header.size() >= wire::kEventHeaderBytes.
Result<std::size_t> framed_event_bytes(ByteView header);

class RunCutter {
public:
    // Adds runs in order; nothing when no event is complete yet.
    Result<void> feed(Bytes piece, std::vector<Bytes>& runs);
    // Bytes of an event that is not complete.
    std::size_t pending_bytes() const { return pending_.size(); }
    void reset() { pending_.clear(); }

private:
    ByteBuffer pending_;
};

}  // namespace millrace::client
