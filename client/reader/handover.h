// SPDX-License-Identifier: Apache-2.0
//
// What fetchers have read, on its way to the application's thread: a queue of runs of whole events
// and of marks between them, and how much of it each segment has.
// Thread rule: any thread. The executor's side pushes, one consumer takes.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "client/bridge/mutex.h"
#include "common/base/bytes.h"
#include "common/base/error.h"
#include "common/model/segment_name.h"

namespace millrace::client {

// What one segment has read ahead.
struct ReadAhead {
    std::size_t bytes = 0;  // guarded by the handover's mutex
    bool full = false;      // as well: its fetcher waits
};

// Whole framed events, one after the other.
struct EventRun {
    SegmentId segment;
    std::int64_t offset = 0;  // of the first byte
    Bytes data;
    std::shared_ptr<ReadAhead> read_ahead;
};
// Everything of these segments has been handed over before this; a position names others now.
struct PositionChange {
    std::vector<SegmentId> forget;
    std::vector<std::pair<SegmentId, std::int64_t>> set;
};
// Told once, in its place. `final`: nothing follows.
struct Failure {
    Error error;
    bool final = false;
};
struct EndOfStream {};

using Handed = std::variant<EventRun, PositionChange, Failure, EndOfStream>;

class Handover {
public:
    // `arrived` is called after each push, on the pushing thread.
    explicit Handover(std::function<void()> arrived) : arrived_{std::move(arrived)} {}

    void push(Handed item);
    // Whether the segment may read on; if not, consumed() will say when.
    bool may_read(ReadAhead& read_ahead, std::size_t limit);

    // The consumer is done with this much. True when the fetcher waits and may go on.
    bool consumed(ReadAhead& read_ahead, std::size_t bytes);
    // Everything there is; empty when there is nothing (after waiting up to `wait`).
    std::deque<Handed> take(std::chrono::nanoseconds wait);

private:
    const std::function<void()> arrived_;
    Mutex mutex_;
    Condition filled_;
    bool waiting_ MR_GUARDED_BY(mutex_) = false;
    std::deque<Handed> items_ MR_GUARDED_BY(mutex_);
};

}  // namespace millrace::client
