// SPDX-License-Identifier: Apache-2.0
//
// The only source of chance, with distributions of its own so that a seed means the same everywhere.
// Thread rule: the owner's executor only; each shard and each client has its own.
#pragma once

#include <cstdint>

#include "common/base/bytes.h"

namespace millrace {

class Random {
public:
    virtual ~Random() = default;

    virtual std::uint64_t next() = 0;

    // Uniform in [low, high). REQUIRES: low < high.
    std::uint64_t between(std::uint64_t low, std::uint64_t high);
    // Uniform in [0, 1), 53 bits.
    double unit();
    // True once in `n` times on average.
    bool one_in(std::uint64_t n) { return between(0, n) == 0; }
    void fill(MutableByteView bytes);
};

// xoshiro256**, seeded through splitmix64. Reproducible; not for secrets.
class SeededRandom final : public Random {
public:
    explicit SeededRandom(std::uint64_t seed);
    std::uint64_t next() override;

private:
    std::uint64_t state_[4];
};

}  // namespace millrace
