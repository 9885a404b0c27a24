// SPDX-License-Identifier: Apache-2.0
//
//     millrace_make_corpus DIRECTORY
//
// Writes the seeds below DIRECTORY (tests/fuzz/corpus of the tree), one folder for each entry. Files
// that are there and no seeds stay: findings of the fuzzers are kept as tests.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/seeds.h"

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: millrace_make_corpus DIRECTORY\n");
        return 2;
    }
    const std::filesystem::path root{argv[1]};
    auto seeds = millrace::fuzz::wire_seeds();
    std::ranges::move(millrace::fuzz::disk_seeds(), std::back_inserter(seeds));
    for (const auto& seed : seeds) {
        std::filesystem::create_directories(root / seed.entry);
        const std::filesystem::path path = root / seed.entry / seed.name;
        std::ofstream file{path, std::ios::binary | std::ios::trunc};
        file.write(reinterpret_cast<const char*>(seed.bytes.data()), static_cast<std::streamsize>(seed.bytes.size()));
        if (!file.flush()) {
            std::fprintf(stderr, "millrace_make_corpus: cannot write '%s'\n", path.c_str());
            return 1;
        }
    }
    return 0;
}
