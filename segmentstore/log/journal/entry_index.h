// SPDX-License-Identifier: Apache-2.0
//
// Where the entries of one log lie: 16 bytes an entry, in memory, rebuilt at every start.
// Thread rule: the journal's executor.
#pragma once

#include <cstdint>
#include <deque>

#include "common/base/check.h"
#include "segmentstore/log/durable_log.h"

namespace millrace::log {

struct EntryLocation {
    std::uint32_t file_seq = 0;
    std::uint32_t offset = 0;  // of the body; files have at most 1 GiB
    std::uint32_t bytes = 0;
    std::uint32_t crc = 0;  // of the body
};

class EntryIndex {
public:
    explicit EntryIndex(Index first = Index{1}) : first_{first} {}

    Index first() const { return first_; }
    Index next() const { return Index{first_.number() + locations_.size()}; }
    void push_back(EntryLocation location) { locations_.push_back(location); }
    // Forgets what lies below `first`. REQUIRES: first <= next().
    void drop_before(Index first) {
        MR_CHECK(first <= next());
        if (first <= first_) return;
        const auto count = static_cast<std::ptrdiff_t>(first.number() - first_.number());
        locations_.erase(locations_.begin(), locations_.begin() + count);
        first_ = first;
    }
    // Forgets everything and goes on with `next`.
    void restart_at(Index next) {
        locations_.clear();
        first_ = next;
    }
    bool contains(Index index) const { return index >= first() && index < next(); }
    const EntryLocation& at(Index index) const {
        MR_CHECK(contains(index));
        return locations_[index.number() - first_.number()];
    }

private:
    Index first_;
    std::deque<EntryLocation> locations_;  // grows without moving what is there
};

}  // namespace millrace::log
