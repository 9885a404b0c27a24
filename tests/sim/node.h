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
#include "tests/sim/node_clock.h"
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
    // Of the process that lives now. What runs on its executor stands still while the node is paused.
    Runtime runtime();
    MessageSession& messages();
    // How many processes there were, the living one included.
    std::size_t boots() const { return processes_.size(); }

    // Power cut: the process dies, and the disk keeps what was synced and a random part of what was
    // not. The next process lives at once.
    void crash();
    // kill -9: the process dies, the page cache lives on (and may still be lost to a later
    // crash()).
    void kill();
    // A power cut that lasts: until power_on() the machine is silent, it does not even refuse.
    void power_off();
    void power_on();
    bool powered() const { return powered_; }

    // The process stands still while time goes on, as in a stopped container or a frozen virtual machine: its
    // timers and answers come late, all at once, after resume(). Bytes still arrive in its buffers.
    void pause();
    void resume();
    bool paused() const;

    // How fast the monotonic clock of the processes after this one runs, 1 being true time. Their deadlines
    // are in their own time: runtime().clock, not the world's.
    void set_clock_rate(double rate) { clock_rate_ = rate; }
    // The wall clock is wrong by so much more, from now on.
    void jump_wall_clock(std::chrono::milliseconds by);

private:
    struct Process;
    void start_process();
    void end_process(Death death);

    Seams seams_;
    std::string name_;
    SeededRandom random_;
    SimDisk disk_;
    WallOffset wall_offset_ = std::make_shared<std::chrono::milliseconds>(0);
    double clock_rate_ = 1.0;
    bool powered_ = true;
    std::vector<std::unique_ptr<Process>> processes_;  // the last one lives
};

}  // namespace millrace::sim
