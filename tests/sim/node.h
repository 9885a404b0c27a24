// SPDX-License-Identifier: Apache-2.0
//
// One machine of a simulation: a disk that survives, and one process at a time. A process that died
// keeps its Runtime (dead) until the world ends, because its objects still hold it.
// Thread rule: the world's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/runtime/runtime.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_network.h"

namespace millrace::sim {

class Node {
public:
    struct Seams {
        Executor executor;
        SimClock& clock;
        Trace& trace;
        NetworkFabric& fabric;
        std::uint64_t seed;
    };

    Node(Seams seams, std::string name, DiskOptions disk);
    ~Node();

    const std::string& name() const { return name_; }
    SimDisk& disk() { return disk_; }
    // Of the process that lives now.
    Runtime runtime();

    // Power cut: the process dies, and the disk keeps what was synced and a random part of what was
    // not.
    void crash();
    // kill -9: the process dies, the page cache lives on (and may still be lost to a later
    // crash()).
    void kill();

private:
    struct Process;
    void start_process();
    void end_process();

    Seams seams_;
    std::string name_;
    SeededRandom random_;
    SimDisk disk_;
    std::vector<std::unique_ptr<Process>> processes_;  // the last one lives
};

}  // namespace millrace::sim
