// SPDX-License-Identifier: Apache-2.0
//
// What simulations reported through common/runtime/rare.h, over the whole process: how often each MR_PROBE was
// reached and each MR_RARE fired, and the error lines that were logged. At exit the counts are appended to the
// file named by MILLRACE_PROBES, one "<name> <count>" a line; scripts/probes.py sums such files.
// Thread rule: one simulating thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::sim {

void count_probe(const char* name);
std::uint64_t probe_count(std::string_view name);
// All that were reached.
std::map<std::string, std::uint64_t> probe_counts();

// Lines of level error since the last take, oldest first; a bounded number of them.
void record_error_line(std::string_view line);
std::vector<std::string> take_error_lines();

}  // namespace millrace::sim
