// SPDX-License-Identifier: Apache-2.0
//
// Doors through which a simulation looks into ordinary code; outside one they cost a test of a thread-local
// pointer and do nothing.
//
//     if (MR_RARE("journal.roll_early")) ...  // makes an unlikely branch likely, in some seeds
//     MR_PROBE("journal.recovered_torn_tail");  // notes that this place was reached, summed over seeds
//
// A rare site must be something that correct code could do anyway: a simulation only makes it do so more often.
// Names are "<room>.<what>", literals, and each belongs to one place: scripts/probes.py finds them in the
// source and says which were never reached. Thread rule: any thread; the hook is the thread's own.
#pragma once

#include <string_view>

namespace millrace {

class SimulationHook {
public:
    virtual ~SimulationHook() = default;
    virtual bool rare(const char* name) = 0;
    virtual void probe(const char* name) = 0;
    // A log line of level error, as it was written.
    virtual void error_line(std::string_view line) = 0;
};

// Set by tests/sim around every step of a simulated world; null everywhere else.
inline constinit thread_local SimulationHook* simulation_hook = nullptr;

}  // namespace millrace

#define MR_RARE(name) \
    (::millrace::simulation_hook != nullptr && ::millrace::simulation_hook->rare("" name))
#define MR_PROBE(name)                                                                                \
    do {                                                                                              \
        if (::millrace::simulation_hook != nullptr) [[unlikely]]                                      \
            ::millrace::simulation_hook->probe("" name);                                              \
    } while (false)
