// SPDX-License-Identifier: Apache-2.0
//
// A figure over the rounds of a run: printed with its spread and its target, and written down for who makes tables of
// many runs.
#pragma once

#include <fstream>
#include <string>
#include <vector>

namespace millrace::bench {

struct Target {
    enum class Kind { kNone, kAtLeast, kAtMost };
    Kind kind = Kind::kNone;
    double value = 0;

    bool met_by(double figure) const;
    std::string to_string() const;
};
inline constexpr Target kNoTarget{};
constexpr Target at_least(double value) { return {Target::Kind::kAtLeast, value}; }
constexpr Target at_most(double value) { return {Target::Kind::kAtMost, value}; }

// Where figures are written down: a line of JSON for each round's value,
// {scenario, figure, value} and where there is a target {at_least} or {at_most}.
class FigureLog {
public:
    // Appends to the file; an empty name: writes nothing. A file that cannot be written ends the program.
    explicit FigureLog(const std::string& path);

    void add(const std::string& scenario, const std::string& figure, double value, const Target& target);

private:
    const std::string path_;
    std::ofstream out_;
};

class Figure {
public:
    // `scenario`: its number in docs/performance.md. The log outlives the figure.
    Figure(FigureLog& log, std::string scenario, std::string name, Target target = kNoTarget)
        : log_{log}, scenario_{std::move(scenario)}, name_{std::move(name)}, target_{target} {}

    void add(double value);
    // REQUIRES: a value was added.
    double last() const { return values_.back(); }
    // Median and spread; nothing when no value was added.
    void print() const;

private:
    FigureLog& log_;
    const std::string scenario_;
    const std::string name_;
    const Target target_;
    std::vector<double> values_;
};

}  // namespace millrace::bench
