// SPDX-License-Identifier: Apache-2.0
//
// What went wrong, as a value. An Error answers three questions: `code` — can the caller act
// differently? `fate` — did it happen? `detail` — what would a human want to know?
// Free of Boost and of every other room: the public client headers show this type.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

// A code exists only where a caller can react to it specially. Numbers may leave the process
// (log lines, JSON output), so they are retired and never reused.
enum class ErrorCode : std::uint16_t {
    kInternal = 1,            // a bug or an unforeseen state; the detail says more
    kInvalidArgument = 2,     // the request can never succeed as it stands
    kNotFound = 3,            // scope, stream, segment, file, node
    kAlreadyExists = 4,       //
    kSealed = 5,              // the segment or stream takes no more appends
    kTruncated = 6,           // the bytes asked for were truncated away
    kVersionMismatch = 7,     // compare-and-set found another version or offset
    kInvalidEventNumber = 8,  // exactly-once bookkeeping of a writer was overtaken
    kCorrupt = 9,             // bytes from disk or network fail their checks
    kBadRequest = 10,         // a peer broke the protocol; the connection is over
    kClosed = 11,             // the object is closing or closed
    kCancelled = 12,          // the caller gave up
    kTimedOut = 13,           // the deadline passed
    kUnavailable = 14,        // the other side cannot be reached now; try again
    kNoSpace = 15,            // disk or quota is full
    kIo = 16,                 // the disk refused
    kTooLarge = 17,           // above a documented bound
    kUnsupported = 18,        // known, but not offered by this server
    kWrongHost = 19,          // another server owns the segment now
    kFenced = 20,             // a newer epoch owns the log
    kPermissionDenied = 21,   //
    kUnauthenticated = 22,    //
    kInUse = 23,              // port or directory held by somebody else
    kFailedPrecondition = 24, // legal, but not in the present state
};

// kNotApplied: certainly without effect. kUnknown: it may or may not have happened.
enum class Fate : std::uint8_t { kNotApplied, kUnknown };

std::string_view to_string(ErrorCode code);

class [[nodiscard]] Error {
public:
    Error(ErrorCode code, std::string detail, Fate fate = Fate::kNotApplied)
        : code_{code}, fate_{fate}, detail_{std::move(detail)} {}

    ErrorCode code() const { return code_; }
    Fate fate() const { return fate_; }
    const std::string& detail() const { return detail_; }

    bool is(ErrorCode code) const { return code_ == code; }

    // The same error with "<what>: " before its detail; used at room borders.
    Error while_doing(std::string_view what) &&;
    // The same error, now of unknown fate.
    Error with_unknown_fate() &&;

    // "<code>: <detail>", for log lines and terminals.
    std::string to_string() const;

private:
    ErrorCode code_;
    Fate fate_;
    std::string detail_;
};

}  // namespace millrace
