// SPDX-License-Identifier: Apache-2.0
//
// Replaces the global operator new and delete of the programs that link it.
#include "tests/fuzz/allocation_bound.h"

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "common/base/check.h"

namespace millrace::fuzz {
namespace {

constinit thread_local std::ptrdiff_t live_bytes = 0;
constinit thread_local std::ptrdiff_t most_bytes = 0;

void* counted(void* memory) {
    if (memory == nullptr) throw std::bad_alloc{};
    live_bytes += static_cast<std::ptrdiff_t>(malloc_usable_size(memory));
    most_bytes = std::max(most_bytes, live_bytes);
    return memory;
}

void release(void* memory) {
    if (memory != nullptr) live_bytes -= static_cast<std::ptrdiff_t>(malloc_usable_size(memory));
    std::free(memory);
}

}  // namespace

AllocationBound::AllocationBound(std::size_t bytes) : bytes_{bytes}, before_{live_bytes} { most_bytes = live_bytes; }

AllocationBound::~AllocationBound() {
    const auto taken = static_cast<std::size_t>(most_bytes - before_);
    if (taken > bytes_) std::fprintf(stderr, "%zu bytes of memory for an input that justifies %zu\n", taken, bytes_);
    MR_CHECK(taken <= bytes_);
}

}  // namespace millrace::fuzz

void* operator new(std::size_t bytes) { return millrace::fuzz::counted(std::malloc(std::max<std::size_t>(bytes, 1))); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    const auto align = std::max(static_cast<std::size_t>(alignment), sizeof(void*));
    return millrace::fuzz::counted(std::aligned_alloc(align, (std::max<std::size_t>(bytes, 1) + align - 1) / align * align));
}
void operator delete(void* memory) noexcept { millrace::fuzz::release(memory); }
void operator delete(void* memory, std::size_t) noexcept { millrace::fuzz::release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { millrace::fuzz::release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { millrace::fuzz::release(memory); }
