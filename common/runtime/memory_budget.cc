// SPDX-License-Identifier: Apache-2.0
#include "common/runtime/memory_budget.h"

#include <algorithm>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/unique_function.h"
#include "common/runtime/executor.h"

namespace millrace {

// One take() that waits. Whoever takes it out of the list owns its wake-up.
struct MemoryBudget::Waiter {
    // Constant once it is in the list.
    std::shared_ptr<Core> core;
    std::size_t bytes = 0;
    // Set by whoever took it out of the list, before the wake-up; the coroutine's afterwards.
    enum class Outcome { kWaits, kGranted, kTimedOut, kCancelled } outcome = Outcome::kWaits;
    Grant grant;
    UniqueFunction<void()> resume;
};

class MemoryBudget::Core : public std::enable_shared_from_this<MemoryBudget::Core> {
public:
    explicit Core(std::size_t bytes_max) : bytes_max_{bytes_max} {}

    Grant try_take(std::size_t bytes, std::size_t at_most) {
        const MutexLock lock{mutex_};
        const std::size_t bound = std::min(bytes_max_, at_most);
        if (!waiters_.empty() || taken_ > bound || bytes > bound - taken_) return {};
        return take_now(bytes);
    }

    // Grants at once or enters the list. Whether the coroutine may go on at once.
    bool enter(const std::shared_ptr<Waiter>& waiter) {
        const MutexLock lock{mutex_};
        if (waiters_.empty() && waiter->bytes <= bytes_max_ - taken_) {
            waiter->grant = take_now(waiter->bytes);
            waiter->outcome = Waiter::Outcome::kGranted;
            return true;
        }
        ++waits_;
        waiters_.push_back(waiter);
        return false;
    }

    void leave(const std::shared_ptr<Waiter>& waiter, Waiter::Outcome outcome) {
        std::vector<std::shared_ptr<Waiter>> woken;
        {
            const MutexLock lock{mutex_};
            const auto found = std::find(waiters_.begin(), waiters_.end(), waiter);
            if (found == waiters_.end()) return;  // granted already
            waiter->outcome = outcome;
            woken.push_back(waiter);
            waiters_.erase(found);
            grant_in_order(woken);  // it may have been in the way of smaller wishes
        }
        wake(woken);
    }

    void give_back(std::size_t bytes) {
        std::vector<std::shared_ptr<Waiter>> woken;
        {
            const MutexLock lock{mutex_};
            MR_CHECK(bytes <= taken_);
            taken_ -= bytes;
            grant_in_order(woken);
        }
        wake(woken);
    }

    std::size_t bytes_max() const { return bytes_max_; }
    std::size_t taken() const {
        const MutexLock lock{mutex_};
        return taken_;
    }
    std::size_t most_taken() const {
        const MutexLock lock{mutex_};
        return most_taken_;
    }
    std::size_t waiting() const {
        const MutexLock lock{mutex_};
        return waiters_.size();
    }
    std::uint64_t waits() const {
        const MutexLock lock{mutex_};
        return waits_;
    }

private:
    // Outside the lock. The functions leave their waiters first: the coroutines may go on at once.
    static void wake(const std::vector<std::shared_ptr<Waiter>>& woken) {
        for (const auto& one : woken) std::exchange(one->resume, nullptr)();
    }
    Grant take_now(std::size_t bytes) MR_REQUIRES(mutex_) {
        taken_ += bytes;
        most_taken_ = std::max(most_taken_, taken_);
        return Grant{shared_from_this(), bytes};
    }
    void grant_in_order(std::vector<std::shared_ptr<Waiter>>& woken) MR_REQUIRES(mutex_) {
        while (!waiters_.empty() && waiters_.front()->bytes <= bytes_max_ - taken_) {
            std::shared_ptr<Waiter>& first = waiters_.front();
            first->grant = take_now(first->bytes);
            first->outcome = Waiter::Outcome::kGranted;
            woken.push_back(std::move(first));
            waiters_.pop_front();
        }
    }

    const std::size_t bytes_max_;
    mutable Mutex mutex_;
    std::size_t taken_ MR_GUARDED_BY(mutex_) = 0;
    std::size_t most_taken_ MR_GUARDED_BY(mutex_) = 0;
    std::uint64_t waits_ MR_GUARDED_BY(mutex_) = 0;
    std::list<std::shared_ptr<Waiter>> waiters_ MR_GUARDED_BY(mutex_);
};

void MemoryBudget::Grant::release() {
    if (core_ == nullptr) return;
    const std::shared_ptr<Core> core = std::move(core_);
    core_ = nullptr;
    core->give_back(std::exchange(bytes_, 0));
}

void MemoryBudget::Wait::cancel() {
    cancelled_ = true;
    if (waiter_ == nullptr) return;
    const std::shared_ptr<Waiter> waiter = waiter_;
    waiter->core->leave(waiter, Waiter::Outcome::kCancelled);
}

MemoryBudget::MemoryBudget(std::size_t bytes_max) : core_{std::make_shared<Core>(bytes_max)} {}

MemoryBudget::~MemoryBudget() { MR_CHECK(core_->waiting() == 0); }

MemoryBudget::Grant MemoryBudget::try_take(std::size_t bytes, std::size_t at_most) {
    return core_->try_take(bytes, at_most);
}

Task<Result<MemoryBudget::Grant>> MemoryBudget::take(std::size_t bytes, Clock& clock, Deadline deadline, Wait& wait) {
    const auto what = [&] { return std::to_string(bytes) + " bytes of a budget of " + std::to_string(core_->bytes_max()); };
    if (bytes > core_->bytes_max()) co_return Error{ErrorCode::kTooLarge, what() + " can never be had"};
    if (wait.cancelled_) co_return Error{ErrorCode::kCancelled, "waiting for " + what() + " was given up"};
    auto waiter = std::make_shared<Waiter>();
    waiter->core = core_;
    waiter->bytes = bytes;
    if (Grant now = core_->try_take(bytes, SIZE_MAX)) co_return now;
    const Executor home = co_await this_executor();
    wait.waiter_ = waiter;
    std::optional<Clock::TimerId> timer;
    co_await suspend([&](UniqueFunction<void()> resume) {
        waiter->resume = std::move(resume);
        if (core_->enter(waiter)) {
            std::exchange(waiter->resume, nullptr)();
            return;
        }
        // From here on the coroutine may go on on another thread's word, but only on this executor:
        // not before this call has ended.
        if (!deadline.is_never()) {
            timer = clock.schedule(deadline.when(), home,
                                   [waiter] { waiter->core->leave(waiter, Waiter::Outcome::kTimedOut); });
        }
    });
    if (timer) clock.cancel(*timer);
    wait.waiter_ = nullptr;
    switch (waiter->outcome) {
        case Waiter::Outcome::kGranted: co_return std::move(waiter->grant);
        case Waiter::Outcome::kTimedOut:
            co_return Error{ErrorCode::kTimedOut,
                            what() + " were not free in time; " + std::to_string(core_->taken()) + " are taken"};
        case Waiter::Outcome::kCancelled:
        case Waiter::Outcome::kWaits: break;
    }
    co_return Error{ErrorCode::kCancelled, "waiting for " + what() + " was given up"};
}

std::size_t MemoryBudget::bytes_max() const { return core_->bytes_max(); }
std::size_t MemoryBudget::taken() const { return core_->taken(); }
std::size_t MemoryBudget::most_taken() const { return core_->most_taken(); }
std::size_t MemoryBudget::waiting() const { return core_->waiting(); }
std::uint64_t MemoryBudget::waits() const { return core_->waits(); }

}  // namespace millrace
