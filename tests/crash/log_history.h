// SPDX-License-Identifier: Apache-2.0
//
// What was asked of a log, and answered, beside what its process did to the disk; and what a start after a crash at any
// moment therefore has to find, and may find.
// Thread rule: pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/model/ids.h"

namespace millrace::crash {

// An entry's body follows from these.
struct Body {
    std::uint64_t number = 0;
    std::size_t size = 0;
};
// Each eight bytes differ from all others of all entries, so that bytes in a wrong place show.
ByteBuffer bytes_of(const Body& body);

struct LogBounds {
    std::uint64_t epoch = 0;                                // of the last owner that was told so
    std::vector<Body> sent;                                 // entries 1, 2, ... in order
    std::size_t promised = 0;                               // of `sent`
    std::uint64_t first = 1;                                // acknowledged
    std::map<std::uint64_t, std::string> anchors{{1, ""}};  // of every first index that the log may have
};

class LogHistory {
public:
    // Each with the number of disk events before it.
    void sent(std::size_t at, Body body) { add(at, Kind::kSent).body = body; }
    void acknowledged(std::size_t at) { add(at, Kind::kAcknowledged); }
    void asked_to_truncate(std::size_t at, std::uint64_t first, std::string anchor);
    void truncated(std::size_t at, std::uint64_t first) { add(at, Kind::kTruncated).number = first; }
    void owned(std::size_t at, std::uint64_t epoch) { add(at, Kind::kOwned).number = epoch; }
    // A start showed so many entries from `first` on: from then on it is these.
    void found(std::size_t at, std::uint64_t first, std::uint64_t next);

    LogBounds at(std::size_t events) const;
    // What was before the crash at that point, as the past of the next process.
    LogHistory past(std::size_t events) const;

private:
    enum class Kind : std::uint8_t { kSent, kAcknowledged, kAskedToTruncate, kTruncated, kOwned, kFound };
    struct Happened {
        std::size_t at = 0;
        Kind kind = Kind::kSent;
        Body body;
        std::uint64_t number = 0;
        std::uint64_t next = 0;
        std::string anchor;
    };

    Happened& add(std::size_t at, Kind kind) { return happened_.emplace_back(Happened{at, kind, {}, 0, 0, {}}); }

    std::vector<Happened> happened_;
};

using Histories = std::map<ContainerId, LogHistory>;
using Bounds = std::map<ContainerId, LogBounds>;

Bounds bounds_at(const Histories& histories, std::size_t events);
Histories past_of(const Histories& histories, std::size_t events);

}  // namespace millrace::crash
