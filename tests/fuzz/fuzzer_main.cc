// SPDX-License-Identifier: Apache-2.0
//
// One entry as a libFuzzer program; MR_FUZZ_ENTRY names it.
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/telemetry/log.h"
#include "tests/fuzz/entries.h"

// Damage is what this is about; a line for each would be all that is seen.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
    millrace::log_line::set_level(millrace::log_line::Level::kError);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    millrace::fuzz::MR_FUZZ_ENTRY(std::as_bytes(std::span{data, size}));
    return 0;
}
