// SPDX-License-Identifier: Apache-2.0
//
// A table for people, or for programs with --output json.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "cli/command.h"

namespace millrace::cli {

class AdminTable {
public:
    class Cell {
    public:
        Cell(std::string text) : value_{std::move(text)} {}  // NOLINT(google-explicit-constructor)
        template <class Number>
            requires std::is_integral_v<Number>
        Cell(Number number) : value_{static_cast<std::int64_t>(number)} {}  // NOLINT(google-explicit-constructor)

        const std::variant<std::string, std::int64_t>& value() const { return value_; }

    private:
        std::variant<std::string, std::int64_t> value_;
    };

    // Names of the columns, as JSON has them.
    void head(std::vector<std::string> names) { names_ = std::move(names); }
    // REQUIRES: as many cells as names.
    void row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
    void clear_rows() { rows_.clear(); }
    // False (said on stderr) when that was not possible.
    bool print(const CommandLine& line) const;

private:
    std::vector<std::string> names_;
    std::vector<std::vector<Cell>> rows_;
};

// "2026-11-21T12:43:06.989Z"
std::string time_text(std::uint64_t ms_since_1970);

}  // namespace millrace::cli
