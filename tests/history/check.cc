// SPDX-License-Identifier: Apache-2.0
#include "tests/history/check.h"

#include "tests/history/findings.h"

namespace millrace::history {

std::string Violation::to_string() const {
    return "V" + std::to_string(static_cast<int>(rule)) + ": " + event + ": " + evidence;
}

std::vector<Violation> Findings::take() {
    std::vector<Violation> all;
    for (std::size_t rule = 0; rule < found_.size(); ++rule) {
        Found& found = found_[rule];
        for (Violation& one : found.kept) all.push_back(std::move(one));
        if (found.count > found.kept.size()) {
            all.push_back({static_cast<Rule>(rule), "and more",
                           "this rule is broken " + std::to_string(found.count) + " times in all"});
        }
    }
    return all;
}

std::vector<Violation> check_history(const History& history) {
    Findings findings;
    check_events(history, findings);
    check_groups(history, findings);
    check_owners(history, findings);
    check_run(history, findings);
    return findings.take();
}

std::string to_text(const std::vector<Violation>& violations) {
    std::string text;
    for (const Violation& one : violations) text += one.to_string() + "\n";
    return text;
}

}  // namespace millrace::history
