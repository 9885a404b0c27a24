// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>

namespace millrace {

// A part of the key space [0.0, 1.0]: half-open [low, high), except that the range that ends at 1.0
// has all the rest. Neighbours share bit-identical bounds; an epoch's ranges tile [0, 1] exactly.
struct KeyRange {
    double low = 0.0;
    double high = 1.0;

    bool overlaps(const KeyRange& other) const { return low < other.high && other.low < high; }
    bool contains(double position) const { return position >= low && (position < high || high == 1.0); }
    auto operator<=>(const KeyRange&) const = default;
};

}  // namespace millrace
