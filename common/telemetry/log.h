// SPDX-License-Identifier: Apache-2.0
//
// Log lines: a stable event phrase and key=value context, on stderr. Levels: error = data or service at stake, someone
// should act; warn = handled, unusual; info = state changes; debug = per request. Nothing above debug per append.
//
//     MR_LOG_INFO("journal opened", {"directory", directory}, {"files", files});
//     const log_line::Logger log_{{"container", id}, {"epoch", epoch}};  // bound to an object
//     MR_LOG_WITH(log_, kWarn, "append refused", {"reason", error.detail()});
//
// Repeats of one place are limited (Site). A server writes in the background (log_writer.h), so that a slow stderr
// holds nobody up. Values of keys that speak of passwords, tokens or secrets are never printed. Any thread.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace millrace::log_line {

enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError };

struct Field {
    Field(std::string_view k, std::string_view v) : key{k}, value{v} {}
    Field(std::string_view k, const char* v) : key{k}, value{v} {}
    Field(std::string_view k, const std::string& v) : key{k}, value{v} {}
    Field(std::string_view k, std::string&& v) : key{k}, value{std::move(v)} {}
    Field(std::string_view k, const Error& v) : key{k}, value{v.to_string()} {}
    Field(std::string_view k, bool v) : key{k}, value{v ? "true" : "false"} {}
    Field(std::string_view k, double v);  // as short as it reads back
    template <std::integral N>
        requires(!std::same_as<N, bool>)
    Field(std::string_view k, N v) : key{k}, value{std::to_string(v)} {}

    std::string_view key;
    std::string value;
};

// Context that all lines of one object have.
class Logger {
public:
    Logger() = default;
    Logger(std::initializer_list<Field> context);
    // This one's context and more.
    Logger with(std::initializer_list<Field> more) const;
    const std::string& context() const { return context_; }  // " container=7 epoch=3"

private:
    std::string context_;
};

// A place in the code that logs. In kPeriod it writes at most kLinesMax lines (debug: any number); the others are
// counted, and the next line that is written about it says how many there were: lines_dropped=N. When none comes, a line
// of its own does, after the period.
struct Site {
    static constexpr std::int64_t kPeriodNs = 10'000'000'000;
    static constexpr std::uint32_t kLinesMax = 100;

    const Level level;
    const std::string_view event;

    // The writer's, under its lock.
    std::int64_t period_began_ns = 0;
    std::uint32_t lines = 0;
    std::uint64_t dropped = 0;
    bool listed = false;  // among those that dropped something
};

void write(Site& site, const Logger* logger, std::initializer_list<Field> fields);

namespace detail {
inline constinit std::atomic<Level> lowest_level{Level::kInfo};
}
inline bool enabled(Level level) { return level >= detail::lowest_level.load(std::memory_order_relaxed); }
void set_level(Level level);
// Makes the metrics of the log known before its first line.
void describe_metrics();

// Told of every line that is enabled, before any limit, on the thread that writes it; it must not log. For tests, which
// take it away (an empty function) while nobody logs. A simulation has its own (common/runtime/rare.h).
using Observer = std::function<void(Level level, std::string_view line)>;
void set_log_observer(Observer observer);

}  // namespace millrace::log_line

#define MR_LOG_AT(logger, level_, event_, ...)                                                                 \
    do {                                                                                                       \
        if (::millrace::log_line::enabled(::millrace::log_line::Level::level_)) {                              \
            static constinit ::millrace::log_line::Site mr_site{.level = ::millrace::log_line::Level::level_,  \
                                                                .event = event_};                              \
            ::millrace::log_line::write(mr_site, logger, {__VA_ARGS__});                                       \
        }                                                                                                      \
    } while (false)
#define MR_LOG_WITH(logger, level_, event_, ...) MR_LOG_AT(&(logger), level_, event_, __VA_ARGS__)
#define MR_LOG_DEBUG(event_, ...) MR_LOG_AT(nullptr, kDebug, event_, __VA_ARGS__)
#define MR_LOG_INFO(event_, ...) MR_LOG_AT(nullptr, kInfo, event_, __VA_ARGS__)
#define MR_LOG_WARN(event_, ...) MR_LOG_AT(nullptr, kWarn, event_, __VA_ARGS__)
#define MR_LOG_ERROR(event_, ...) MR_LOG_AT(nullptr, kError, event_, __VA_ARGS__)
