// SPDX-License-Identifier: Apache-2.0
#include "tests/endtoend/sim/sim_cluster.h"

#include "controller/server/controller.h"
#include "segmentstore/server/segment_store.h"
#include "tests/endtoend/sim/embedded_metadata.h"

namespace millrace::testing {

using namespace std::chrono_literals;

namespace {

constexpr const char* kDirectory = "/data";

}  // namespace

// The objects of one life of a program.
struct SimCluster::Process {
    Process(Runtime runtime_in, std::uint64_t seed, std::shared_ptr<const ReplyFaults> faults)
        : network{runtime_in.network, runtime_in.clock, seed, std::move(faults)},
          runtime{with_network(runtime_in, network)} {}

    NetworkWithReplyFaults network;
    Runtime runtime;
    std::unique_ptr<EmbeddedMetadata> metadata;
    std::unique_ptr<sim::SimRpc> rpc;
    std::unique_ptr<segmentstore::SegmentStore> store;
    std::unique_ptr<controller::Controller> controller;
    bool starting = true;
    bool serving = false;
    bool dead = false;
};

struct SimCluster::Machine {
    sim::Node* node = nullptr;
    bool has_store = false;
    bool has_controller = false;
    bool down = false;                 // by an injector, until it says otherwise
    std::shared_ptr<Process> process;  // that lives now
};

SimCluster::SimCluster(sim::World& world, Options options, history::History& history)
    : world_{world}, options_{options}, history_{history}, random_{options.seed} {
    const auto add = [&](std::string name, bool has_store, bool has_controller) {
        auto machine = std::make_unique<Machine>();
        machine->node = &world_.add_node(std::move(name));
        machine->has_store = has_store;
        machine->has_controller = has_controller;
        machines_.push_back(std::move(machine));
    };
    if (options_.one_machine) {
        add("server", true, true);
    } else {
        add("store", true, false);
        add("controller", false, true);
    }
    if (options_.disks_fail) {
        history_.add(history::FailStop{"disk failed"});
        history_.add(history::FailStop{"start failed"});
    }
}

SimCluster::~SimCluster() {
    for (const auto& machine : machines_) MR_CHECK(machine->process == nullptr);
    MR_CHECK(burials_ == 0);
}

Endpoint SimCluster::store() const { return {machines_.front()->node->name(), kStorePort}; }
Endpoint SimCluster::controller() const { return {machines_.back()->node->name(), kControllerPort}; }

void SimCluster::start() {
    for (std::size_t i = 0; i < machines_.size(); ++i) begin(i);
}

bool SimCluster::serving() const {
    for (const auto& machine : machines_) {
        if (!machine->process || !machine->process->serving) return false;
    }
    return true;
}

std::string SimCluster::describe() const {
    std::string text;
    for (const auto& machine : machines_) {
        text += machine->node->name() + ": ";
        if (machine->down) text += "down";
        else if (!machine->process) text += "to be started";
        else text += machine->process->serving ? "serving" : "starting";
        text += ", boot " + std::to_string(machine->node->boots()) + "; ";
    }
    return text + std::to_string(burials_) + " being buried";
}

void SimCluster::begin(std::size_t index) {
    Machine& machine = *machines_[index];
    if (machine.down || machine.process || stopping_) return;
    machine.process = std::make_shared<Process>(machine.node->runtime(), random_.next(), reply_faults_);
    if (machine.has_controller) {
        machine.process->metadata = std::make_unique<EmbeddedMetadata>(machine.process->runtime, metadata_, random_.next());
        machine.process->rpc = std::make_unique<sim::SimRpc>(world_, *machine.node, rpc_faults_);
    }
    world_.spawn_on(*machine.node, [this, index, process = machine.process] { return run(index, process); },
                    machine.node->name() + " starts");
}

Task<Result<void>> SimCluster::start_programs(std::size_t index, std::shared_ptr<Process> process) {
    const Machine& machine = *machines_[index];
    const std::string host = machine.node->name();
    if (machine.has_store) {
        MR_CO_TRY_VOID(co_await process->runtime.disk.create_directories(kDirectory));
        segmentstore::SegmentStoreOptions options;
        options.data_directory = kDirectory;
        options.listen = {.host = "0.0.0.0", .port = kStorePort};
        options.containers = options_.containers;
        options.cache_bytes = 8 * 1024 * 1024;
        options.journal_file_bytes = 4 * 1024 * 1024;
        options.journal_keep_free_bytes = 0;
        options.received_bytes_max = 128 * 1024 * 1024;
        MR_CO_TRY(process->store, co_await segmentstore::SegmentStore::start(process->runtime, options));
    }
    if (machine.has_controller) {
        controller::ControllerOptions options;
        options.listen = {.host = host, .port = kControllerPort};
        options.advertise = {.host = host, .port = kControllerPort};
        options.segment_store = store();
        MR_CO_TRY(process->controller, co_await controller::Controller::start(process->runtime, *process->rpc,
                                                                              *process->metadata, options));
    }
    co_return ok();
}

Task<void> SimCluster::run(std::size_t index, std::shared_ptr<Process> process) {
    const Result<void> started = co_await start_programs(index, process);
    process->starting = false;
    if (process->dead) co_return;
    if (!started) {
        ++counts_.failed_starts;
        give_up(index, process, options_.disks_fail ? "start failed" : "start failed: " + started.error().to_string());
        co_return;
    }
    process->serving = true;
    if (process->store == nullptr) co_return;
    // Ends with the store, if it does not fail before.
    spawn(process->runtime.executor, [this, index, weak = std::weak_ptr<Process>{process},
                                      store = process->store.get()]() -> Task<void> {
        (void)co_await store->failed();
        const auto failed = weak.lock();
        if (!failed || failed->dead) co_return;
        ++counts_.fail_stops;
        give_up(index, failed, "disk failed");
    });
}

void SimCluster::give_up(std::size_t index, const std::shared_ptr<Process>& process, std::string reason) {
    Machine& machine = *machines_[index];
    if (machine.process != process) return;
    history_.add(history::Exit{machine.node->name(), history::ExitKind::kFailStop, std::move(reason)});
    machine.node->kill();
    bury(std::move(machine.process));
    world_.after(std::chrono::milliseconds{random_.between(10, 500)}, [this, index] { begin(index); });
}

void SimCluster::end(std::size_t index, sim::Death death) {
    Machine& machine = *machines_[index];
    machine.down = true;
    ++(death == sim::Death::kKill ? counts_.kills : counts_.power_cuts);
    if (death == sim::Death::kKill) machine.node->kill();
    else machine.node->crash();
    history_.add(history::Fault{death == sim::Death::kKill ? "kill" : "power cut", machine.node->name()});
    if (!machine.process) return;
    history_.add(history::Exit{machine.node->name(), history::ExitKind::kInjected, ""});
    bury(std::move(machine.process));
}

void SimCluster::bury(std::shared_ptr<Process> process) {
    process->dead = true;
    process->serving = false;
    if (process->metadata && !stopping_) process->metadata->die();
    ++burials_;
    world_.spawn(
        [this, process = std::move(process)]() -> Task<void> {
            while (process->starting) co_await sleep_for(world_.clock(), 1ms);
            if (process->controller) co_await process->controller->close(Deadline{world_.now()});
            if (process->store) co_await process->store->close();
            process->controller.reset();
            process->store.reset();
            process->rpc.reset();
            process->metadata.reset();
            --burials_;
        },
        "burial of a process");
}

void SimCluster::stop() {
    stopping_ = true;
    for (const auto& machine : machines_) {
        if (machine->process) bury(std::move(machine->process));
    }
    const bool ended = world_.run_until([this] { return burials_ == 0; }, 10min);
    if (!ended) std::fprintf(stderr, "does not end: %s, %s\n", describe().c_str(), world_.blocked_tasks().c_str());
    MR_CHECK(ended);
}

std::vector<sim::FaultTarget> SimCluster::targets() {
    std::vector<sim::FaultTarget> targets;
    for (std::size_t i = 0; i < machines_.size(); ++i) {
        targets.push_back({machines_[i]->node, [this, i](sim::Death death) { end(i, death); },
                           [this, i] {
                               machines_[i]->down = false;
                               begin(i);
                           }});
    }
    return targets;
}

}  // namespace millrace::testing
