// SPDX-License-Identifier: Apache-2.0
//
// Credits: how many bytes may be admitted and not yet committed, over all containers of a process. Whoever feeds a
// container asks before it hands over the next append, so that an offset is given only to what memory has room for, and
// the log as well.
// Thread rule: one executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "common/base/check.h"
#include "common/runtime/signal.h"

namespace millrace::container {

class AdmissionCredits {
public:
    explicit AdmissionCredits(std::size_t bytes_max) : bytes_max_{bytes_max} {}

    // `room()` is how many bytes the log can take now; `kept_back` of them are not for appends, because tiering needs
    // the log to make room in it. Whoever makes room notifies changed().
    void limit_log(std::function<std::uint64_t()> room, std::uint64_t kept_back) {
        room_ = std::move(room);
        kept_back_ = kept_back;
    }

    bool available() const { return taken_ < bytes_max_ && log_takes(kept_back_); }
    // A braked flow still gets a frame through now and then from this much more.
    static constexpr std::size_t kReserveBytes = 16 * 1024 * 1024;
    bool reserve_available() const {
        return taken_ < bytes_max_ + kReserveBytes && log_takes(kept_back_ / 2);
    }

    void take(std::size_t bytes) { taken_ += bytes; }
    void give_back(std::size_t bytes) {
        MR_CHECK(bytes <= taken_);
        taken_ -= bytes;
        if (available()) changed_.notify_all();
    }
    std::size_t taken() const { return taken_; }

    // Waiters loop over their condition; also notified when a container becomes full or stops.
    Signal& changed() { return changed_; }

private:
    bool log_takes(std::uint64_t kept_back) const { return !room_ || room_() > taken_ + kept_back; }

    const std::size_t bytes_max_;
    std::function<std::uint64_t()> room_;
    std::uint64_t kept_back_ = 0;
    std::size_t taken_ = 0;
    Signal changed_;
};

}  // namespace millrace::container
