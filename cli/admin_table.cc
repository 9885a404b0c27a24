// SPDX-License-Identifier: Apache-2.0
#include "cli/admin_table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <ctime>

#include <nlohmann/json.hpp>

namespace millrace::cli {

bool AdminTable::print(const CommandLine& line) const {
    if (line.json()) {
        nlohmann::ordered_json all = nlohmann::ordered_json::array();
        for (const auto& row : rows_) {
            nlohmann::ordered_json object;
            for (std::size_t i = 0; i < names_.size(); ++i) {
                std::visit([&](const auto& value) { object[names_[i]] = value; }, row[i].value());
            }
            all.push_back(std::move(object));
        }
        return print_line(line, all.dump());
    }
    std::vector<std::vector<std::string>> text;
    std::vector<std::string>& head = text.emplace_back(names_);
    for (std::string& name : head) {
        std::replace(name.begin(), name.end(), '_', ' ');
        for (char& letter : name) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    }
    for (const auto& row : rows_) {
        std::vector<std::string>& cells = text.emplace_back();
        for (const Cell& cell : row) {
            const auto* number = std::get_if<std::int64_t>(&cell.value());
            cells.push_back(number != nullptr ? std::to_string(*number) : std::get<std::string>(cell.value()));
        }
    }
    return print_line(line, format_table(text));
}

std::string time_text(std::uint64_t ms_since_1970) {
    const auto seconds = static_cast<std::time_t>(ms_since_1970 / 1000);
    std::tm parts{};
    if (gmtime_r(&seconds, &parts) == nullptr) return std::to_string(ms_since_1970);
    std::array<char, 40> date{};
    std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::array<char, 60> text{};
    std::snprintf(text.data(), text.size(), "%s.%03uZ", date.data(), static_cast<unsigned>(ms_since_1970 % 1000));
    return text.data();
}

}  // namespace millrace::cli
