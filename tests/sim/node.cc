// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/node.h"

namespace millrace::sim {

namespace {

// "Blocking" work runs on the world's thread, a little later, in an order that the seed decides.
class SimBlockingPool final : public BlockingPool {
public:
    SimBlockingPool(Executor executor, SimClock& clock, std::uint64_t seed)
        : executor_{std::move(executor)}, clock_{clock}, random_{seed} {}

    void submit(UniqueFunction<void()> work) override {
        const auto takes = std::chrono::microseconds{random_.between(1, 500)};
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
        : disk{node.disk_.attach()},
          network{node.seams_.fabric.attach(node.name_)},
          random{node.random_.next()},
          blocking{node.seams_.executor, node.seams_.clock, node.random_.next()} {}

    std::unique_ptr<DiskSession> disk;
    std::unique_ptr<NetworkSession> network;
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
    return Runtime{seams_.executor,  seams_.clock,   *process.disk,
                   *process.network, process.random, process.blocking};
}

void Node::start_process() { processes_.push_back(std::make_unique<Process>(*this)); }

void Node::end_process() {
    processes_.back()->disk->die();
    processes_.back()->network->die();
}

void Node::crash() {
    seams_.trace.note(seams_.clock.now(), "crash", name_);
    end_process();
    disk_.lose_power();
    start_process();
}

void Node::kill() {
    seams_.trace.note(seams_.clock.now(), "kill", name_);
    end_process();
    start_process();
}

}  // namespace millrace::sim
