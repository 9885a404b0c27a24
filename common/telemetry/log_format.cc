// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/log_format.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace millrace::log_line {

namespace {

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

}  // namespace

std::string_view to_string(Level level) {
    switch (level) {
        case Level::kDebug: return "debug";
        case Level::kInfo: return "info";
        case Level::kWarn: return "warn";
        case Level::kError: return "error";
    }
    return "error";
}

Field::Field(std::string_view k, double v) : key{k} {
    std::array<char, 32> text;
    value.assign(text.data(), std::to_chars(text.data(), text.data() + text.size(), v).ptr);
}

bool is_secret_key(std::string_view key) {
    constexpr std::array<std::string_view, 6> kWords{"password", "passwd", "token", "secret", "credential", "authorization"};
    return std::ranges::any_of(kWords, [key](std::string_view word) { return key.find(word) != std::string_view::npos; });
}

void append_fields(std::string& line, std::initializer_list<Field> fields) {
    // One value does not push all others out of the line.
    constexpr std::size_t kValueBytesMax = 4096;
    for (const Field& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        std::string_view value = field.value;
        if (is_secret_key(field.key)) value = "***";
        const bool cut = value.size() > kValueBytesMax;
        value = value.substr(0, kValueBytesMax);
        if (needs_quotes(value)) append_quoted(line, value);
        else line += value;
        if (cut) line += "...";
    }
}

std::string format(Level level, std::string_view event, std::initializer_list<Field> fields, std::string_view context) {
    std::string line{to_string(level)};
    line += ' ';
    line += event;
    line += context;
    append_fields(line, fields);
    if (line.size() > kLineBytesMax) {
        line.resize(kLineBytesMax - 3);
        line += "...";
    }
    return line;
}

}  // namespace millrace::log_line
