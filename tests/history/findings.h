// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the checker share: where violations go, and how things of a history are called in them.
// Thread rule: one thread.
#pragma once

#include <array>

#include "tests/history/check.h"

namespace millrace::history {

class Findings {
public:
    void add(Rule rule, std::string event, std::string evidence) {
        auto& found = found_[static_cast<std::size_t>(rule)];
        if (++found.count <= kViolationsKept) found.kept.push_back({rule, std::move(event), std::move(evidence)});
    }
    // Whether the text of another one would be kept: making it costs more than finding it.
    bool full(Rule rule) {
        auto& found = found_[static_cast<std::size_t>(rule)];
        if (found.count < kViolationsKept) return false;
        ++found.count;
        return true;
    }
    std::vector<Violation> take();

private:
    struct Found {
        std::uint64_t count = 0;
        std::vector<Violation> kept;
    };
    std::array<Found, 13> found_;
};

inline std::string event_text(const History& history, std::uint32_t flow, std::uint64_t sequence) {
    const Tuples::Tuple& names = history.flows.tuple(flow);
    return history.names.text(names.a) + " " + history.names.text(names.b) + "/" + history.names.text(names.c) + " #" +
           std::to_string(sequence);
}

inline std::string place_text(const History& history, std::uint32_t segment, std::int64_t offset) {
    return history.names.text(history.segments.tuple(segment).b) + "@" + std::to_string(offset);
}

// V1 to V7.
void check_events(const History& history, Findings& findings);
// V8.
void check_groups(const History& history, Findings& findings);
// V9.
void check_owners(const History& history, Findings& findings);
// V10 to V12.
void check_run(const History& history, Findings& findings);

}  // namespace millrace::history
