// SPDX-License-Identifier: Apache-2.0
//
// A waiter is a suspended coroutine's handler, kept in the list; whoever takes it out of the list
// owns the wake-up, so a notify and a timer can never both resume it.
#include "common/runtime/signal.h"

#include <memory>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/runtime/executor.h"
#include "common/runtime/rare.h"

namespace millrace {

namespace {

// Resumes the coroutine behind `handler` through its executor.
template <class Handler>
void post_wake_up(Handler handler, bool notified) {
    auto executor = boost::asio::get_associated_executor(handler);
    boost::asio::post(executor, [handler = std::move(handler), notified]() mutable { std::move(handler)(notified); });
}

Task<bool> completed_by(auto initiation) {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(bool)>(
        std::move(initiation), boost::asio::use_awaitable);
}

}  // namespace

Signal::~Signal() {
    // A destroyed handler destroys its coroutine (through its executor). Destructors of captures may
    // look at this object again, so the list is emptied first.
    const Waiters forgotten = std::move(waiters_);
    waiters_.clear();
}

Task<void> Signal::wait() {
    co_await completed_by([this](auto handler) {
        waiters_.emplace_back([handler = std::move(handler)](bool notified) mutable {
            post_wake_up(std::move(handler), notified);
        });
    });
}

Task<bool> Signal::wait_until(Clock& clock, MonotonicTime when) {
    if (when == MonotonicTime::max()) {
        co_await wait();
        co_return true;
    }
    const Executor home = co_await this_executor();
    Clock::TimerId timer{};
    // The lambda's references are into this frame, which lives until the wake-up.
    const bool notified = co_await completed_by([this, &clock, &home, &timer, when](auto handler) {
        const auto place = waiters_.emplace(waiters_.end());
        // Only the waiter owns the place: once it has left the list (or the Signal is gone), a timer
        // that fires late finds nothing.
        auto owned_place = std::make_shared<Waiters::iterator>(place);
        std::weak_ptr<Waiters::iterator> timer_place = owned_place;
        *place = [handler = std::move(handler), owned_place = std::move(owned_place)](bool by_notify) mutable {
            post_wake_up(std::move(handler), by_notify);
        };
        timer = clock.schedule(when, home, [this, timer_place = std::move(timer_place)] {
            const auto found = timer_place.lock();
            if (!found) return;
            auto waiter = std::move(**found);
            waiters_.erase(*found);
            waiter(false);
        });
    });
    if (notified) clock.cancel(timer);
    co_return notified;
}

void Signal::notify_one() {
    if (waiters_.empty()) return;
    // Waiters loop over their condition, so one that is woken for nothing waits again.
    if (MR_RARE("runtime.woken_for_nothing")) return notify_all();
    auto waiter = std::move(waiters_.front());
    waiters_.pop_front();
    waiter(true);
}

void Signal::notify_all() {
    Waiters woken = std::move(waiters_);
    waiters_.clear();
    for (auto& waiter : woken) waiter(true);
}

}  // namespace millrace
