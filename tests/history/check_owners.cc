// SPDX-License-Identifier: Apache-2.0
//
// V9. An acknowledgement may arrive late, so its time alone proves nothing: wrong is one whose request was taken after
// an owner of a higher epoch had acknowledged something, or that has the place of such a one in the log.
#include <algorithm>
#include <map>

#include "tests/history/findings.h"

namespace millrace::history {

namespace {

void check_epochs(const History& history, Findings& findings,
                  std::map<std::pair<std::string, std::uint64_t>, const Ownership*>& owners) {
    std::map<std::string, std::vector<const Ownership*>> of;
    for (const Ownership& one : history.ownerships) {
        const auto [first, added] = owners.emplace(std::pair{one.resource, one.epoch}, &one);
        if (!added) {
            findings.add(Rule::kOwnership, one.resource + " epoch " + std::to_string(one.epoch),
                         "was given to " + first->second->owner + " and again to " + one.owner);
        }
        if (one.time != kNoTime) of[one.resource].push_back(&one);
    }
    for (auto& [resource, rows] : of) {
        std::sort(rows.begin(), rows.end(),
                  [](const auto* a, const auto* b) { return std::tie(a->time, a) < std::tie(b->time, b); });
        for (std::size_t i = 1; i < rows.size(); ++i) {
            if (rows[i]->epoch >= rows[i - 1]->epoch || rows[i]->time == rows[i - 1]->time) continue;
            findings.add(Rule::kOwnership, resource + " epoch " + std::to_string(rows[i]->epoch),
                         "was given to " + rows[i]->owner + " after epoch " + std::to_string(rows[i - 1]->epoch) +
                             " had been given to " + rows[i - 1]->owner);
        }
    }
}

void check_acks_in_time(const std::string& resource, std::vector<const OwnerAck*> acks, Findings& findings) {
    // By epoch, the highest first: what is left behind is the earliest end of any higher epoch.
    std::sort(acks.begin(), acks.end(),
              [](const auto* a, const auto* b) { return std::tie(b->epoch, a) < std::tie(a->epoch, b); });
    const OwnerAck* earliest = nullptr;  // of higher epochs
    for (std::size_t begin = 0; begin < acks.size();) {
        std::size_t end = begin;
        const OwnerAck* next = earliest;
        for (; end < acks.size() && acks[end]->epoch == acks[begin]->epoch; ++end) {
            const OwnerAck& one = *acks[end];
            if (earliest != nullptr && one.begin != kNoTime && one.begin > earliest->end) {
                findings.add(Rule::kOwnership, resource + " epoch " + std::to_string(one.epoch),
                             one.owner + " took a request at " + std::to_string(one.begin) + " and acknowledged it, after " +
                                 earliest->owner + " had acknowledged in epoch " + std::to_string(earliest->epoch) +
                                 " at " + std::to_string(earliest->end));
            }
            if (one.end != kNoTime && (next == nullptr || one.end < next->end)) next = &one;
        }
        earliest = next;
        begin = end;
    }
}

void check_acks_in_log(const std::string& resource, std::vector<const OwnerAck*> acks, Findings& findings) {
    std::erase_if(acks, [](const auto* one) { return one->position < 0; });
    std::sort(acks.begin(), acks.end(),
              [](const auto* a, const auto* b) { return std::tie(a->position, a) < std::tie(b->position, b); });
    const OwnerAck* highest = nullptr;
    for (const OwnerAck* one : acks) {
        if (highest != nullptr && one->epoch < highest->epoch) {
            findings.add(Rule::kOwnership, resource + " epoch " + std::to_string(one->epoch),
                         one->owner + " acknowledged at " + std::to_string(one->position) + ", where epoch " +
                             std::to_string(highest->epoch) + " of " + highest->owner + " already reigns: it acknowledged at " +
                             std::to_string(highest->position));
        } else if (highest != nullptr && one->epoch > highest->epoch && one->position == highest->position) {
            findings.add(Rule::kOwnership, resource + " epoch " + std::to_string(one->epoch),
                         "two epochs acknowledged the same place, " + std::to_string(one->position) + ": " + one->owner +
                             " and " + highest->owner);
        }
        // Within an epoch the furthest place is what counts.
        if (highest == nullptr || one->epoch >= highest->epoch) highest = one;
    }
}

}  // namespace

void check_owners(const History& history, Findings& findings) {
    std::map<std::pair<std::string, std::uint64_t>, const Ownership*> owners;
    check_epochs(history, findings, owners);

    std::map<std::string, std::vector<const OwnerAck*>> acks;
    for (const OwnerAck& one : history.owner_acks) {
        acks[one.resource].push_back(&one);
        const auto owner = owners.find({one.resource, one.epoch});
        if (owner == owners.end()) {
            findings.add(Rule::kOwnership, one.resource + " epoch " + std::to_string(one.epoch),
                         one.owner + " acknowledged in it, but nobody was given it");
        } else if (owner->second->owner != one.owner) {
            findings.add(Rule::kOwnership, one.resource + " epoch " + std::to_string(one.epoch),
                         one.owner + " acknowledged in it, but it was given to " + owner->second->owner);
        }
    }
    for (const auto& [resource, rows] : acks) {
        check_acks_in_time(resource, rows, findings);
        check_acks_in_log(resource, rows, findings);
    }
}

}  // namespace millrace::history
