// SPDX-License-Identifier: Apache-2.0
//
// How a write of unknown fate is recognised with plain operations (docs/formats/metadata-store.md): every multi of a session
// also sets one of the session's slots, ephemeral nodes that nobody else writes, to its nonce. As long as a slot is not used
// again it tells whether the last multi that was to set it took effect, also one that left no other trace.
// Who uses it makes the nodes when the session begins, and reads a slot with Freshness::kLatest in the same session.
// Pure bookkeeping. Thread rule: the session's executor.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/metadata/metadata_store.h"

namespace millrace::metadata {

// Multis of one session that may be under way at once; further ones wait.
inline constexpr std::size_t kWritesInFlightMax = 32;

class WriteSlots {
public:
    static constexpr std::size_t kSlots = kWritesInFlightMax + kUnsettledMax;

    explicit WriteSlots(SessionId session) : session_{session} {}

    // The nodes above the slots: persistent, made by whoever comes first, each on its own.
    static std::vector<std::string> parents(SessionId session);
    // Makes all slots, at once.
    static std::vector<Operation> creation(SessionId session);

    bool full() const { return in_flight_ == kWritesInFlightMax; }
    // REQUIRES: not full(). Adds to the multi what will tell of it.
    void begin(Nonce nonce, std::vector<Operation>& operations);
    // Known to its caller; or not, and to be asked for.
    void ended(Nonce nonce);
    void unknown(Nonce nonce);
    // Of a multi that ended so, until settled(): where to look.
    std::optional<std::string> where(Nonce nonce) const;
    void settled(Nonce nonce);

    // Whether the slot's value is this nonce.
    static bool tells_of(const std::string& value, Nonce nonce);

private:
    enum class Use : std::uint8_t { kFree, kInFlight, kUnsettled };
    struct Slot {
        Use use = Use::kFree;
        Nonce nonce;
        std::uint64_t since = 0;
    };

    static std::string path_of_slot(SessionId session, std::size_t slot);
    Slot* find(Nonce nonce, Use use);
    std::size_t pick();

    SessionId session_;
    std::array<Slot, kSlots> slots_;
    std::size_t in_flight_ = 0;
    std::uint64_t last_ = 0;
};

}  // namespace millrace::metadata
