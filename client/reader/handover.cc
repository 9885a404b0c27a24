// SPDX-License-Identifier: Apache-2.0
//
// The queue between fetchers and consumer.
#include "client/reader/handover.h"

namespace millrace::client {

void Handover::push(Handed item) {
    {
        const MutexLock lock{mutex_};
        if (const auto* run = std::get_if<EventRun>(&item)) run->read_ahead->bytes += run->data.size();
        items_.push_back(std::move(item));
        if (waiting_) filled_.notify_all();
    }
    if (arrived_) arrived_();
}

bool Handover::may_read(ReadAhead& read_ahead, std::size_t limit) {
    const MutexLock lock{mutex_};
    read_ahead.full = read_ahead.bytes >= limit;
    return !read_ahead.full;
}

bool Handover::consumed(ReadAhead& read_ahead, std::size_t bytes) {
    const MutexLock lock{mutex_};
    read_ahead.bytes -= bytes;
    return std::exchange(read_ahead.full, false);
}

std::deque<Handed> Handover::take(std::chrono::nanoseconds wait) {
    const MutexLock lock{mutex_};
    if (items_.empty() && wait.count() > 0) {
        waiting_ = true;
        filled_.wait_for(mutex_, wait);
        waiting_ = false;
    }
    return std::exchange(items_, {});
}

}  // namespace millrace::client
