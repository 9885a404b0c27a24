// SPDX-License-Identifier: Apache-2.0
//
// How much memory a decoder may take for its input. A length that is believed before the bytes are there shows as
// memory out of proportion. Counts what this thread takes and gives back: everything in programs with the address
// sanitizer, as the fuzzers are; operator new and delete (so not the aligned buffers of I/O) in others.
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
