// SPDX-License-Identifier: Apache-2.0
//
// One entry as a libFuzzer program; MR_FUZZ_ENTRY names it.
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/fuzz/entries.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    millrace::fuzz::MR_FUZZ_ENTRY(std::as_bytes(std::span{data, size}));
    return 0;
}
