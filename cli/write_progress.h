// SPDX-License-Identifier: Apache-2.0
//
// What a writing command says on the way: a line on a terminal that is written over again and again and wiped at the
// end, and a warning when nothing is acknowledged for long.
// Thread rule: one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "millrace/event_writer.h"

namespace millrace::cli {

class WriteProgress {
public:
    WriteProgress(const EventWriter& writer, std::string_view noun, std::chrono::nanoseconds patience);

    // Cheap enough to call for every few events: `events` of `bytes` have been handed to the writer.
    void show(std::uint64_t events, std::uint64_t bytes);
    void wipe();

    // From now on acknowledgements are waited for.
    void begin_waiting();
    // For how long nothing has been acknowledged since, although something is outstanding.
    std::chrono::nanoseconds stalled();

private:
    void warn(std::int64_t stalled_ns);

    const EventWriter& writer_;
    const std::string_view noun_;
    const std::int64_t patience_ns_;
    const bool on_;
    std::int64_t next_ns_;
    bool shown_ = false;
    std::uint64_t acknowledged_ = 0;  // when it was looked at last
    std::int64_t moved_ns_ = 0;       // when that rose, or nothing was outstanding
    bool warned_ = false;
};

}  // namespace millrace::cli
