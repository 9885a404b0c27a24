// SPDX-License-Identifier: Apache-2.0
//
// Counts values in log-linear buckets: exact below 256, and above that a bucket is at most 1/128 of
// its values wide, so that every percentile is right to less than 1 % over the whole range of 64
// bits in 58 KiB. Thread rule: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::cli {

class Histogram {
public:
    Histogram();

    void record(std::uint64_t value);
    void merge(const Histogram& other);

    std::uint64_t count() const { return count_; }
    std::uint64_t max() const { return max_; }
    // The least value that at least `share` (0 .. 1) of all values do not exceed, rounded up to its
    // bucket's end; 0 when nothing was recorded.
    std::uint64_t at(double share) const;

private:
    std::vector<std::uint64_t> counts_;
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace millrace::cli
