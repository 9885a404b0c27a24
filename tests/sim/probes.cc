// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/probes.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <unordered_map>

namespace millrace::sim {

namespace {

struct ProbeBook {
    // By address: names are literals. One name may have several addresses.
    std::unordered_map<const char*, std::uint64_t> counts;
    std::vector<std::string> error_lines;
};

void write_probe_counts() {
    const char* path = std::getenv("MILLRACE_PROBES");
    if (path == nullptr || *path == '\0') return;
    std::string text;
    for (const auto& [name, count] : probe_counts()) text += name + " " + std::to_string(count) + "\n";
    // One write, so that programs that end at the same time do not mix their lines.
    const int file = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) return;
    (void)!::write(file, text.data(), text.size());
    ::close(file);
}

// Lives as long as the process: the writer runs at its exit.
ProbeBook& book() {
    static ProbeBook* const instance = [] {
        std::atexit(write_probe_counts);
        return new ProbeBook;
    }();
    return *instance;
}

}  // namespace

void count_probe(const char* name) { ++book().counts[name]; }

std::map<std::string, std::uint64_t> probe_counts() {
    std::map<std::string, std::uint64_t> sums;
    for (const auto& [name, count] : book().counts) sums[name] += count;
    return sums;
}

std::uint64_t probe_count(std::string_view name) {
    std::uint64_t sum = 0;
    for (const auto& [each, count] : book().counts) {
        if (name == each) sum += count;
    }
    return sum;
}

void record_error_line(std::string_view line) {
    constexpr std::size_t kLinesMax = 50;
    auto& lines = book().error_lines;
    if (lines.size() < kLinesMax) lines.emplace_back(line);
}

std::vector<std::string> take_error_lines() { return std::exchange(book().error_lines, {}); }

}  // namespace millrace::sim
