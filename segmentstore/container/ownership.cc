// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/ownership.h"

#include <utility>

#include "common/base/check.h"

namespace millrace::container {

Ownership::Ownership(Clock& clock, log::DurableLog& log, Events events)
    : clock_{clock}, log_{log}, events_{std::move(events)} {}

Ownership::~Ownership() { MR_CHECK(gate_.inside() == 0); }

void Ownership::start(const Executor& executor) {
    gate_.spawn(executor, [this] { return check_loop(); });
}

Task<void> Ownership::close() {
    closed_ = true;
    work_.notify_all();
    co_await gate_.close();
}

OwnershipCheck Ownership::ask() {
    asked_ = next(begun_);
    work_.notify_all();
    return asked_;
}

Task<void> Ownership::check_loop() {
    for (;;) {
        while (!closed_ && asked_ <= passed_) co_await work_.wait();
        if (closed_) co_return;
        // Who asks from here on cannot be told by this check.
        begun_ = next(begun_);
        const OwnershipCheck check = begun_;
        const Result<void> confirmed = co_await log_.confirm_ownership();
        if (closed_) co_return;
        if (confirmed) {
            passed_ = check;
            events_.confirmed();
            continue;
        }
        if (!confirmed.error().is(ErrorCode::kUnavailable)) co_return events_.lost(confirmed.error());
        // The next check has another number, and proves what this one should have.
        asked_ = next(begun_);
        const MonotonicTime again = clock_.now() + kRetry;
        while (!closed_ && clock_.now() < again) co_await work_.wait_until(clock_, again);
    }
}

}  // namespace millrace::container
