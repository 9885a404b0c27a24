// SPDX-License-Identifier: Apache-2.0
//
// One process on a journal in the simulator: opens it, takes logs over, and compares what is there with what has to be.
// Thread rule: the world's. Lifetime: the world and the runtime's disk outlive it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "segmentstore/log/journal/journal.h"
#include "tests/crash/log_history.h"
#include "tests/sim/world.h"

namespace millrace::crash {

inline const std::string kJournalDirectory = "/data/journal";

struct FoundLog {
    std::uint64_t first = 1;
    std::uint64_t next = 1;
    std::uint64_t epoch = 0;
};

// What damage of a batch that nothing proves durable may take from a log without a word (docs/formats/journal.md).
struct Loss {
    std::uint64_t entries_from = UINT64_MAX;
    bool owner = false;
    bool truncation = false;
};
using Losses = std::map<ContainerId, Loss>;

// An entry whose body was damaged where it was durable: only its log knows, and only who reads it is told, with the
// file.
struct UnreadableEntry {
    ContainerId log;
    std::uint64_t index = 0;
    std::string file;
};

class JournalSession {
public:
    JournalSession(sim::World& world, Runtime runtime, const log::JournalMutations& mutations);
    ~JournalSession() { close(); }

    // As Journal::open(), and as take_over() of each of these.
    Result<void> open(const Bounds& logs);
    // Reads everything. In words what is not within the bounds; empty: nothing.
    std::string check(const Bounds& bounds, const Losses& losses = {},
                      const std::optional<UnreadableEntry>& unreadable = std::nullopt);
    // REQUIRES: opened.
    log::DurableLog& log(ContainerId id) { return *logs_.at(id); }
    FoundLog found(ContainerId id);
    void close();

private:
    Task<std::string> check_log(ContainerId id, LogBounds bounds, Loss loss, std::optional<UnreadableEntry> unreadable);

    sim::World& world_;
    Runtime runtime_;
    log::JournalOptions options_;
    std::unique_ptr<log::Journal> journal_;
    std::map<ContainerId, std::unique_ptr<log::DurableLog>> logs_;
};

}  // namespace millrace::crash
