// SPDX-License-Identifier: Apache-2.0
//
// How amounts of bytes and lengths of time are written: "64MiB", "1.5s". Pure functions; any thread.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace millrace::config {

struct ByteSize {
    std::uint64_t bytes = 0;
    auto operator<=>(const ByteSize&) const = default;
};

namespace literals {
constexpr ByteSize operator""_KiB(unsigned long long n) { return {n << 10}; }
constexpr ByteSize operator""_MiB(unsigned long long n) { return {n << 20}; }
constexpr ByteSize operator""_GiB(unsigned long long n) { return {n << 30}; }
}  // namespace literals

// A whole number, alone (bytes) or with one of B, KB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB
// (powers of 1024). Letters of either case; a blank may stand before the suffix.
// Errors (kInvalidArgument) say what would be right, without quoting `text`.
Result<ByteSize> parse_byte_size(std::string_view text);
// The largest power of 1024 that divides it: "64MiB", "1000B", "0B".
std::string to_string(ByteSize size);

using Duration = std::chrono::nanoseconds;
// What a number without a suffix counts.
enum class TimeUnit : std::uint8_t { kMilliseconds, kSeconds };
std::string_view to_string(TimeUnit unit);

// A number, with decimals if need be, alone (in `unit`) or with one of ns, us, ms, s, m, h, d. Less than 292 years,
// not negative; what is below a nanosecond is cut off.
Result<Duration> parse_duration(std::string_view text, TimeUnit unit);
// The largest unit that divides it: "90s", "1500ms", "2h", "0s".
std::string to_string(Duration duration);

}  // namespace millrace::config
