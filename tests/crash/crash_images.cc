// SPDX-License-Identifier: Apache-2.0
//
//     millrace_crash_images [COUNT] [FIRST]
//
// Tries COUNT images (all of them without, or with 0), from the FIRST on, and prints how many of each class there are,
// were tried and were refused, and what it took. Exit code 1 when a promise was broken; then the numbers of the images
// are printed: millrace_crash_images 1 NUMBER tries one again.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "common/telemetry/log.h"
#include "tests/crash/journal_image.h"

namespace {

using namespace millrace;
using namespace millrace::crash;

constexpr std::size_t kClasses = static_cast<std::size_t>(ImageClass::kCount);
constexpr int kViolationsShown = 20;

struct Counts {
    std::uint64_t all = 0;
    std::uint64_t tried = 0;
    std::uint64_t refused = 0;
    std::uint64_t violations = 0;
};

double core_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

int main(int argc, char** argv) {
    log_line::set_level(log_line::Level::kError);
    const std::vector<JournalLife> lives = record_lives({});
    const JournalImages images{lives, {}};
    std::vector<ImageSpec> specs = images.all();
    JournalImages::shuffle(specs);
    const std::size_t first = argc > 2 ? std::min<std::size_t>(std::strtoull(argv[2], nullptr, 10), specs.size()) : 0;
    const std::size_t wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
    const std::size_t end = wanted == 0 ? specs.size() : std::min(specs.size(), first + wanted);

    std::array<Counts, kClasses> counts;
    std::uint64_t violations = 0;
    for (const ImageSpec& spec : specs) ++counts[static_cast<std::size_t>(spec.kind)].all;
    for (std::size_t i = first; i < end; ++i) {
        const ImageSpec& spec = specs[i];
        Counts& count = counts[static_cast<std::size_t>(spec.kind)];
        const auto image = images.make(spec);
        const Verdict verdict = image ? judge(*image, {}) : Verdict{"the start that was to die fails", false};
        ++count.tried;
        if (verdict.refused) ++count.refused;
        if (verdict.violation.empty()) continue;
        ++count.violations;
        if (++violations <= kViolationsShown) {
            std::printf("image %zu (%s of '%s' after %u events, %u %u; %s): %s\n", i,
                        std::string{name_of(spec.kind)}.c_str(), lives[spec.life].name.c_str(), spec.point, spec.a,
                        spec.b, image && !image->damage.empty() ? image->damage.c_str() : "no damage",
                        verdict.violation.c_str());
        }
    }
    std::printf("%-8s %10s %10s %10s %10s\n", "class", "there are", "tried", "refused", "violations");
    for (std::size_t i = 0; i < kClasses; ++i) {
        std::printf("%-8s %10llu %10llu %10llu %10llu\n", std::string{name_of(static_cast<ImageClass>(i))}.c_str(),
                    static_cast<unsigned long long>(counts[i].all), static_cast<unsigned long long>(counts[i].tried),
                    static_cast<unsigned long long>(counts[i].refused),
                    static_cast<unsigned long long>(counts[i].violations));
    }
    std::printf("%zu of %zu images, %llu violations, %.1f core-seconds\n", end - first, specs.size(),
                static_cast<unsigned long long>(violations), core_seconds());
    return violations == 0 ? 0 : 1;
}
