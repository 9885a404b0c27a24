// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/fault_plan.h"

namespace millrace::sim {

FaultPlan FaultPlan::draw(Random& random) {
    FaultPlan plan;
    const std::uint64_t kind_of_seed = random.between(0, 16);
    for (std::size_t i = 0; i < kFaultCount; ++i) {
        const bool on = random.one_in(2);
        if (kind_of_seed != 0 && (on || kind_of_seed == 1)) plan.kinds.insert(static_cast<Fault>(i));
    }
    plan.pause_max = std::chrono::milliseconds{random.between(10, 500)};
    plan.lasts_max = std::chrono::milliseconds{random.between(50, 3000)};
    return plan;
}

FaultPlan FaultPlan::only(std::set<Fault> kinds) {
    FaultPlan plan;
    plan.kinds = std::move(kinds);
    return plan;
}

struct FaultInjector::State : std::enable_shared_from_this<FaultInjector::State> {
    State(World& w, FaultPlan p, std::vector<FaultTarget> n)
        : world{w}, random{w.fork_seed()}, plan{std::move(p)}, nodes{std::move(n)}, down(nodes.size(), false) {}

    void begin();
    void strike_later();
    void strike(Fault fault);
    void strike_node(Fault fault, std::size_t index);
    void strike_way(Fault fault);
    void strike_disk(Fault fault, SimDisk& disk);
    void restart(std::size_t index);

    std::chrono::milliseconds lasts() {
        return std::chrono::milliseconds{random.between(1, static_cast<std::uint64_t>(plan.lasts_max.count()) + 1)};
    }
    // Runs `work` later unless all was healed meanwhile.
    void then(std::chrono::nanoseconds delay, UniqueFunction<void()> work) {
        world.after(delay, [self = shared_from_this(), work = std::move(work)]() mutable {
            if (self->active) work();
        });
    }

