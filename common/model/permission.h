// SPDX-License-Identifier: Apache-2.0
//
// What somebody may do with a resource. Values.
#pragma once

#include <cstdint>

namespace millrace {

// Each includes those before it.
enum class Permission : std::uint8_t { kNone, kRead, kReadUpdate };

}  // namespace millrace
