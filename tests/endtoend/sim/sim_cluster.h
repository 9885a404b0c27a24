// SPDX-License-Identifier: Apache-2.0
//
// Controller and segment store in a simulated world, on one machine or on two, with programs that are killed, lose power,
// stop themselves when their disk fails, and are started again by something like an init system.
// Thread rule: the world's thread. Lifetime: the world outlives it; stop() before destruction.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/metadata/testing/memory_metadata_store.h"
#include "common/runtime/network.h"
#include "tests/endtoend/sim/reply_faults.h"
#include "tests/history/history.h"
#include "tests/sim/fault_plan.h"
#include "tests/sim/rpc/sim_rpc.h"
#include "tests/sim/world.h"

namespace millrace::testing {

class SimCluster {
public:
    static constexpr std::uint16_t kControllerPort = 9090;
    static constexpr std::uint16_t kStorePort = 12345;

    struct Options {
        bool one_machine = true;
        std::uint32_t containers = 4;
        std::uint64_t seed = 0;
        // A disk that fails ends the program that uses it. Where none fails, nothing may end by itself.
        bool disks_fail = false;
    };

    // Faults and ends of processes go into `history`.
    SimCluster(sim::World& world, Options options, history::History& history);
    ~SimCluster();

    // Starts every program; they serve a little later, see serving().
    void start();
    bool serving() const;
    // In order, and waits. REQUIRES: nothing fails any more.
    void stop();

    // What an injector may do to the machines.
    std::vector<sim::FaultTarget> targets();
    sim::RpcFaults& rpc_faults() { return *rpc_faults_; }
    std::shared_ptr<const sim::RpcFaults> shared_rpc_faults() const { return rpc_faults_; }
    // Of what the store answers to the controller, and to whoever else shares them.
    ReplyFaults& reply_faults() { return *reply_faults_; }
    std::shared_ptr<const ReplyFaults> shared_reply_faults() const { return reply_faults_; }

    Endpoint controller() const;
    Endpoint store() const;
    const metadata::MemoryEnsemble& metadata() const { return *metadata_; }
    // For the message of a test that waits in vain.
    std::string describe() const;

    struct Counts {
        std::uint64_t kills = 0;
        std::uint64_t power_cuts = 0;
        std::uint64_t fail_stops = 0;
        std::uint64_t failed_starts = 0;
    };
    const Counts& counts() const { return counts_; }

private:
    struct Process;
    struct Machine;

    void begin(std::size_t index);
    void end(std::size_t index, sim::Death death);
    // The program cannot go on, and is started again a little later.
    void give_up(std::size_t index, const std::shared_ptr<Process>& process, std::string reason);
    void bury(std::shared_ptr<Process> process);
    Task<void> run(std::size_t index, std::shared_ptr<Process> process);
    Task<Result<void>> start_programs(std::size_t index, std::shared_ptr<Process> process);

    sim::World& world_;
    const Options options_;
    history::History& history_;
    SeededRandom random_;
    std::shared_ptr<sim::RpcFaults> rpc_faults_ = std::make_shared<sim::RpcFaults>();
    std::shared_ptr<ReplyFaults> reply_faults_ = std::make_shared<ReplyFaults>();
    std::shared_ptr<metadata::MemoryEnsemble> metadata_ = std::make_shared<metadata::MemoryEnsemble>();
    std::vector<std::unique_ptr<Machine>> machines_;
    std::size_t burials_ = 0;
    bool stopping_ = false;
    Counts counts_;
};

}  // namespace millrace::testing
