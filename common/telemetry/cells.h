// SPDX-License-Identifier: Apache-2.0
//
// Where threads count without meeting each other: a metric has a cell for each thread that uses it, and a reader sums
// them. A thread owns one of a few numbers from its first count to its end; threads beyond those share the last
// number, and with it atomic additions. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace millrace::telemetry::detail {

inline constexpr unsigned kOwnedSlots = 32;
inline constexpr unsigned kSharedSlot = kOwnedSlots;
inline constexpr unsigned kSlots = kOwnedSlots + 1;
inline constexpr unsigned kNoSlot = kSlots;

inline constinit thread_local unsigned thread_slot = kNoSlot;
// Gives the calling thread its number, until it ends.
unsigned take_slot();

// Slot of the calling thread.
inline unsigned slot() {
    const unsigned mine = thread_slot;
    return mine != kNoSlot ? mine : take_slot();
}

// `atomic` belongs to a cell of slot `of`.
inline void add_to(std::atomic<std::uint64_t>& atomic, std::uint64_t amount, unsigned of) {
    if (of == kSharedSlot) [[unlikely]] {
        atomic.fetch_add(amount, std::memory_order_relaxed);
    } else {
        // Nobody else writes it.
        atomic.store(atomic.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
}
inline void add_to(std::atomic<double>& atomic, double amount, unsigned of) {
    if (of == kSharedSlot) [[unlikely]] {
        atomic.fetch_add(amount, std::memory_order_relaxed);
    } else {
        atomic.store(atomic.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
}

// Cell is default-constructible, of atomics, and fills cache lines of its own. Made when first needed.
template <class Cell>
class Cells {
public:
    Cells() = default;
    Cells(const Cells&) = delete;
    Cells& operator=(const Cells&) = delete;
    ~Cells() {
        for (std::atomic<Cell*>& cell : cells_) delete cell.load(std::memory_order_relaxed);
    }

    Cell& of(unsigned slot) {
        Cell* cell = cells_[slot].load(std::memory_order_acquire);
        return cell != nullptr ? *cell : make(slot);
    }
    template <class Each>
    void for_each(Each each) const {
        for (const std::atomic<Cell*>& cell : cells_) {
            if (const Cell* made = cell.load(std::memory_order_acquire)) each(*made);
        }
    }

private:
    Cell& make(unsigned slot) {
        auto* fresh = new Cell;
        Cell* expected = nullptr;
        // The shared slot may be made by several threads at a time.
        if (cells_[slot].compare_exchange_strong(expected, fresh, std::memory_order_acq_rel)) return *fresh;
        delete fresh;
        return *expected;
    }

    std::array<std::atomic<Cell*>, kSlots> cells_{};
};

}  // namespace millrace::telemetry::detail
