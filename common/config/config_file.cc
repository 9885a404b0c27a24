// SPDX-License-Identifier: Apache-2.0
#include "common/config/config_file.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "common/config/nearest.h"

namespace millrace::config {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

std::string_view without_comment(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '#' && (i == 0 || is_blank(text[i - 1]))) return text.substr(0, i);
    }
    return text;
}

bool is_name(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    });
}

// `text` begins with a quote. Nothing when it does not end with one, or something else follows.
std::optional<std::string> unquoted(std::string_view text) {
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') {
            if (!trimmed(without_comment(text.substr(i + 1))).empty()) return std::nullopt;
            // A '#' right after the quote is no comment.
            if (i + 1 < text.size() && !is_blank(text[i + 1])) return std::nullopt;
            return value;
        }
        if (text[i] == '\\') {
            if (i + 1 == text.size() || (text[i + 1] != '"' && text[i + 1] != '\\')) return std::nullopt;
            ++i;
        }
        value += text[i];
    }
    return std::nullopt;
}

Result<std::optional<FileEntry>> parse_line(std::string_view text) {
    const auto wrong = [](std::string what) { return Error{ErrorCode::kInvalidArgument, std::move(what)}; };
    if (trimmed(without_comment(text)).empty()) return std::optional<FileEntry>{};
    const bool control = std::ranges::any_of(
        text, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
    if (control) return wrong("a control character; a config file is text");
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return wrong("a line should be 'name = value', a comment after '#', or blank");
    FileEntry entry;
    entry.name = trimmed(text.substr(0, equals));
    if (!is_name(entry.name)) return wrong("the name before '=' should consist of letters, digits and '-'");
    const std::string_view right = trimmed(text.substr(equals + 1));
    if (right.starts_with('"')) {
        auto value = unquoted(right);
        if (!value) {
            return wrong(shown(entry.name) + ": a quoted value should end with a quote and nothing after it but a comment; "
                                      "inside, write \\\" and \\\\");
        }
        entry.value = std::move(*value);
    } else {
        entry.value = trimmed(without_comment(right));
        if (entry.value.empty()) return wrong(shown(entry.name) + ": the value is missing; write \"\" for an empty one");
    }
    return std::optional<FileEntry>{std::move(entry)};
}

}  // namespace

Result<std::vector<FileEntry>> parse_config_file(const std::string& path, std::string_view contents) {
    std::vector<FileEntry> entries;
    std::map<std::string, std::size_t, std::less<>> lines;
    if (contents.starts_with("\xef\xbb\xbf")) contents.remove_prefix(3);  // a byte order mark
    for (std::size_t number = 1; !contents.empty(); ++number) {
        const std::size_t end = contents.find('\n');
        std::string_view line = contents.substr(0, end);
        contents.remove_prefix(end == std::string_view::npos ? contents.size() : end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        const std::string where = path + ":" + std::to_string(number);
        auto parsed = parse_line(line);
        if (!parsed) return std::move(parsed).error().while_doing(where);
        if (!*parsed) continue;
        FileEntry& entry = **parsed;
        entry.line = number;
        const auto [before, fresh] = lines.emplace(entry.name, number);
        if (!fresh) {
            return Error{ErrorCode::kInvalidArgument, where + ": " + shown(entry.name) + " was set in line " +
                                                          std::to_string(before->second) + " already; keep one of the two"};
        }
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace millrace::config
