// SPDX-License-Identifier: Apache-2.0
//
// What happened in a world, as one number: two runs of one seed must give the same digest, or some
// order came from outside the seed. MILLRACE_SIM_TRACE=1 prints each event to stderr.
// Thread rule: the world's thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/runtime/clock.h"

namespace millrace::sim {

class Trace {
public:
    Trace();

    // `what` and `on` are names, `a` and `b` numbers that mean something to the event.
    void note(MonotonicTime when, std::string_view what, std::string_view on, std::uint64_t a = 0,
              std::uint64_t b = 0);
    std::uint64_t digest() const { return digest_; }
    std::uint64_t events() const { return events_; }

private:
    void mix(std::uint64_t value);
    void mix(std::string_view text);

    std::uint64_t digest_ = 0x6d696c6c72616365;
    std::uint64_t events_ = 0;
    bool print_ = false;
};

}  // namespace millrace::sim
