// SPDX-License-Identifier: Apache-2.0
//
// UUIDs as clients write them: 36 characters, hex digits of either case in groups of 8, 4, 4, 4 and 12. Pure; any thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "common/runtime/random.h"

namespace millrace::controller::service {

inline constexpr std::size_t kUuidBytes = 16;

// The 16 bytes, as text.
std::optional<std::string> parse_uuid(std::string_view text);
// One that nobody has yet: of version 4.
std::string random_uuid(Random& random);
// In small letters. REQUIRES: 16 bytes.
std::string uuid_text(std::string_view bytes);

}  // namespace millrace::controller::service
