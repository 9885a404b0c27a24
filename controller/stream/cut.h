// SPDX-License-Identifier: Apache-2.0
//
// A stream cut: for every key the segment, and where in it, from which a reader reads on
// (docs/protocol/controller.md, "Stream cuts"). Pure; any thread.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "controller/stream/epoch.h"

namespace millrace::controller::stream {

// The most segments that a cut may name: those of two epochs, one of them left and the other right of some key.
inline constexpr std::size_t kMaxCutSegments = 2 * kMaxSegments;

struct CutEntry {
    Segment segment;
    // Where to read on. Negative: nothing of the segment may be read before other segments that the cut names have
    // ended.
    std::int64_t offset = 0;
    bool operator==(const CutEntry&) const = default;
};

// What a reader at a cut has read of a segment.
enum class Reading : std::uint8_t {
    kDone,      // everything
    kUnderway,  // some of it, or it is what comes next
    kAhead,     // nothing
    kTorn,      // for some keys everything, for others not: nobody gets there
};

class Cut {
public:
    // kInvalidArgument says why no reader can be there, as far as the segments of the cut tell.
    static Result<Cut> of(std::vector<CutEntry> entries);
    // Before the first event of an epoch. REQUIRES: the epoch tiles [0, 1].
    static Cut before(const Epoch& epoch);

    const std::vector<CutEntry>& entries() const { return entries_; }  // by id
    // Of the oldest and the newest segment: those of older epochs are done, those of later ones ahead.
    StreamEpoch first_epoch() const { return entries_.front().segment.id.epoch(); }
    StreamEpoch last_epoch() const { return entries_.back().segment.id.epoch(); }

    Reading reading(const Segment& segment) const;
    // Whether everything that was read at `other` has been read here, too.
    bool at_or_after(const Cut& other) const;

private:
    // The keys between two bounds that follow each other in the order of all bounds of the cut's segments.
    struct Piece {
        double low = 0.0;  // up to the next one's, the last one up to 1.0
        SegmentId next;    // what is to be read there
        std::int64_t offset = 0;
    };
    struct Extremes {
        SegmentId oldest;
        SegmentId newest;
    };

    // Of pieces that overlap the range.
    Extremes extremes(const KeyRange& range) const;
    void index_pieces();

    std::vector<CutEntry> entries_;
    std::vector<Piece> pieces_;
    // Row n: of each piece and the 2^n - 1 behind it.
    std::vector<std::vector<Extremes>> extremes_;
};

}  // namespace millrace::controller::stream
