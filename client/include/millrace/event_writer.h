// SPDX-License-Identifier: Apache-2.0
//
// Writes events to a stream: durable when acknowledged, stored exactly once whatever reconnects,
// restarts or scales, and in order per routing key.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "common/base/result.h"

namespace millrace {

// An event's payload is 0 .. kMaxEventBytes.
inline constexpr std::size_t kMaxEventBytes = 8 * 1024 * 1024;

struct WriterOptions {
    // Bytes of events not yet acknowledged, with what else is kept of each: 16, and 40 more for a callback beside what that one
    // holds by itself. write() waits at this bound. 1 MiB .. 4 GiB; one event may exceed what is left.
    std::size_t memory_bytes = 64 * 1024 * 1024;
};

class EventWriter {
public:
    // Called once per event that was taken, on the client's thread, in order per routing key; must not block.
    // It may call write() (which then never waits: see below), but not write_and_wait(), flush() or close().
    // Errors: of fate kNotApplied the event is certainly not in the stream; of kUnknown it may be.
    //   kSealed       the stream was sealed before the event was stored
    //   kNotFound     the stream is gone
    //   kTruncated    the stream was truncated beyond the event before anybody said whether it was stored
    //   kUnavailable  the segment store or the controller could not be reached for as long as ClientOptions say
    //   kClosed       the writer was closed or destroyed before the event was acknowledged
    // and whatever else broke the writer. After an error the writer takes no more events: make a new one.
    using Acknowledged = std::function<void(const Result<void>&)>;

    // Abandons what is not acknowledged; close() first to keep it.
    virtual ~EventWriter() = default;

    // Takes a copy of the event. Waits while memory_bytes are outstanding, except when called from
    // an Acknowledged callback. Events of one key are stored in the order of their write() calls.
    // Errors: kTooLarge (payload), kSealed (the stream), kClosed, or what broke the writer for good.
    virtual Result<void> write(std::string_view routing_key, std::string_view payload,
                               Acknowledged acknowledged = {}) = 0;
    // Without a key: any segment, chosen evenly at random.
    virtual Result<void> write_unkeyed(std::string_view payload, Acknowledged acknowledged = {}) = 0;
    // The same as write(), but never waits: false, and the event is not taken, while memory_bytes are outstanding.
    virtual Result<bool> try_write(std::string_view routing_key, std::string_view payload, Acknowledged acknowledged = {}) = 0;
    // Waits until the event is acknowledged. One at a time this is slow; use write() and flush() for many.
    virtual Result<void> write_and_wait(std::string_view routing_key, std::string_view payload) = 0;

    // Waits until all events written before are acknowledged, or the writer has failed.
    virtual Result<void> flush() = 0;
    // The same without waiting: `flushed` is called once, on the client's thread, also when the writer is destroyed before.
    virtual void flush(std::function<void(const Result<void>&)> flushed) = 0;
    // flush(), then no more writes.
    virtual Result<void> close() = 0;

    struct Stats {
        std::uint64_t acknowledged_events = 0;
        std::uint64_t outstanding_bytes = 0;
        std::uint64_t reconnects = 0;
    };
    virtual Stats stats() const = 0;
};

}  // namespace millrace
