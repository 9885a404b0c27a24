// SPDX-License-Identifier: Apache-2.0
#include "controller/stream/cut.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <string>

namespace millrace::controller::stream {

namespace {

Error no_cut(const std::string& why) { return {ErrorCode::kInvalidArgument, "stream cut: " + why}; }

std::string id_text(SegmentId id) { return "segment " + std::to_string(id.value); }

std::vector<double> bounds_of(const std::vector<CutEntry>& entries) {
    std::vector<double> bounds;
    bounds.reserve(2 * entries.size());
    for (const CutEntry& entry : entries) {
        bounds.push_back(entry.segment.range.low);
        bounds.push_back(entry.segment.range.high);
    }
    std::sort(bounds.begin(), bounds.end());
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
    return bounds;
}

// Gives out places from left to right, each one once; a look at places that are all taken costs next to nothing.
class FreePlaces {
public:
    explicit FreePlaces(std::size_t count) : next_(count + 1) { std::iota(next_.begin(), next_.end(), std::size_t{0}); }

    // The first free one from `at` on; the count of places if there is none.
    std::size_t from(std::size_t at) {
        while (next_[at] != at) at = next_[at] = next_[next_[at]];
        return at;
    }
    void take(std::size_t at) { next_[at] = at + 1; }

private:
    std::vector<std::size_t> next_;
};

}  // namespace

Result<Cut> Cut::of(std::vector<CutEntry> entries) {
    if (entries.empty()) return no_cut("it names no segment");
    if (entries.size() > kMaxCutSegments) {
        return no_cut("it names " + std::to_string(entries.size()) + " segments; at most " +
                      std::to_string(kMaxCutSegments));
    }
    for (const CutEntry& entry : entries) {
        const KeyRange& range = entry.segment.range;
        if (!(range.low >= 0.0 && range.low < range.high && range.high <= 1.0)) {  // also what is not a number
            return Error{ErrorCode::kCorrupt, id_text(entry.segment.id) + " has no keys"};
        }
    }
    std::sort(entries.begin(), entries.end(),
              [](const CutEntry& a, const CutEntry& b) { return a.segment.id < b.segment.id; });

    Cut cut;
    const std::vector<double> bounds = bounds_of(entries);
    if (bounds.front() != 0.0 || bounds.back() != 1.0) return no_cut("its segments have not all of the keys");
    cut.pieces_.resize(bounds.size() - 1);
    for (std::size_t i = 0; i < cut.pieces_.size(); ++i) cut.pieces_[i].low = bounds[i];
    FreePlaces free{cut.pieces_.size()};
    const auto place_of = [&bounds](double bound) {
        return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), bound) - bounds.begin());
    };
    // First what is being read. What waits for it comes next for keys that nobody is reading at; the oldest first.
    for (const bool waiting : {false, true}) {
        for (const CutEntry& entry : entries) {
            if ((entry.offset < 0) != waiting) continue;
            const std::size_t begin = place_of(entry.segment.range.low);
            const std::size_t end = place_of(entry.segment.range.high);
            std::size_t taken = 0;
            for (std::size_t at = free.from(begin); at < end; at = free.from(at)) {
                cut.pieces_[at].next = entry.segment.id;
                cut.pieces_[at].offset = entry.offset;
                free.take(at);
                ++taken;
            }
            if (!waiting && taken != end - begin) return no_cut("two of its segments are read for the same keys");
        }
    }
    if (free.from(0) != cut.pieces_.size()) return no_cut("nothing is to be read for some of the keys");
    cut.entries_ = std::move(entries);
    cut.index_pieces();
    for (const CutEntry& entry : cut.entries_) {
        if (entry.offset < 0 && cut.extremes(entry.segment.range).newest > entry.segment.id) {
            return no_cut(id_text(entry.segment.id) + " cannot wait for a younger one");
        }
    }
    return cut;
}

Cut Cut::before(const Epoch& epoch) {
    std::vector<CutEntry> entries;
    for (const Segment& segment : epoch.segments) entries.push_back({segment, 0});
    Result<Cut> cut = of(std::move(entries));
    MR_CHECK(cut.ok());
    return std::move(*cut);
}

void Cut::index_pieces() {
    std::vector<Extremes> row;
    for (const Piece& piece : pieces_) row.push_back({piece.next, piece.next});
    extremes_.push_back(std::move(row));
    for (std::size_t width = 1; 2 * width <= pieces_.size(); width *= 2) {
        const std::vector<Extremes>& half = extremes_.back();
        std::vector<Extremes> whole;
        for (std::size_t i = 0; i + 2 * width <= pieces_.size(); ++i) {
            whole.push_back(
                {std::min(half[i].oldest, half[i + width].oldest), std::max(half[i].newest, half[i + width].newest)});
        }
        extremes_.push_back(std::move(whole));
    }
}

Cut::Extremes Cut::extremes(const KeyRange& range) const {
    const auto by_low = [](const Piece& piece, double key) { return piece.low < key; };
    auto begin = std::lower_bound(pieces_.begin(), pieces_.end(), range.low, by_low);
    if (begin == pieces_.end() || begin->low != range.low) --begin;  // it begins inside the piece before
    const auto end = std::lower_bound(begin, pieces_.end(), range.high, by_low);
    const auto count = static_cast<std::size_t>(end - begin);
    MR_CHECK(count > 0);
    const auto row = static_cast<std::size_t>(std::bit_width(count) - 1);
    const auto first = static_cast<std::size_t>(begin - pieces_.begin());
    const Extremes& a = extremes_[row][first];
    const Extremes& b = extremes_[row][first + count - (std::size_t{1} << row)];
    return {std::min(a.oldest, b.oldest), std::max(a.newest, b.newest)};
}

Reading Cut::reading(const Segment& segment) const {
    const Extremes next = extremes(segment.range);
    if (next.oldest > segment.id) return Reading::kDone;
    if (next.oldest == segment.id && next.newest == segment.id) return Reading::kUnderway;
    if (next.newest <= segment.id) return Reading::kAhead;
    return Reading::kTorn;
}

bool Cut::at_or_after(const Cut& other) const {
    std::size_t mine = 0;
    std::size_t theirs = 0;
    while (mine < pieces_.size() && theirs < other.pieces_.size()) {
        const Piece& a = pieces_[mine];
        const Piece& b = other.pieces_[theirs];
        if (a.next < b.next) return false;
        // To wait for a segment and to be at its begin is the same.
        if (a.next == b.next && std::max<std::int64_t>(a.offset, 0) < std::max<std::int64_t>(b.offset, 0)) return false;
        const double my_end = mine + 1 < pieces_.size() ? pieces_[mine + 1].low : 1.0;
        const double their_end = theirs + 1 < other.pieces_.size() ? other.pieces_[theirs + 1].low : 1.0;
        if (my_end <= their_end) ++mine;
        if (their_end <= my_end) ++theirs;
    }
    return true;
}

}  // namespace millrace::controller::stream
