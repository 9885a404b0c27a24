// SPDX-License-Identifier: Apache-2.0
//
// Judges a history: what was promised to writers, readers and operators, whatever happened meanwhile.
// n records cost O(n log n) time and, beside the history, some 8 bytes per event. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/history/history.h"

namespace millrace::history {

enum class Rule : std::uint8_t {
    kAckedIsThere = 1,       // V1: no acknowledged event is missing for who read to the end
    kOnce = 2,               // V2: no event is in a stream twice, nor given to a reader twice
    kKeyOrder = 3,           // V3: a reader sees a key's events in the order they were written
    kFailedIsAbsent = 4,     // V4: what failed for certain is nowhere
    kContent = 5,            // V5: what is read is what was written, to the byte
    kOffsets = 6,            // V6: offsets are stable; what was read once stays, unless truncated
    kTransactions = 7,       // V7: all or nothing, in one piece per segment, only after the commit
    kReaderGroups = 8,       // V8: each event to one reader, all to some
    kOwnership = 9,          // V9: one owner at a time, epochs never repeat
    kBounds = 10,            // V10: memory, files, recovery time
    kExits = 11,             // V11: each end of a process is explained
    kDidSomething = 12,      // V12: enough happened
};

struct Violation {
    Rule rule{};
    std::string event;     // what the rule is broken for
    std::string evidence;  // how one sees it

    // "V1: s/t w1/k #5: acknowledged, but reader r1, which read to the end, did not get it".
    std::string to_string() const;
};

// Of each rule at most so many are kept; one more then says how many there were.
inline constexpr std::size_t kViolationsKept = 20;

// Empty: nothing is wrong. By rule, and within it in the order of events.
std::vector<Violation> check_history(const History& history);

// One line each; for messages of tests.
std::string to_text(const std::vector<Violation>& violations);

}  // namespace millrace::history
