// SPDX-License-Identifier: Apache-2.0
//
// What the parts of a test log about a run, one record per fact. The checker judges nothing but these. Written by
// writers, readers and the tests themselves; docs/formats/history.md says how they look in a file.
//
// Times are nanoseconds of any one clock, virtual or real, and may be left out (kNoTime): rules that need one then
// do not judge. Names are free text; a stream is named with its scope.
// Thread rule: values.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <variant>

namespace millrace::history {

using Time = std::int64_t;
inline constexpr Time kNoTime = std::numeric_limits<Time>::min();

// kUnknown: it may or may not have happened, now or ever.
enum class Outcome : std::uint8_t { kUnknown, kAcked, kFailed };

// One event, named by (stream, writer, key, sequence): sequences rise in the order in which this writer
// wrote to this key. It may be logged twice: kUnknown before it is sent, the outcome after.
struct Write {
    std::string stream{};
    std::string writer{};
    std::string key{};
    std::uint64_t sequence = 0;
    std::uint32_t length = 0;
    std::uint64_t hash = 0;  // of the event's bytes, by any function that all agree on
    Outcome outcome = Outcome::kUnknown;
    std::string transaction{};  // empty: none
    Time begin = kNoTime;     // the event was handed to the writer
    Time end = kNoTime;       // the outcome was known
};

// A reader, before its first event. One name is one life: what goes on after a crash is another reader.
struct Reader {
    std::string reader{};
    std::string group{};  // empty: it reads alone
};

// In the order in which the reader got them.
struct Read {
    std::string reader{};
    std::string stream{};
    std::string segment{};  // as any text that names it within the stream
    std::int64_t offset = 0;
    std::string writer{};
    std::string key{};
    std::uint64_t sequence = 0;
    std::uint32_t length = 0;
    std::uint64_t hash = 0;
    Time time = kNoTime;
};

// This reader, or this group, has read the whole stream from its head, after all faults and writes had ended.
struct ReadToEnd {
    std::string reader{};  // one of the two is empty
    std::string group{};
    std::string stream{};
    Time begin = kNoTime;
};

// Everything before `offset` of the segment was cut off; a cut names also the segments that went entirely.
struct Truncation {
    std::string stream{};
    std::string segment{};
    std::int64_t offset = std::numeric_limits<std::int64_t>::max();  // the whole segment
    Time end = kNoTime;                                              // when it was answered
};

// kAcked: committed; kFailed: aborted; kUnknown: either, or still open.
struct Transaction {
    std::string stream{};
    std::string transaction{};
    Outcome outcome = Outcome::kUnknown;
    Time commit_begin = kNoTime;  // when the commit was asked for
    Time opened = kNoTime;
    Time ended = kNoTime;
    std::int64_t open_max = -1;  // how long it may be open, ns; -1: no bound
};

// The reader has passed a checkpoint of its group.
struct Checkpoint {
    std::string reader{};
    std::string checkpoint{};
};

// The reader ended without saying where it was.
struct ReaderCrash {
    std::string reader{};
};

// A change of a reader group's assignment. `revision` orders the changes of one group.
struct Assignment {
    std::string group{};
    std::string reader{};
    std::string stream{};
    std::string segment{};
    std::int64_t offset = 0;
    std::uint64_t revision = 0;
    bool acquired = true;  // else released
};

// Somebody became the owner of something (a container, a log). One record per takeover.
struct Ownership {
    std::string resource{};
    std::string owner{};
    std::uint64_t epoch = 0;
    Time time = kNoTime;
};

// An owner acknowledged something.
struct OwnerAck {
    std::string resource{};
    std::string owner{};
    std::uint64_t epoch = 0;
    std::int64_t position = -1;  // of what was acknowledged, in the resource's log; -1: not known
    Time begin = kNoTime;        // the owner took the request
    Time end = kNoTime;          // the acknowledgement left
};

// Something with a bound: bytes of memory, files, nanoseconds of recovery, segments leaked, workflows stuck.
struct Measure {
    std::string name{};
    std::string of{};  // which node or process
    std::uint64_t value = 0;
    std::uint64_t limit = 0;
};

struct Fault {
    std::string fault{};    // its class
    std::string process{};  // which one it ends; empty: none
};

enum class ExitKind : std::uint8_t { kOrdered, kInjected, kFailStop, kOther };

struct Exit {
    std::string process{};
    ExitKind kind = ExitKind::kOther;
    std::string reason{};  // of kFailStop: which; of kOther: what is known
};

// A reason for which a process may end itself.
struct FailStop {
    std::string reason{};
};

// Adds to a count of the test's own.
struct Count {
    std::string name{};
    std::uint64_t value = 0;
};

// The run must have reached this: "acked" events, "faults", "takeovers" (owners after the first of a resource),
// "reads", "transactions", "checkpoints", or a name of Count.
struct Floor {
    std::string name{};
    std::uint64_t value = 0;
};

using Record = std::variant<Write, Reader, Read, ReadToEnd, Truncation, Transaction, Checkpoint, ReaderCrash, Assignment,
                            Ownership, OwnerAck, Measure, Fault, Exit, FailStop, Count, Floor>;

}  // namespace millrace::history
