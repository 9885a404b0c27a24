// SPDX-License-Identifier: Apache-2.0
//
// A world's end of common/runtime/rare.h. Whether a rare site is on in a seed at all, and how often it then fires, depends on
// seed and name only; when, on a generator of its own, so that a run replays.
// Thread rule: the world's thread.
#pragma once

#include <map>
#include <string>

#include "common/runtime/random.h"
#include "common/runtime/rare.h"
#include "tests/sim/sim_clock.h"

namespace millrace::sim {

class WorldHook final : public SimulationHook {
public:
    WorldHook(std::uint64_t seed, SimClock& clock, Trace& trace)
        : seed_{seed}, random_{seed ^ 0x72617265}, clock_{clock}, trace_{trace} {}

    void enable_rare() { rare_enabled_ = true; }

    bool rare(const char* name) override;
    void probe(const char* name) override;
    void error_line(std::string_view line) override;

    // While it lives, the hook of this thread is this one.
    class Scope {
    public:
        explicit Scope(WorldHook& hook) : before_{std::exchange(simulation_hook, &hook)} {}
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;
        ~Scope() { simulation_hook = before_; }

    private:
        SimulationHook* before_;
    };

private:
    std::uint64_t seed_;
    SeededRandom random_;
    SimClock& clock_;
    Trace& trace_;
    bool rare_enabled_ = false;
    std::map<std::string, std::uint64_t, std::less<>> one_in_;  // 0: off in this seed
};

}  // namespace millrace::sim
