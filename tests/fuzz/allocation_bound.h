// SPDX-License-Identifier: Apache-2.0
//
// How much memory a decoder may take for its input. A length that is believed before the bytes are there shows as
// memory out of proportion. Counts operator new and delete of this thread; what is taken past them (aligned buffers of
// I/O) is libFuzzer's to bound: -malloc_limit_mb in scripts/fuzz.sh.
// Lifetime: around the decoding, one at a time in a thread.
#pragma once

#include <cstddef>

namespace millrace::fuzz {

class AllocationBound {
public:
    // At most so many bytes at once more than now.
    explicit AllocationBound(std::size_t bytes);
    AllocationBound(const AllocationBound&) = delete;
    AllocationBound& operator=(const AllocationBound&) = delete;
    // Stops the process when it was more.
    ~AllocationBound();

private:
    std::size_t bytes_;
    std::ptrdiff_t before_;
};

}  // namespace millrace::fuzz
