// SPDX-License-Identifier: Apache-2.0
//
// Histories as text, so that any program in any language can log one: docs/formats/history.md. Thread rule: one thread.
#pragma once

#include <iosfwd>

#include "common/base/result.h"
#include "tests/history/history.h"

namespace millrace::history {

// One line, without its end.
std::string to_line(const Record& record);
// kCorrupt says what is wrong with it.
Result<Record> parse_line(std::string_view line);

// Writes a file: its head at once, its end with finish(), without which readers take it for cut off.
class HistoryWriter {
public:
    // `out` outlives it.
    explicit HistoryWriter(std::ostream& out);
    void add(const Record& record);
    void finish();

private:
    std::ostream& out_;
    std::uint64_t records_ = 0;
};

// Adds the records of one file, or of several one after the other. `may_be_cut_off`: of a program that was
// killed; a missing end and half a last line are then no error. kCorrupt names the line.
Result<void> read_history(std::istream& in, bool may_be_cut_off, History& into);

}  // namespace millrace::history
