// SPDX-License-Identifier: Apache-2.0
//
// A whole cluster in one thread: one generator, virtual time, fake disks and networks. The same
// seed does the same thing, event for event (see digest()). Time stands still while anything is
// ready to run, then jumps to the next timer.
//
//     sim::World world{seed};
//     sim::Node& node = world.add_node("a");
//     auto journal = world.run([runtime = node.runtime()] { return Journal::open(runtime, {...});
//     }); node.crash();                       // power cut; node.runtime() is now that of the next
//     boot
//
// A process that dies in a simulation is not unwound by force. Its disk and network go dead at that
// instant (nothing it does afterwards has any effect outside itself, every call ends in kClosed),
// and its objects are then closed in the ordinary way: close() must end on dead hardware too.
// Thread rule: one thread. Lifetime: outlives every object that holds one of its Runtimes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "common/runtime/runtime.h"
#include "tests/sim/node.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/trace.h"
#include "tests/sim/world_hook.h"

namespace millrace::sim {

class World {
public:
    explicit World(std::uint64_t seed);
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    // What still runs loses its hardware and gets a last chance to end.
    ~World();

    std::uint64_t seed() const { return seed_; }
    // For the test's own decisions; the fakes have forks of their own.
    Random& random() { return random_; }
    std::uint64_t fork_seed() { return random_.next(); }
    Executor executor() const;
    SimClock& clock() { return clock_; }
    MonotonicTime now() const { return clock_.now(); }
    NetworkFabric& network() { return fabric_; }

    // `name` is the node's host name. The reference lives as long as the world.
    Node& add_node(std::string name, DiskOptions disk = {});

    // `name` is for blocked_tasks().
    void spawn(UniqueFunction<Task<void>()> start, std::string name = {});
    // The same on a node: it stands still while the node is paused.
    void spawn_on(Node& node, UniqueFunction<Task<void>()> start, std::string name = {});
    // The names of the tasks that were given one and have not ended, oldest first; for the message of a
    // test that waited in vain.
    std::string blocked_tasks() const;
    // Runs `work` at now + `delay`.
    void after(std::chrono::nanoseconds delay, UniqueFunction<void()> work);

    // Runs until `done()` (looked at after every step), at most `limit` of virtual time. False when
    // the limit came first, or nothing was left that could happen.
    bool run_until(UniqueFunction<bool()> done, std::chrono::nanoseconds limit);
    void run_for(std::chrono::nanoseconds duration);

    // Runs one coroutine to its end and returns its value. Past the limit the test process aborts
    // with the seed: a coroutine that cannot end cannot be destroyed either.
    template <class F, class Awaitable = std::invoke_result_t<F&>,
              class T = typename Awaitable::value_type>
    T run(F start, std::chrono::nanoseconds limit = std::chrono::hours{24}) {
        if constexpr (std::is_void_v<T>) {
            auto ended = std::make_shared<bool>(false);
            spawn([ended, start = std::move(start)]() mutable -> Task<void> {
                co_await start();
                *ended = true;
            });
            if (!run_until([ended] { return *ended; }, limit)) stuck();
        } else {
            auto value = std::make_shared<std::optional<T>>();
            spawn([value, start = std::move(start)]() mutable -> Task<void> {
                value->emplace(co_await start());
            });
            if (!run_until([value] { return value->has_value(); }, limit)) stuck();
            return std::move(**value);
        }
    }

    // Rare branches (MR_RARE) become likely from now on, in as far as this seed has them.
    void enable_rare() { hook_.enable_rare(); }
    // All faults end: nodes run and have power, ways are open, disks have room and do not fail, chances are zero.
    // What already broke stays broken.
    void heal();

    void note(std::string_view what, std::string_view on, std::uint64_t a = 0,
              std::uint64_t b = 0) {
        trace_.note(now(), what, on, a, b);
    }
    std::uint64_t digest() const { return trace_.digest(); }
    std::uint64_t events() const { return trace_.events(); }

private:
    void spawn_named(const Executor& executor, UniqueFunction<Task<void>()> start, std::string name);
    [[noreturn]] void stuck() const;
    bool step();  // false when nothing is ready

    struct Loop;  // the io_context, which stays out of this header

    std::uint64_t seed_;
    SeededRandom random_;
    Trace trace_;
    // Destroyed last: whatever the others drop is unwound on it.
    std::unique_ptr<Loop> loop_;
    SimClock clock_{trace_};
    WorldHook hook_{seed_, clock_, trace_};
    NetworkFabric fabric_;
    std::map<std::uint64_t, std::string> named_tasks_;
    std::uint64_t last_task_ = 0;
    std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace millrace::sim
