// SPDX-License-Identifier: Apache-2.0
#include "cli/acknowledgements.h"

namespace millrace::cli {

void Acknowledgements::ended(std::uint64_t number, bool acknowledged) {
    const client::MutexLock lock{mutex_};
    ++ended_;
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

Acknowledgements::Totals Acknowledgements::totals() const {
    const client::MutexLock lock{mutex_};
    return {ended_, acknowledged_, last_, behind_.size()};
}

}  // namespace millrace::cli
