// SPDX-License-Identifier: Apache-2.0
//
// Reads of one segment that are asked for before their turn, so that the segment store fetches what comes next while what came
// last travels and is looked at. For segments that are being caught up with only: a read behind the end of a segment waits until
// it has grown so far, and is dropped then.
// Thread rule: executor-confined.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>

#include "common/runtime/signal.h"
#include "common/wire/messages.h"

namespace millrace::client {

class Prefetch {
public:
    struct Read {
        const std::int64_t offset;
        const std::int64_t length;
        OneShot<Result<wire::Message>> reply{};
    };
    using ReadPtr = std::shared_ptr<Read>;

    // The read of these bytes, if it was asked for. Reads of other places are dropped: something before them was shorter than
    // asked for.
    ReadPtr take(std::int64_t offset);
    // How many reads may still be asked for when `depth` may be under way; those that were dropped are, until they are answered.
    std::size_t room(std::size_t depth) const { return depth - std::min(depth, under_way_); }
    // Where the next one begins, if the read in turn ends at `end`.
    std::int64_t next_offset(std::int64_t end) const { return reads_.empty() ? end : reads_.back()->offset + reads_.back()->length; }
    ReadPtr ask(std::int64_t offset, std::int64_t length);
    void answer(Read& read, Result<wire::Message> reply);

private:
    std::deque<ReadPtr> reads_;  // one behind the other
    std::size_t under_way_ = 0;
};

}  // namespace millrace::client
