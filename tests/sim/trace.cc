// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/trace.h"

#include <cstdio>
#include <cstdlib>

namespace millrace::sim {

Trace::Trace() : print_{std::getenv("MILLRACE_SIM_TRACE") != nullptr} {}

void Trace::note(MonotonicTime when, std::string_view what, std::string_view on, std::uint64_t a,
                 std::uint64_t b) {
    ++events_;
    mix(static_cast<std::uint64_t>(when.time_since_epoch().count()));
    mix(what);
    mix(on);
    mix(a);
    mix(b);
    if (print_) {
        std::fprintf(stderr, "%12.6f %.*s %.*s %llu %llu\n",
                     static_cast<double>(when.time_since_epoch().count()) / 1e9,
                     static_cast<int>(what.size()), what.data(), static_cast<int>(on.size()),
                     on.data(), static_cast<unsigned long long>(a),
                     static_cast<unsigned long long>(b));
    }
}

void Trace::mix(std::uint64_t value) {
    // splitmix64's finaliser: every bit of the event reaches every bit of the digest.
    digest_ ^= value + 0x9e3779b97f4a7c15 + (digest_ << 6) + (digest_ >> 2);
    digest_ = (digest_ ^ (digest_ >> 30)) * 0xbf58476d1ce4e5b9;
    digest_ = (digest_ ^ (digest_ >> 27)) * 0x94d049bb133111eb;
    digest_ ^= digest_ >> 31;
}

void Trace::mix(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    mix(hash);
}

}  // namespace millrace::sim
