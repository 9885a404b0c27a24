// SPDX-License-Identifier: Apache-2.0
//
// Faults by chance. A plan says which kinds a seed has at all (some are off entirely, so that the others get further:
// swarm testing) and how often one strikes; an injector carries a plan out against a world, and heals.
//
//     sim::FaultInjector faults{world, sim::FaultPlan::draw(world.random()), {{&a, stop_a, start_a}, ...}};
//     faults.start();
//     world.run_until(..., 20s);
//     faults.heal();          // everything runs, nothing fails any more
//     EXPECT_TRUE(world.run_until([&] { return progress(); }, 5min)) << world.blocked_tasks();
//
// Thread rule: the world's thread.
#pragma once

#include <functional>
#include <set>
#include <vector>

#include "tests/sim/world.h"

namespace millrace::sim {

enum class Fault : std::uint8_t {
    kKill,            // and restart, a while later
    kPowerCut,        // at once again, or silent for a while
    kPause,           //
    kPartition,       // of two nodes, both ways, for a while
    kOneWay,          // the same, one direction
    kClog,            // one direction stands still
    kSlowWay,         // one direction takes long
    kDelaySpikes,     // single pieces take long
    kCut,             // connections between two nodes break
    kSilence,         // they go dead without a word
    kBadConnects,     // refused, or never answered
    kMessages,        // dropped, repeated, reordered
    kDiskSlow,        // everything, for a while
    kDiskStall,       // for seconds, the whole disk or single calls
    kDiskFull,        // for a while
    kDiskErrors,      // kIo of a write, a sync or a read
    kDiskCorruption,  // of what was not synced, at a crash
    kClockDrift,      // from the next boot on
    kClockJump,       // wall time only
};
inline constexpr std::size_t kFaultCount = 19;

struct FaultPlan {
    std::set<Fault> kinds;
    // Between two strikes.
    std::chrono::milliseconds pause_min{5};
    std::chrono::milliseconds pause_max{500};
    // How long what ends by itself lasts.
    std::chrono::milliseconds lasts_max{3000};

    bool has(Fault fault) const { return kinds.contains(fault); }
    // In one seed of sixteen nothing, in one of sixteen everything, else each kind with a chance of a half.
    static FaultPlan draw(Random& random);
    static FaultPlan only(std::set<Fault> kinds);
};

// A node and how its programs are ended and begun. The hooks do all of it: `stop` kills or crashes the node as it is told
// and lets go of the dead process' objects; `start` begins a new one. Between the two the machine runs nothing.
struct FaultTarget {
    Node* node = nullptr;
    std::function<void(Death)> stop;
    std::function<void()> start;
};

class FaultInjector {
public:
    // `nodes` are all whose ways may be disturbed; those with hooks also die. The world outlives it.
    FaultInjector(World& world, FaultPlan plan, std::vector<FaultTarget> nodes);
    FaultInjector(const FaultInjector&) = delete;
    FaultInjector& operator=(const FaultInjector&) = delete;
    ~FaultInjector();

    void start();
    // Ends every fault, restarts who is down; nothing strikes any more.
    void heal();
    std::uint64_t strikes() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace millrace::sim
