// SPDX-License-Identifier: Apache-2.0
#include "common/config/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace millrace::config {

namespace {

using namespace std::chrono_literals;

struct ByteSuffix {
    std::string_view word;
    std::uint64_t bytes;
};
constexpr std::array<ByteSuffix, 9> kByteSuffixes{{{"tib", 1ull << 40},
                                                   {"gib", 1ull << 30},
                                                   {"mib", 1ull << 20},
                                                   {"kib", 1ull << 10},
                                                   {"tb", 1'000'000'000'000},
                                                   {"gb", 1'000'000'000},
                                                   {"mb", 1'000'000},
                                                   {"kb", 1'000},
                                                   {"b", 1}}};

struct TimeSuffix {
    std::string_view word;
    std::int64_t ns;
};
constexpr std::array<TimeSuffix, 7> kTimeSuffixes{{{"d", 86'400'000'000'000},
                                                   {"h", 3'600'000'000'000},
                                                   {"m", 60'000'000'000},
                                                   {"s", 1'000'000'000},
                                                   {"ms", 1'000'000},
                                                   {"us", 1'000},
                                                   {"ns", 1}}};

constexpr std::string_view kByteForms = "a whole number of bytes, or one with KiB, MiB, GiB, TiB (KB, MB, GB, TB), such as 64MiB";
constexpr std::string_view kTimeForms = "a number with ns, us, ms, s, m, h or d, such as 1.5s";

std::string lower(std::string_view text) {
    std::string copy{text};
    for (char& c : copy) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return copy;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& text) {
    const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
    const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    text.remove_prefix(digits.size());
    return digits;
}

// False when it does not fit.
bool number_of(std::string_view digits, std::uint64_t& number) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc{} && end == digits.data() + digits.size();
}

std::string_view without_a_blank(std::string_view suffix) {
    if (suffix.size() > 1 && suffix.front() == ' ') suffix.remove_prefix(1);
    return suffix;
}

Error not_a_size() { return {ErrorCode::kInvalidArgument, "it should be " + std::string{kByteForms}}; }

}  // namespace

Result<ByteSize> parse_byte_size(std::string_view text) {
    const std::string_view digits = take_digits(text);
    if (digits.empty()) return not_a_size();
    std::uint64_t factor = 1;
    if (!text.empty()) {
        const std::string suffix = lower(without_a_blank(text));
        const auto found = std::ranges::find(kByteSuffixes, suffix, &ByteSuffix::word);
        if (found == kByteSuffixes.end()) return not_a_size();
        factor = found->bytes;
    }
    std::uint64_t number = 0;
    if (!number_of(digits, number) || number > std::numeric_limits<std::uint64_t>::max() / factor) {
        return Error{ErrorCode::kInvalidArgument, "it should be less than 16777216TiB"};
    }
    return ByteSize{number * factor};
}

std::string to_string(ByteSize size) {
    constexpr std::array<std::pair<std::string_view, int>, 4> kUnits{{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}}};
    for (const auto& [word, shift] : kUnits) {
        const std::uint64_t whole = size.bytes >> shift;
        if (whole > 0 && whole << shift == size.bytes) return std::to_string(whole) + std::string{word};
    }
    return std::to_string(size.bytes) + "B";
}

std::string_view to_string(TimeUnit unit) { return unit == TimeUnit::kSeconds ? "seconds" : "milliseconds"; }

Result<Duration> parse_duration(std::string_view text, TimeUnit unit) {
    const auto wrong = [unit] {
        return Error{ErrorCode::kInvalidArgument, "it should be a number of " + std::string{to_string(unit)} + ", or " +
                                                      std::string{kTimeForms}};
    };
    const std::string_view whole = take_digits(text);
    std::string_view decimals;
    if (whole.empty()) return wrong();
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        decimals = take_digits(text);
        if (decimals.empty()) return wrong();
    }
    std::int64_t factor = unit == TimeUnit::kSeconds ? 1'000'000'000 : 1'000'000;
    if (!text.empty()) {
        const std::string_view suffix = without_a_blank(text);
        const auto found = std::ranges::find(kTimeSuffixes, suffix, &TimeSuffix::word);
        if (found == kTimeSuffixes.end()) return wrong();
        factor = found->ns;
    }
    std::uint64_t number = 0;
    const auto longest = static_cast<std::uint64_t>(Duration::max().count() / factor);
    if (!number_of(whole, number) || number >= longest) {
        return Error{ErrorCode::kInvalidArgument, "it should be less than 292 years"};
    }
    std::int64_t ns = static_cast<std::int64_t>(number) * factor;
    std::int64_t place = factor;
    for (const char c : decimals) {
        place /= 10;
        ns += (c - '0') * place;
    }
    return Duration{ns};
}

std::string to_string(Duration duration) {
    for (const TimeSuffix& unit : kTimeSuffixes) {
        if (unit.word == "d") continue;  // "24h" is clearer than "1d"
        if (duration.count() != 0 && duration.count() % unit.ns == 0) {
            return std::to_string(duration.count() / unit.ns) + std::string{unit.word};
        }
    }
    return "0s";
}

}  // namespace millrace::config
