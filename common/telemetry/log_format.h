// SPDX-License-Identifier: Apache-2.0
//
// How a log line's words are written. Any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "common/telemetry/log.h"

namespace millrace::log_line {

// "<level> <event> <key>=<value> ...". A value that is empty or holds blanks, quotes, an equals sign,
// a backslash or control characters is quoted, with C escapes: a line stays one line, and parses.
std::string format(Level level, std::string_view event, std::initializer_list<Field> fields);

}  // namespace millrace::log_line
