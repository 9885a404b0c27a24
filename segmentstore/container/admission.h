// SPDX-License-Identifier: Apache-2.0
//
// Credits: how many bytes may be admitted and not yet committed, and how many committed ones the log may have to keep
// until they are in long-term storage; over all containers of a process. Whoever feeds a container asks before it hands
// over the next append, so that an offset is given only to what memory and log have room for.
// Thread rule: one executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "common/base/check.h"
#include "common/runtime/signal.h"

namespace millrace::container {

class AdmissionCredits {
public:
    static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max() / 2;
    explicit AdmissionCredits(std::size_t bytes_max, std::uint64_t logged_max = kNoLimit)
        : bytes_max_{bytes_max}, logged_max_{logged_max} {}

    bool available() const { return taken_ < bytes_max_ && logged_ < logged_max_; }
    // A braked flow still gets a frame through now and then from this much more.
    static constexpr std::size_t kReserveBytes = 16 * 1024 * 1024;
    bool reserve_available() const {
        return taken_ < bytes_max_ + kReserveBytes && logged_ < logged_max_ + kReserveBytes;
    }

    void take(std::size_t bytes) { taken_ += bytes; }
    void give_back(std::size_t bytes) {
        MR_CHECK(bytes <= taken_);
        taken_ -= bytes;
        if (available()) changed_.notify_all();
    }
    std::size_t taken() const { return taken_; }

    // Committed; the log keeps them until they are let go.
    void log_keeps(std::uint64_t bytes) { logged_ += bytes; }
    void log_lets_go(std::uint64_t bytes) {
        MR_CHECK(bytes <= logged_);
        logged_ -= bytes;
        if (available()) changed_.notify_all();
    }
    std::uint64_t logged() const { return logged_; }

    // Waiters loop over their condition; also notified when a container becomes full or stops.
    Signal& changed() { return changed_; }

private:
    const std::size_t bytes_max_;
    const std::uint64_t logged_max_;
    std::size_t taken_ = 0;
    std::uint64_t logged_ = 0;
    Signal changed_;
};

}  // namespace millrace::container
