// SPDX-License-Identifier: Apache-2.0
//
// How a log line's words are written. Any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "common/telemetry/log.h"

namespace millrace::log_line {

std::string_view to_string(Level level);  // "warn"

// No line is longer; what is beyond is cut, and "..." says so.
inline constexpr std::size_t kLineBytesMax = 16 * 1024;

// "<level> <event> <key>=<value> ...". A value that is empty or holds blanks, quotes, an equals sign,
// a backslash or control characters is quoted, with C escapes: a line stays one line, and parses.
std::string format(Level level, std::string_view event, std::initializer_list<Field> fields,
                   std::string_view context = {});
// " <key>=<value> ..."
void append_fields(std::string& line, std::initializer_list<Field> fields);
// "password", "delegation_token": its value is printed as ***.
bool is_secret_key(std::string_view key);

}  // namespace millrace::log_line
