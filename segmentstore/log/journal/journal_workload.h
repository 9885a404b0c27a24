// SPDX-License-Identifier: Apache-2.0
//
// A journal's life in the simulator, checked against a model: appends of random sizes to several
// logs, truncations, crashes and kills at any moment (recovery included), faults by swarm. For tests.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "segmentstore/log/journal/journal.h"
#include "tests/sim/world.h"

namespace millrace::log {

// The bytes of the entry with this number: the same whenever asked, different for each number.
ByteBuffer workload_body(std::uint64_t number, std::size_t size);

class JournalWorkload {
public:
    JournalWorkload(std::uint64_t seed, JournalMutations mutations);
    ~JournalWorkload();

    // Some generations of crash and recovery, then one in peace. Empty: all promises were kept.
    std::string run();

    std::uint64_t digest() const { return world_.digest(); }
    std::uint64_t entries_acknowledged() const { return acknowledged_; }
    std::uint64_t entries_recovered_unacknowledged() const { return recovered_unacknowledged_; }
    std::uint64_t files_seen() const { return files_seen_; }
    std::uint64_t files_recycled() const { return files_recycled_; }
    std::uint64_t retirements() const { return retirements_; }

private:
    struct SentEntry {
        std::uint64_t number = 0;
        std::size_t size = 0;
    };
    struct LogModel {
        ContainerId id;
        std::uint64_t epoch = 0;         // highest that a take-over returned
        std::vector<SentEntry> durable;  // as of the last recovery
        std::vector<SentEntry> sent;     // since then, in order, without what was refused
        std::size_t acknowledged = 0;    // of `sent`
        std::uint64_t first = 1;         // as of the last recovery, or acknowledged since
        std::map<std::uint64_t, std::string> anchors{{1, ""}};  // of every truncation asked for
        bool truncating = false;
    };
    // One process.
    struct Life {
        std::unique_ptr<Journal> journal;
        std::map<ContainerId, std::unique_ptr<DurableLog>> logs;
        bool dead = false;
        std::size_t running = 0;
    };
    using LifePtr = std::shared_ptr<Life>;

    void violation(std::string what);
    std::size_t random_size();
    JournalOptions options() const;
    void draw_faults();
    // Null when it crashed before it was up (or violated something).
    LifePtr start(bool may_crash);
    Task<void> bring_up(LifePtr life, std::shared_ptr<bool> done);
    Task<void> take_over(LifePtr life, LogModel& log);
    void begin_append(LifePtr life, LogModel& log);
    Task<void> append(LifePtr life, LogModel& log, SentEntry entry);
    void begin_truncate(LifePtr life, LogModel& log);
    Task<void> truncate(LifePtr life, LogModel& log, std::uint64_t first);
    void check_recovered(LifePtr life);
    Task<void> check_log(LifePtr life, LogModel& log);
    void check_space_returns(LifePtr life);
    void work(LifePtr life, std::chrono::nanoseconds duration);
    void die();
    void bury(LifePtr life);

    sim::World world_;
    JournalMutations mutations_;
    sim::Node* node_ = nullptr;
    std::map<ContainerId, LogModel> logs_;
    std::uint64_t total_bytes_max_ = 0;
    std::uint64_t eio_one_in_ = 0;
    bool tight_disk_ = false;
    bool quiet_ = false;  // no more faults
    std::uint64_t next_number_ = 1;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t recovered_unacknowledged_ = 0;
    std::uint64_t files_seen_ = 0;
    std::uint64_t files_recycled_ = 0;
    std::uint64_t retirements_ = 0;
    bool truncates_ = false;
    std::string violation_;
};

}  // namespace millrace::log
