// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/log.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "common/telemetry/log_format.h"

namespace millrace::log_line {

namespace {

std::atomic<Level> lowest_level{Level::kInfo};

std::string_view level_word(Level level) {
    switch (level) {
        case Level::kDebug: return "debug";
        case Level::kInfo: return "info";
        case Level::kWarn: return "warn";
        case Level::kError: return "error";
    }
    return "error";
}

spdlog::level::level_enum spdlog_level(Level level) {
    switch (level) {
        case Level::kDebug: return spdlog::level::debug;
        case Level::kInfo: return spdlog::level::info;
        case Level::kWarn: return spdlog::level::warn;
        case Level::kError: return spdlog::level::err;
    }
    return spdlog::level::err;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool needs_quotes(std::string_view value) {
    return value.empty() || std::any_of(value.begin(), value.end(), [](char c) {
        return is_control(c) || c == ' ' || c == '"' || c == '\\' || c == '=';
    });
}

void append_quoted(std::string& line, std::string_view value) {
    constexpr std::string_view kHex = "0123456789abcdef";
    line += '"';
    for (const char c : value) {
        if (c == '"' || c == '\\') {
            line += '\\';
            line += c;
        } else if (c == '\n') {
            line += "\\n";
        } else if (c == '\t') {
            line += "\\t";
        } else if (c == '\r') {
            line += "\\r";
        } else if (is_control(c)) {
            line += "\\x";
            line += kHex[static_cast<unsigned char>(c) >> 4];
            line += kHex[static_cast<unsigned char>(c) & 0xf];
        } else {
            line += c;
        }
    }
    line += '"';
}

// Lives as long as the process: destructors of others may log.
spdlog::logger& logger() {
    static spdlog::logger* const instance = [] {
        auto* made = new spdlog::logger{"millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
        made->set_level(spdlog::level::trace);  // enabled() decides
        made->flush_on(spdlog::level::trace);
        return made;
    }();
    return *instance;
}

}  // namespace

std::string format(Level level, std::string_view event, std::initializer_list<Field> fields) {
    std::string line{level_word(level)};
    line += ' ';
    line += event;
    for (const Field& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        if (needs_quotes(field.value)) append_quoted(line, field.value);
        else line += field.value;
    }
    return line;
}

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
    const std::string line = format(level, event, fields);
    logger().log(spdlog_level(level), spdlog::string_view_t{line.data(), line.size()});
}

bool enabled(Level level) { return level >= lowest_level.load(std::memory_order_relaxed); }

void set_level(Level level) { lowest_level.store(level, std::memory_order_relaxed); }

}  // namespace millrace::log_line
