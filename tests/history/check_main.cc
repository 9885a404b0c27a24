// SPDX-License-Identifier: Apache-2.0
//
// millrace_check_history [--cut-off-ok] FILE...: judges the history that the files make together ("-": standard input).
// Prints what is wrong and one line of counts. Exit: 0 all is well, 1 violations, 2 no history.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string_view>

#include "tests/history/check.h"
#include "tests/history/format.h"

namespace {

int fail(const std::string& sentence) {
    std::fprintf(stderr, "millrace_check_history: %s\n", sentence.c_str());
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace millrace;
    history::History all;
    bool cut_off_ok = false;
    int files = 0;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--cut-off-ok") {
            cut_off_ok = true;
            continue;
        }
        if (argument.size() > 1 && argument.starts_with("-")) {
            return fail("unknown option '" + argument + "'; usage: millrace_check_history [--cut-off-ok] FILE...");
        }
        std::ifstream file;
        if (argument != "-") {
            file.open(argument);
            if (!file) return fail(argument + " cannot be opened");
        }
        const auto read = history::read_history(argument == "-" ? std::cin : file, cut_off_ok, all);
        if (!read) return fail(argument + ": " + read.error().detail());
        ++files;
    }
    if (files == 0) return fail("no file; usage: millrace_check_history [--cut-off-ok] FILE...");
    const auto violations = history::check_history(all);
    std::fputs(history::to_text(violations).c_str(), stdout);
    std::printf("history: writes=%zu reads=%zu faults=%zu violations=%zu\n", all.writes.size(), all.reads.size(),
                all.faults.size(), violations.size());
    return violations.empty() ? 0 : 1;
}
