// SPDX-License-Identifier: Apache-2.0
#include "common/runtime/gate.h"

#include <utility>

#include "common/runtime/rare.h"

namespace millrace {

void Gate::Pass::release() {
    Gate* const gate = std::exchange(gate_, nullptr);
    if (gate == nullptr) return;
    if (--gate->inside_ == 0 && gate->closed_) gate->empty_.notify_all();
}

Gate::~Gate() { MR_CHECK(inside_ == 0); }

Result<Gate::Pass> Gate::enter() {
    if (closed_) {
        MR_PROBE("runtime.gate_refused");
        return Error{ErrorCode::kClosed, "closing"};
    }
    return Pass{*this};
}

void Gate::spawn(const Executor& executor, UniqueFunction<Task<void>()> start) {
    auto pass = enter();
    if (!pass) return;
    millrace::spawn(executor, [start = std::move(start), pass = std::move(pass).value()]() mutable -> Task<void> {
        co_await start();
        // What the coroutine captured goes before the pass: its destructors may need the gate's owner.
        start = nullptr;
        pass = Pass{};
    });
}

Task<void> Gate::close() {
    closed_ = true;
    while (inside_ > 0) {
        MR_PROBE("runtime.gate_waits");
        co_await empty_.wait();
    }
}

}  // namespace millrace
