// SPDX-License-Identifier: Apache-2.0
//
// V10 to V12.
#include <map>
#include <set>

#include "tests/history/findings.h"

namespace millrace::history {

namespace {

void check_bounds(const History& history, Findings& findings) {
    for (const Measure& one : history.measures) {
        if (one.value <= one.limit) continue;
        findings.add(Rule::kBounds, one.name + (one.of.empty() ? "" : " of " + one.of),
                     std::to_string(one.value) + ", at most " + std::to_string(one.limit) + " is allowed");
    }
}

void check_exits(const History& history, Findings& findings) {
    std::map<std::string, std::uint64_t> ends;  // faults that ended it and are not yet accounted for
    for (const Fault& one : history.faults) {
        if (!one.process.empty()) ++ends[one.process];
    }
    std::set<std::string> documented;
    for (const FailStop& one : history.fail_stops) documented.insert(one.reason);
    for (const Exit& one : history.exits) {
        switch (one.kind) {
            case ExitKind::kOrdered: break;
            case ExitKind::kInjected:
                if (std::uint64_t& left = ends[one.process]; left > 0) --left;
                else findings.add(Rule::kExits, one.process, "ended as by a fault, but no fault hit it then");
                break;
            case ExitKind::kFailStop:
                if (documented.contains(one.reason)) break;
                findings.add(Rule::kExits, one.process, "stopped itself for '" + one.reason + "', which is no documented reason");
                break;
            case ExitKind::kOther:
                findings.add(Rule::kExits, one.process, "ended, and nobody knows why: " + one.reason);
                break;
        }
    }
}

void check_floors(const History& history, Findings& findings) {
    std::map<std::string, std::uint64_t> reached;
    for (const Count& one : history.counts) reached[one.name] += one.value;
    std::uint64_t& acked = reached["acked"];
    for (const History::WriteRow& one : history.writes) acked += one.outcome == Outcome::kAcked ? 1 : 0;
    reached["reads"] += history.reads.size();
    reached["faults"] += history.faults.size();
    reached["checkpoints"] += history.checkpoints.size();
    reached["transactions"] += history.transactions.size() - 1;
    std::set<std::string> owned;
    for (const Ownership& one : history.ownerships) {
        if (!owned.insert(one.resource).second) ++reached["takeovers"];
    }
    bool acked_has_floor = false;
    for (const Floor& one : history.floors) {
        if (one.name == "acked") acked_has_floor = true;
        if (reached[one.name] >= one.value) continue;
        findings.add(Rule::kDidSomething, one.name,
                     std::to_string(reached[one.name]) + " in this run, at least " + std::to_string(one.value) + " are asked for");
    }
    // A run in which nothing succeeded proves nothing.
    if (!acked_has_floor && reached["acked"] == 0) {
        findings.add(Rule::kDidSomething, "acked", "no event was acknowledged in this run");
    }
}

}  // namespace

void check_run(const History& history, Findings& findings) {
    check_bounds(history, findings);
    check_exits(history, findings);
    check_floors(history, findings);
}

}  // namespace millrace::history
