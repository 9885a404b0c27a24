// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: reflected, initial value and final xor all
// ones. Uses SSE4.2 where the processor has it, a table elsewhere.
#pragma once

#include <cstdint>

#include "common/base/bytes.h"

namespace millrace {

// The checksum of `bytes`. `seed` is the checksum of what came before, so that
// crc32c(b, crc32c(a)) is the checksum of a followed by b.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

// The same by each way alone, for the tests that compare them.
std::uint32_t crc32c_by_table(ByteView bytes, std::uint32_t seed = 0);
bool crc32c_has_hardware();
// REQUIRES: crc32c_has_hardware().
std::uint32_t crc32c_by_hardware(ByteView bytes, std::uint32_t seed = 0);

}  // namespace millrace
