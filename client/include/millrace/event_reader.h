// SPDX-License-Identifier: Apache-2.0
//
// Reads all segments of a stream as one: events of a key come in the order they were written, a
// segment's successors only after all its predecessors have been read to their end.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/model/segment_name.h"

namespace millrace {

// A place in a stream: the next byte to read in each segment. Segments before those named are read,
// segments after them are not. An empty map is not a position.
struct Position {
    StreamName stream;
    std::map<SegmentId, std::int64_t> offsets;

    // One line of printable ASCII: "scope/stream:<epoch>.<number>@<offset>,...".
    std::string to_string() const;
    // kInvalidArgument says what is wrong.
    static Result<Position> parse(std::string_view text);
    bool operator==(const Position&) const = default;
};

struct ReaderOptions {
    // Where to begin: kHead, kTail, or `position` when it is set.
    enum class From : std::uint8_t { kHead, kTail } from = From::kHead;
    std::optional<Position> position{};
    // Where to end: the reader answers end of stream once everything before it has been read.
    std::optional<Position> until{};
    // Bytes read ahead, over all segments. 1 MiB .. 1 GiB.
    std::size_t memory_bytes = 16 * 1024 * 1024;
};

struct Event {
    // Shares the memory that it arrived in with its neighbours, up to a few MiB: copy what is kept for long.
    Bytes payload;
    SegmentId segment;
    std::int64_t offset = 0;  // of the event's first byte in its segment, framing included
};

class EventReader {
public:
    virtual ~EventReader() = default;

    enum class Outcome : std::uint8_t { kEvent, kTimedOut, kEndOfStream };
    struct Next {
        Outcome outcome = Outcome::kTimedOut;
        Event event;
    };
    // The next event; waits up to `timeout` for one. kEndOfStream: the stream is sealed (or `until`
    // reached) and all is read. One caller at a time.
    // Errors: kTruncated (position was truncated away; the next call goes on at the new head),
    // kNotFound (the stream was deleted), or what broke the reader for good.
    virtual Result<Next> next(std::chrono::milliseconds timeout) = 0;

    // After the last event that next() returned: a reader started there goes on with the following
    // one.
    virtual Position position() const = 0;
};

}  // namespace millrace
