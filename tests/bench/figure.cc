// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/figure.h"

#include <nlohmann/json.hpp>

#include "tests/bench/bench.h"

namespace millrace::bench {

bool Target::met_by(double figure) const {
    return kind == Kind::kNone || (kind == Kind::kAtLeast ? figure >= value : figure <= value);
}

std::string Target::to_string() const {
    if (kind == Kind::kNone) return "none";
    char text[64];
    std::snprintf(text, sizeof text, "%s %g", kind == Kind::kAtLeast ? "at least" : "at most", value);
    return text;
}

FigureLog::FigureLog(const std::string& path) : path_{path} {
    if (!path_.empty()) out_.open(path_, std::ios::app);
    if (!out_) {
        std::fprintf(stderr, "cannot write '%s'\n", path_.c_str());
        std::exit(1);
    }
}

void FigureLog::add(const std::string& scenario, const std::string& figure, double value, const Target& target) {
    if (path_.empty()) return;
    nlohmann::ordered_json line{{"scenario", scenario}, {"figure", figure}, {"value", value}};
    if (target.kind != Target::Kind::kNone)
        line[target.kind == Target::Kind::kAtLeast ? "at_least" : "at_most"] = target.value;
    if (!(out_ << line.dump() << std::endl)) {
        std::fprintf(stderr, "cannot write '%s'\n", path_.c_str());
        std::exit(1);
    }
}

void Figure::add(double value) {
    values_.push_back(value);
    log_.add(scenario_, name_, value, target_);
}

void Figure::print() const {
    if (values_.empty()) return;
    const double middle = median(values_);
    const auto [least, most] = spread(values_);
    std::printf("  => %s: median %.3f (%.3f to %.3f)", name_.c_str(), middle, least, most);
    if (target_.kind != Target::Kind::kNone) {
        std::printf("  target %s: %s", target_.to_string().c_str(), target_.met_by(middle) ? "met" : "missed");
    }
    std::printf("\n");
    std::fflush(stdout);
}

}  // namespace millrace::bench
