// SPDX-License-Identifier: Apache-2.0
//
// Credits: how many bytes may be admitted and not yet committed, over all containers of a process. Whoever feeds a
// container asks before it hands over the next append, so that an offset is given only to what memory has room for, and
// the log as well.
// Thread rule: one executor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/runtime/signal.h"

namespace millrace::container {

class AdmissionCredits {
public:
    explicit AdmissionCredits(std::size_t bytes_max) : bytes_max_{bytes_max} {}

    // `room()` is how many bytes the log can take now; `kept_back` of them are not for appends, because tiering needs
    // the log to make room in it. Each call adds a limit. Whoever makes room notifies changed().
    void limit_log(std::function<std::uint64_t()> room, std::uint64_t kept_back) {
        limits_.push_back({std::move(room), kept_back});
    }

    // While it says so appends wait, although there would be room for them. Whoever ends that notifies changed().
    void hold_back_while(std::function<bool()> condition) { held_back_ = std::move(condition); }

    bool available() const { return taken_ < bytes_max_ && log_takes(1) && !(held_back_ && held_back_()); }
    // A braked flow still gets a frame through now and then from this much more.
    static constexpr std::size_t kReserveBytes = 16 * 1024 * 1024;
    bool reserve_available() const {
        return taken_ < bytes_max_ + kReserveBytes && log_takes(2);
    }
    // For what is small and makes room in the end, such as deletions: it may have some of what is kept back.
    bool available_to_free() const { return taken_ < bytes_max_ && log_takes(4); }
    bool log_short() const { return !log_takes(1); }

    void take(std::size_t bytes) { taken_ += bytes; }
    void give_back(std::size_t bytes) {
        MR_CHECK(bytes <= taken_);
        taken_ -= bytes;
        if (available()) changed_.notify_all();
    }
    std::size_t taken() const { return taken_; }

    // Containers that are full, or have stopped ever. While there are none, nobody needs to look at each.
    std::size_t troubled() const { return troubled_; }
    void change_troubled(bool troubled) {
        MR_CHECK(troubled || troubled_ > 0);
        troubled ? ++troubled_ : --troubled_;
    }

    // Waiters loop over their condition; also notified when a container becomes full or stops.
    Signal& changed() { return changed_; }

private:
    struct Limit {
        std::function<std::uint64_t()> room;
        std::uint64_t kept_back = 0;
    };

    // More than is taken, and than this part of what is kept back.
    bool log_takes(std::uint64_t part) const {
        return std::all_of(limits_.begin(), limits_.end(),
                           [&](const Limit& limit) { return limit.room() > taken_ + limit.kept_back / part; });
    }

    const std::size_t bytes_max_;
    std::vector<Limit> limits_;
    std::function<bool()> held_back_;
    std::size_t taken_ = 0;
    std::size_t troubled_ = 0;
    Signal changed_;
};

}  // namespace millrace::container
