// SPDX-License-Identifier: Apache-2.0
#include "cli/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace millrace::cli {
namespace {

// A value of more than 8 bits is shifted right until it has 8, of which the top one is always set.
constexpr unsigned kKeptBits = 8;
constexpr std::uint64_t kExact = 1u << kKeptBits;
constexpr std::uint64_t kPerShift = kExact / 2;
constexpr std::size_t kBuckets = kExact + (64 - kKeptBits) * kPerShift;

std::size_t bucket_of(std::uint64_t value) {
    if (value < kExact) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kKeptBits;
    return kExact + (shift - 1) * kPerShift + ((value >> shift) - kPerShift);
}

std::uint64_t last_value_of(std::size_t bucket) {
    if (bucket < kExact) return bucket;
    const std::uint64_t shift = (bucket - kExact) / kPerShift + 1;
    const std::uint64_t kept = (bucket - kExact) % kPerShift + kPerShift;
    return (kept << shift) + ((std::uint64_t{1} << shift) - 1);
}

}  // namespace

Histogram::Histogram() : counts_(kBuckets) {}

void Histogram::record(std::uint64_t value) {
    ++counts_[bucket_of(value)];
    ++count_;
    max_ = std::max(max_, value);
}

void Histogram::merge(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
}

std::uint64_t Histogram::at(double share) const {
    const auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
        seen += counts_[i];
        if (seen >= wanted) return std::min(last_value_of(i), max_);
    }
    return max_;
}

}  // namespace millrace::cli
