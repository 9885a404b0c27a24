// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/node.h"

#include "common/runtime/rare.h"
#include "tests/sim/node_executor.h"

namespace millrace::sim {

namespace {

// "Blocking" work runs on the world's thread, a little later, in an order that the seed decides.
class SimBlockingPool final : public BlockingPool {
public:
    SimBlockingPool(Executor executor, SimClock& clock, std::uint64_t seed)
        : executor_{std::move(executor)}, clock_{clock}, random_{seed} {}

    void submit(UniqueFunction<void()> work) override {
        auto takes = std::chrono::microseconds{random_.between(1, 500)};
        if (MR_RARE("sim.blocking_call_slow")) takes *= 1000;
        clock_.schedule(clock_.now() + takes, executor_, std::move(work));
    }

private:
    Executor executor_;
    SimClock& clock_;
    SeededRandom random_;
};

}  // namespace

struct Node::Process {
    Process(Node& node)
        : executor{node.seams_.executor},
          clock{node.seams_.clock, node.clock_rate_, node.wall_offset_},
          disk{node.disk_.attach()},
          network{node.seams_.fabric.attach(node.name_, clock)},
          messages{node.seams_.fabric.attach_messages(node.name_)},
          random{node.random_.next()},
          blocking{node.seams_.executor, node.seams_.clock, node.random_.next()} {}

    NodeExecutor executor;
    NodeClock clock;
    std::unique_ptr<DiskSession> disk;
    std::unique_ptr<NetworkSession> network;
    std::unique_ptr<MessageSession> messages;
    SeededRandom random;
    SimBlockingPool blocking;
};

Node::Node(Seams seams, std::string name, DiskOptions disk)
    : seams_{std::move(seams)},
      name_{std::move(name)},
      random_{seams_.seed},
      disk_{SimDisk::Seams{seams_.clock, seams_.trace, random_.next()}, name_, disk} {
    start_process();
}

Node::~Node() = default;

Runtime Node::runtime() {
    Process& process = *processes_.back();
    return Runtime{process.executor.executor(), process.clock,  *process.disk,
                   *process.network,            process.random, process.blocking, *process.disk};
}

MessageSession& Node::messages() { return *processes_.back()->messages; }

void Node::start_process() {
    if (clock_rate_ != 1.0) MR_PROBE("sim.node.clock_drifts");
    processes_.push_back(std::make_unique<Process>(*this));
}

void Node::end_process(Death death) {
    Process& process = *processes_.back();
    process.disk->die();
    process.network->die(death);
    process.messages->die();
    // Its objects are closed in the ordinary way, for which they must run.
    process.executor.thaw();
}

void Node::crash() {
    MR_PROBE("sim.node.crashed");
    seams_.trace.note(seams_.clock.now(), "crash", name_);
    end_process(Death::kPowerCut);
    disk_.lose_power();
    start_process();
}

void Node::kill() {
    MR_PROBE("sim.node.killed");
    seams_.trace.note(seams_.clock.now(), "kill", name_);
    end_process(Death::kKill);
    start_process();
}

void Node::power_off() {
    if (!powered_) return;
    powered_ = false;
    // Unreachable first: a machine without power says no goodbyes.
    seams_.fabric.set_down(name_, true);
    crash();
}

void Node::power_on() {
    if (powered_) return;
    powered_ = true;
    seams_.fabric.set_down(name_, false);
}

void Node::pause() {
    if (paused()) return;
    MR_PROBE("sim.node.paused");
    seams_.trace.note(seams_.clock.now(), "pause", name_);
    processes_.back()->executor.freeze();
}

void Node::resume() {
    if (!paused()) return;
    seams_.trace.note(seams_.clock.now(), "resume", name_);
    processes_.back()->executor.thaw();
}

bool Node::paused() const { return processes_.back()->executor.frozen(); }

void Node::jump_wall_clock(std::chrono::milliseconds by) {
    MR_PROBE("sim.node.wall_clock_jumped");
    seams_.trace.note(seams_.clock.now(), "wall clock jumps", name_, static_cast<std::uint64_t>(by.count()));
    *wall_offset_ += by;
}

}  // namespace millrace::sim
