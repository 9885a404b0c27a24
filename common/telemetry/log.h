// SPDX-License-Identifier: Apache-2.0
//
// Log lines: a stable event phrase and key=value context, on stderr. Levels: error = data or
// service at stake, someone should act; warn = handled, unusual; info = state changes; debug = per
// request. Nothing above debug per append. Any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace millrace::log_line {

enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError };

struct Field {
    Field(std::string_view k, std::string_view v) : key{k}, value{v} {}
    Field(std::string_view k, const char* v) : key{k}, value{v} {}
    Field(std::string_view k, const std::string& v) : key{k}, value{v} {}
    template <std::integral N>
    Field(std::string_view k, N v) : key{k}, value{std::to_string(v)} {}

    std::string_view key;
    std::string value;
};

void write(Level level, std::string_view event, std::initializer_list<Field> fields);
bool enabled(Level level);
void set_level(Level level);

}  // namespace millrace::log_line

#define MR_LOG(level, event, ...)                                                           \
    do {                                                                                    \
        if (::millrace::log_line::enabled(::millrace::log_line::Level::level))              \
            ::millrace::log_line::write(::millrace::log_line::Level::level, event, {__VA_ARGS__}); \
    } while (false)
#define MR_LOG_DEBUG(event, ...) MR_LOG(kDebug, event, __VA_ARGS__)
#define MR_LOG_INFO(event, ...) MR_LOG(kInfo, event, __VA_ARGS__)
#define MR_LOG_WARN(event, ...) MR_LOG(kWarn, event, __VA_ARGS__)
#define MR_LOG_ERROR(event, ...) MR_LOG(kError, event, __VA_ARGS__)
