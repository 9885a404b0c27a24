// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>

namespace millrace::sim {

struct World::Loop {
    boost::asio::io_context io{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work =
        boost::asio::make_work_guard(io);
};

World::World(std::uint64_t seed)
    : seed_{seed},
      random_{seed},
      loop_{std::make_unique<Loop>()},
      fabric_{NetworkFabric::Seams{loop_->io.get_executor(), clock_, trace_, random_.next()}} {}

World::~World() {
    const WorldHook::Scope scope{hook_};
    for (auto& node : nodes_) node->kill();
    fabric_.shut_down();
    // Dead hardware answers soon, and sleepers wake however late: whoever waits ends now. A loop
    // that never looks whether its node still lives is cut off.
    constexpr int kStepsMax = 1'000'000;
    for (int steps = 0; steps < kStepsMax; ++steps) {
        if (step()) continue;
        if (!clock_.next_due()) break;
        clock_.fire_next();
    }
    clock_.clear();
    while (step()) {
    }
}

Executor World::executor() const { return loop_->io.get_executor(); }

Node& World::add_node(std::string name, DiskOptions disk) {
    nodes_.push_back(std::make_unique<Node>(
        Node::Seams{executor(), clock_, trace_, fabric_, random_.next()}, std::move(name), disk));
    return *nodes_.back();
}

void World::spawn(UniqueFunction<Task<void>()> start, std::string name) {
    spawn_named(executor(), std::move(start), std::move(name));
}

void World::spawn_on(Node& node, UniqueFunction<Task<void>()> start, std::string name) {
    spawn_named(node.runtime().executor, std::move(start), std::move(name));
}

void World::spawn_named(const Executor& executor, UniqueFunction<Task<void>()> start, std::string name) {
    if (name.empty()) return millrace::spawn(executor, std::move(start));
    const std::uint64_t id = ++last_task_;
    named_tasks_.emplace(id, std::move(name));
    millrace::spawn(executor, [this, id, start = std::move(start)]() mutable -> Task<void> {
        co_await start();
        named_tasks_.erase(id);
    });
}

std::string World::blocked_tasks() const {
    std::string text;
    for (const auto& [id, name] : named_tasks_) text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? "no named task" : text;
}

void World::heal() {
    const WorldHook::Scope scope{hook_};
    note("heal", {});
    for (auto& node : nodes_) {
        node->power_on();
        node->resume();
        node->disk().faults() = {};
        node->disk().options().slow_factor = 1;
        node->disk().make_room();
    }
    NetworkOptions& network = fabric_.options();
    network.spike_one_in = network.break_one_in = network.silence_one_in = 0;
    network.refuse_one_in = network.hang_one_in = 0;
    MessageOptions& messages = fabric_.message_options();
    messages.drop_one_in = messages.repeat_one_in = messages.reorder_one_in = 0;
    fabric_.heal_all();
}

void World::after(std::chrono::nanoseconds delay, UniqueFunction<void()> work) {
    clock_.schedule(now() + delay, executor(), std::move(work));
}

bool World::step() { return loop_->io.poll_one() > 0; }

bool World::run_until(UniqueFunction<bool()> done, std::chrono::nanoseconds limit) {
    const WorldHook::Scope scope{hook_};
    const MonotonicTime end = now() + limit;
    // Somebody who yields in a loop keeps time from passing.
    constexpr std::uint64_t kStepsPerInstantMax = 20'000'000;
    std::uint64_t steps = 0;
    for (;;) {
        if (done()) return true;
        if (step()) {
            if (++steps > kStepsPerInstantMax) stuck();
            continue;
        }
        steps = 0;
        const auto due = clock_.next_due();
        if (!due) return false;
        if (*due > end) {
            clock_.jump_to(end);
            return false;
        }
        clock_.fire_next();
    }
}

void World::run_for(std::chrono::nanoseconds duration) {
    const MonotonicTime end = now() + duration;
    run_until([] { return false; }, duration);
    if (now() < end) clock_.jump_to(end);
}

void World::stuck() const {
    std::fprintf(stderr,
                 "sim::World of seed %llu: a coroutine did not end by virtual time %.3f s (blocked: %s)\n",
                 static_cast<unsigned long long>(seed_),
                 static_cast<double>(now().time_since_epoch().count()) / 1e9, blocked_tasks().c_str());
    std::abort();
}

}  // namespace millrace::sim
