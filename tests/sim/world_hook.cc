// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world_hook.h"

#include "tests/sim/probes.h"

namespace millrace::sim {

bool WorldHook::rare(const char* name) {
    if (!rare_enabled_) return false;
    auto site = one_in_.find(std::string_view{name});
    if (site == one_in_.end()) {
        std::uint64_t hash = 0xcbf29ce484222325 ^ seed_;
        for (const char c : std::string_view{name}) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        SeededRandom chance{hash};
        const bool on = chance.one_in(3);
        site = one_in_.emplace(name, on ? chance.between(2, 25) : 0).first;
    }
    if (site->second == 0 || !random_.one_in(site->second)) return false;
    trace_.note(clock_.now(), "rare", name);
    count_probe(name);
    return true;
}

void WorldHook::probe(const char* name) { count_probe(name); }

void WorldHook::error_line(std::string_view line) { record_error_line(line); }

}  // namespace millrace::sim
