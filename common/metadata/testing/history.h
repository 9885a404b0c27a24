// SPDX-License-Identifier: Apache-2.0
//
// What several sessions did to one tree, and whether the seam's promises allow it. A history is recorded by whoever makes the
// calls; `at` counts everything that is recorded, so that it tells what came before what. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/metadata/metadata_store.h"

namespace millrace::metadata {

struct History {
    static constexpr std::uint64_t kNever = UINT64_MAX;

    struct Write {
        SessionId session;
        std::vector<Operation> operations;
        Nonce nonce;
        std::uint64_t began = 0;
        std::uint64_t ended = kNever;  // never: what became of it was not found out by its caller
        std::optional<ChangeId> id;    // it took effect
        std::optional<ErrorCode> refused;
    };
    enum class ReadKind : std::uint8_t { kGet, kStat, kChildren };
    struct Read {
        SessionId session;
        ReadKind kind = ReadKind::kGet;
        std::string path;
        bool latest = false;
        std::uint64_t began = 0;
        std::uint64_t ended = 0;
        bool found = false;
        std::string value;               // of kGet
        Stat stat;                       // of kGet, kStat
        std::vector<std::string> names;  // of kChildren
        std::optional<std::size_t> watch;
    };
    struct Watch {
        std::optional<EventKind> told;
        std::uint64_t told_at = kNever;
        std::size_t times = 0;
    };
    struct End {
        SessionId session;
        ChangeId id;
    };

    std::vector<Write> writes;
    std::vector<Read> reads;
    std::vector<Watch> watches;
    std::vector<End> ends;
    std::set<SessionId> suspended;  // at any time
    // Sessions that were well and had read with Freshness::kLatest at the end.
    std::set<SessionId> alive;
    std::uint64_t at = 0;
};

// One sentence for each promise that was broken; of many, the first.
std::vector<std::string> check_history(const History& history);

std::string to_string(const Operation& operation);

}  // namespace millrace::metadata
