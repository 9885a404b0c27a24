// SPDX-License-Identifier: Apache-2.0
#include "cli/acknowledgements.h"

#include "cli/machine.h"

namespace millrace::cli {

void Acknowledgements::ended(std::uint64_t number, bool acknowledged) {
    const client::MutexLock lock{mutex_};
    if (++ended_ >= awaited_) {
        awaited_ = kNobodyWaits;
        enough_.notify_all();
    }
    if (!acknowledged) return;
    ++acknowledged_;
    const std::uint64_t index = number - last_ - 1;
    if (index >= behind_.size()) behind_.resize(index + 1);
    behind_[index] = true;
    while (!behind_.empty() && behind_.front()) {
        behind_.pop_front();
        ++last_;
    }
}

void Acknowledgements::wait_until_ended(std::uint64_t count, std::chrono::nanoseconds duration) {
    const std::int64_t end_ns = now_ns() + duration.count();
    const client::MutexLock lock{mutex_};
    while (ended_ < count) {
        const std::chrono::nanoseconds left{end_ns - now_ns()};
        if (left.count() <= 0) break;
        awaited_ = count;
        enough_.wait_for(mutex_, left);
    }
    awaited_ = kNobodyWaits;
}

Acknowledgements::Totals Acknowledgements::totals() const {
    const client::MutexLock lock{mutex_};
    return {ended_, acknowledged_, last_, behind_.size()};
}

}  // namespace millrace::cli
