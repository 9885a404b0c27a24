// SPDX-License-Identifier: Apache-2.0
#include "proto/testing/page_tables.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <sstream>

namespace millrace::proto::testing {

namespace {

std::string trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return std::string{text};
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
    std::vector<std::string> parts;
    while (true) {
        const std::size_t at = text.find(separator);
        parts.push_back(trimmed(text.substr(0, at)));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + separator.size());
    }
}

// "name 3": false when it is something else.
bool read_numbered(std::string_view text, std::string& name, int& number) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos || space == 0) return false;
    name = text.substr(0, space);
    const std::string digits = trimmed(text.substr(space));
    if (digits.empty() || digits.size() > 9 || !std::all_of(digits.begin(), digits.end(), [](unsigned char c) {
            return std::isdigit(c) != 0;
        })) {
        return false;
    }
    number = std::stoi(digits);
    return true;
}

bool read_field(std::string text, PageField& field) {
    constexpr std::string_view kOneOf = " (one of)";
    constexpr std::string_view kRepeated = "repeated ";
    if (text.ends_with(kOneOf)) {
        field.one_of = true;
        text.resize(text.size() - kOneOf.size());
    }
    const std::size_t colon = text.find(": ");
    if (colon == std::string::npos || !read_numbered(text.substr(0, colon), field.name, field.number)) return false;
    field.type = text.substr(colon + 2);
    if (field.type.starts_with(kRepeated)) {
        field.repeated = true;
        field.type.erase(0, kRepeated.size());
    }
    return !field.type.empty();
}

bool is_hex(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c == ' ' || std::isxdigit(c) != 0; });
}

}  // namespace

std::string read_source(const std::string& path) {
    std::ifstream file{std::string{MILLRACE_SOURCE_DIR} + "/" + path};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

Page parse_page(std::string_view text) {
    Page page;
    std::string table;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string line{rest.substr(0, end)};
        rest.remove_prefix(std::min(end + 1, rest.size()));

        if (line.starts_with("    ")) {
            const std::string content = trimmed(line);
            const std::size_t colon = content.find(": ");
            if (colon != std::string::npos && is_hex(content.substr(colon + 1))) {
                page.examples.emplace_back(content.substr(0, colon), content.substr(colon + 2));
            } else if (!page.examples.empty() && is_hex(content)) {
                page.examples.back().second += " " + content;
            } else {
                page.mistakes.push_back(line);
            }
            continue;
        }
        if (!line.starts_with("| ")) {
            if (!line.starts_with("|-")) table.clear();
            continue;
        }
        std::vector<std::string> cells = split(std::string_view{line}.substr(1, line.rfind('|') - 1), " | ");
        if (table.empty()) {
            table = cells.front();
            if (table == "Call" && cells.size() != 6) table = "something else";
        } else if (table == "Message" && cells.size() == 2) {
            std::vector<PageField>& fields = page.messages[cells[0]];
            if (!fields.empty()) page.mistakes.push_back(line);
            if (cells[1] == "(none)") continue;
            for (const std::string& one : split(cells[1], ";")) {
                PageField field;
                if (!read_field(one, field)) page.mistakes.push_back(line);
                fields.push_back(std::move(field));
            }
        } else if (table == "Enum" && cells.size() == 2) {
            for (const std::string& one : split(cells[1], ",")) {
                std::string name;
                int number = 0;
                if (!read_numbered(one, name, number) || !page.enums[cells[0]].emplace(name, number).second) {
                    page.mistakes.push_back(line);
                }
            }
        } else if (table == "Call") {
            page.methods.push_back({cells[0], cells[1], cells[2], cells[3], cells[4], cells[5]});
        }
    }
    return page;
}

}  // namespace millrace::proto::testing
