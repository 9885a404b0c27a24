// SPDX-License-Identifier: Apache-2.0
//
// "No new work, wait for the old." Every background coroutine and every call that must not outlive
// its object holds a Pass; close() refuses new ones and completes when the last is gone.
// Thread rule: executor-confined. Lifetime: close() must have completed before destruction.
#pragma once

#include <cstddef>
#include <utility>

#include "common/base/result.h"
#include "common/runtime/executor.h"
#include "common/runtime/signal.h"

namespace millrace {

class Gate {
public:
    class Pass {
    public:
        Pass() = default;
        Pass(Pass&& other) noexcept : gate_{std::exchange(other.gate_, nullptr)} {}
        Pass& operator=(Pass&& other) noexcept {
            if (this != &other) {
                release();
                gate_ = std::exchange(other.gate_, nullptr);
            }
            return *this;
        }
        ~Pass() { release(); }

    private:
        friend class Gate;
        explicit Pass(Gate& gate) : gate_{&gate} { ++gate.inside_; }
        void release();
        Gate* gate_ = nullptr;
    };

    Gate() = default;
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    ~Gate();

    // kClosed once close() has begun.
    Result<Pass> enter();

    // Runs a coroutine inside the gate; dropped silently when the gate is closed already.
    void spawn(const Executor& executor, UniqueFunction<Task<void>()> start);

    // Refuses new passes, completes when none is left. The owner first cancels what its background
    // work waits for. May be called more than once.
    Task<void> close();
    // Refuses new passes from now on, without waiting.
    void shut() { closed_ = true; }

    bool closed() const { return closed_; }
    std::size_t inside() const { return inside_; }

private:
    std::size_t inside_ = 0;
    bool closed_ = false;
    Signal empty_;
};

}  // namespace millrace