    World& world;
    SeededRandom random;
    FaultPlan plan;
    std::vector<FaultTarget> nodes;
    std::vector<bool> down;
    bool active = false;
    std::uint64_t strikes = 0;
};

void FaultInjector::State::begin() {
    active = true;
    NetworkOptions& network = world.network().options();
    if (plan.has(Fault::kDelaySpikes)) network.spike_one_in = static_cast<std::uint32_t>(random.between(20, 300));
    if (plan.has(Fault::kCut)) network.break_one_in = static_cast<std::uint32_t>(random.between(50, 500));
    if (plan.has(Fault::kSilence)) network.silence_one_in = static_cast<std::uint32_t>(random.between(100, 1000));
    if (plan.has(Fault::kBadConnects)) {
        network.refuse_one_in = static_cast<std::uint32_t>(random.between(2, 20));
        network.hang_one_in = static_cast<std::uint32_t>(random.between(5, 30));
    }
    if (plan.has(Fault::kMessages)) {
        MessageOptions& messages = world.network().message_options();
        messages.drop_one_in = static_cast<std::uint32_t>(random.between(2, 50));
        messages.repeat_one_in = static_cast<std::uint32_t>(random.between(2, 50));
        messages.reorder_one_in = static_cast<std::uint32_t>(random.between(2, 50));
    }
    for (FaultTarget& target : nodes) {
        SimDisk& disk = target.node->disk();
        if (plan.has(Fault::kDiskCorruption)) disk.options().corrupt_one_in = static_cast<std::uint32_t>(random.between(1, 5));
        if (plan.has(Fault::kDiskStall)) disk.faults().stall_one_in = static_cast<std::uint32_t>(random.between(50, 1000));
        // One node keeps true time, so that the others differ from it.
        if (plan.has(Fault::kClockDrift) && &target != &nodes.front()) {
            target.node->set_clock_rate(0.95 + 0.1 * random.unit());
        }
    }
    strike_later();
}

void FaultInjector::State::strike_later() {
    const auto low = static_cast<std::uint64_t>(plan.pause_min.count());
    const auto high = std::max(low, static_cast<std::uint64_t>(plan.pause_max.count()));
    then(std::chrono::milliseconds{random.between(low, high + 1)}, [self = shared_from_this()] {
        auto kind = self->plan.kinds.begin();
        if (self->plan.kinds.empty()) return;
        std::advance(kind, static_cast<std::ptrdiff_t>(self->random.between(0, self->plan.kinds.size())));
        ++self->strikes;
        self->strike(*kind);
        self->strike_later();
    });
}

void FaultInjector::State::strike(Fault fault) {
    switch (fault) {
        case Fault::kPartition:
        case Fault::kOneWay:
        case Fault::kClog:
        case Fault::kSlowWay:
        case Fault::kCut:
        case Fault::kSilence:
            return strike_way(fault);
        case Fault::kDelaySpikes:
        case Fault::kBadConnects:
        case Fault::kMessages:
        case Fault::kDiskCorruption:
        case Fault::kClockDrift:
            return;  // a state of the whole run
        default:
            return strike_node(fault, random.between(0, nodes.size()));
    }
}

void FaultInjector::State::strike_node(Fault fault, std::size_t index) {
    FaultTarget& target = nodes[index];
    Node& node = *target.node;
    switch (fault) {
        case Fault::kKill:
        case Fault::kPowerCut: {
            if (!target.stop || down[index]) return;
            down[index] = true;
            const bool silent = fault == Fault::kPowerCut && random.one_in(2);
            if (silent) world.network().set_down(node.name(), true);
            target.stop(fault == Fault::kKill ? Death::kKill : Death::kPowerCut);
            then(lasts(), [self = shared_from_this(), index] { self->restart(index); });
            return;
        }
        case Fault::kPause:
            if (node.paused()) return;
            node.pause();
            return then(lasts(), [&node] { node.resume(); });
        case Fault::kClockJump: {
            const std::chrono::milliseconds by{static_cast<std::int64_t>(random.between(0, 2 * 3'600'000)) - 3'600'000};
            return node.jump_wall_clock(by);
        }
        default:
            return strike_disk(fault, node.disk());
    }
}

void FaultInjector::State::strike_disk(Fault fault, SimDisk& disk) {
    switch (fault) {
        case Fault::kDiskSlow:
            disk.options().slow_factor = static_cast<std::uint32_t>(random.between(2, 100));
            return then(lasts(), [&disk] { disk.options().slow_factor = 1; });
        case Fault::kDiskStall:
            return disk.stall(lasts());
        case Fault::kDiskFull:
            disk.fill_up(random.between(0, 2000));
            return then(lasts(), [&disk] { disk.make_room(); });
        case Fault::kDiskErrors: {
            const std::uint64_t call = random.between(1, 6);
            switch (random.between(0, 3)) {
                case 0: disk.faults().fail_write_in = call; break;
                case 1: disk.faults().fail_sync_in = call; break;
                default: disk.faults().fail_read_in = call; break;
            }
            return;
        }
        default:
            return;
    }
}

void FaultInjector::State::strike_way(Fault fault) {
    if (nodes.size() < 2) return;
    const std::size_t first = random.between(0, nodes.size());
    const std::size_t second = (first + random.between(1, nodes.size())) % nodes.size();
    const std::string& from = nodes[first].node->name();
    const std::string& to = nodes[second].node->name();
    NetworkFabric& network = world.network();
    switch (fault) {
        case Fault::kPartition:
        case Fault::kOneWay:
            if (fault == Fault::kPartition) {
                MR_PROBE("sim.network.partitioned");
                network.partition(from, to);
            } else {
                MR_PROBE("sim.network.partitioned_one_way");
                network.partition_one_way(from, to);
            }
            return then(lasts(), [&network, from, to] { network.heal(from, to); });
        case Fault::kClog:
            return network.clog(from, to, lasts());
        case Fault::kSlowWay:
            MR_PROBE("sim.network.slow_way");
            network.slow(from, to, std::chrono::milliseconds{random.between(1, 500)});
            return then(lasts(), [&network, from, to] { network.slow(from, to, std::chrono::nanoseconds{0}); });
        case Fault::kCut:
            MR_PROBE("sim.network.cut");
            return network.cut(from, to);
        default:
            return network.silence(from, to);
    }
}

void FaultInjector::State::restart(std::size_t index) {
    if (!down[index]) return;
    down[index] = false;
    world.network().set_down(nodes[index].node->name(), false);
    nodes[index].start();
}

FaultInjector::FaultInjector(World& world, FaultPlan plan, std::vector<FaultTarget> nodes)
    : state_{std::make_shared<State>(world, std::move(plan), std::move(nodes))} {}

FaultInjector::~FaultInjector() { state_->active = false; }

void FaultInjector::start() { state_->begin(); }

void FaultInjector::heal() {
    state_->active = false;
    state_->world.heal();
    for (std::size_t i = 0; i < state_->nodes.size(); ++i) state_->restart(i);
}

std::uint64_t FaultInjector::strikes() const { return state_->strikes; }

}  // namespace millrace::sim
