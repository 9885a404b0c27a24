// SPDX-License-Identifier: Apache-2.0
//
// The address sanitizer tells of all memory. Without it the global operator new and delete are replaced, in the
// programs that link this.
#include "tests/fuzz/allocation_bound.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "common/base/check.h"

#if __has_feature(address_sanitizer)
#include <sanitizer/allocator_interface.h>
#else
#include <malloc.h>
#endif

namespace millrace::fuzz {
namespace {

constinit thread_local std::ptrdiff_t live_bytes = 0;
constinit thread_local std::ptrdiff_t most_bytes = 0;

void taken(std::size_t bytes) {
    live_bytes += static_cast<std::ptrdiff_t>(bytes);
    most_bytes = std::max(most_bytes, live_bytes);
}

void given_back(std::size_t bytes) { live_bytes -= static_cast<std::ptrdiff_t>(bytes); }

#if __has_feature(address_sanitizer)
[[maybe_unused]] const int installed =
    __sanitizer_install_malloc_and_free_hooks([](const volatile void*, std::size_t bytes) { taken(bytes); },
                                              [](const volatile void* memory) {
                                                  if (memory != nullptr)
                                                      given_back(__sanitizer_get_allocated_size(memory));
                                              });
#else
void* counted(void* memory) {
    if (memory == nullptr) throw std::bad_alloc{};
    taken(malloc_usable_size(memory));
    return memory;
}

void release(void* memory) {
    if (memory != nullptr) given_back(malloc_usable_size(memory));
    std::free(memory);
}
#endif

}  // namespace

AllocationBound::AllocationBound(std::size_t bytes) : bytes_{bytes}, before_{live_bytes} { most_bytes = live_bytes; }

AllocationBound::~AllocationBound() {
    const auto bytes = static_cast<std::size_t>(most_bytes - before_);
    if (bytes > bytes_) std::fprintf(stderr, "%zu bytes of memory for an input that justifies %zu\n", bytes, bytes_);
    MR_CHECK(bytes <= bytes_);
}

}  // namespace millrace::fuzz

#if !__has_feature(address_sanitizer)
void* operator new(std::size_t bytes) { return millrace::fuzz::counted(std::malloc(std::max<std::size_t>(bytes, 1))); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    const auto align = std::max(static_cast<std::size_t>(alignment), sizeof(void*));
    return millrace::fuzz::counted(
        std::aligned_alloc(align, (std::max<std::size_t>(bytes, 1) + align - 1) / align * align));
}
void operator delete(void* memory) noexcept { millrace::fuzz::release(memory); }
void operator delete(void* memory, std::size_t) noexcept { millrace::fuzz::release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { millrace::fuzz::release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { millrace::fuzz::release(memory); }
#endif
