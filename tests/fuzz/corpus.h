// SPDX-License-Identifier: Apache-2.0
//
// What the tests feed to the entries: the kept corpus, each of its files with bytes flipped, cut out and doubled, and
// random bytes. A new kind of entry needs a table here (wire, disk) and seeds.
// Thread rule: one thread.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "common/wire/testing/random_message.h"
#include "tests/fuzz/seeds.h"

namespace millrace::fuzz {

using wire::testing::Dice;
using Entries = std::map<std::string, std::function<void(ByteView)>>;

inline const std::filesystem::path kCorpus = MR_FUZZ_CORPUS;

inline ByteBuffer contents_of(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    EXPECT_TRUE(file) << path;
    ByteBuffer bytes;
    bytes.append(as_bytes(text));
    return bytes;
}

// In an order that does not depend on the file system.
inline std::vector<std::filesystem::path> files_of(const std::string& entry) {
    std::vector<std::filesystem::path> files;
    for (const auto& file : std::filesystem::directory_iterator{kCorpus / entry}) files.push_back(file.path());
    std::ranges::sort(files);
    return files;
}

inline ByteBuffer mutated(ByteBuffer input, Dice& dice) {
    for (std::size_t n = 1 + dice.below(4); n > 0 && !input.empty(); --n) {
        const std::size_t at = dice.below(input.size());
        const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
        switch (dice.below(5)) {
            case 0:
                input[at] = static_cast<std::byte>(dice.next());
                break;
            case 1:
                input[at] ^= static_cast<std::byte>(1 << dice.below(8));
                break;
            case 2:
                input.erase(place);
                break;
            case 3:
                input.insert(place, input[at]);
                break;
            default:
                input.resize(at);
                break;
        }
    }
    return input;
}

inline void expect_seeds_are_kept(const std::vector<Seed>& seeds) {
    for (const Seed& seed : seeds) {
        const std::filesystem::path path = kCorpus / seed.entry / seed.name;
        ASSERT_TRUE(std::filesystem::exists(path)) << path << " is missing; millrace_make_corpus writes it";
        EXPECT_EQ(to_hex(contents_of(path)), to_hex(seed.bytes)) << path;
    }
}

inline void run_corpus(const Entries& entries, int mutations_each) {
    Dice dice{1};
    for (const auto& [entry, run] : entries) {
        const auto files = files_of(entry);
        EXPECT_FALSE(files.empty()) << entry;
        for (const auto& file : files) {
            SCOPED_TRACE(file.string());
            const ByteBuffer input = contents_of(file);
            EXPECT_LT(input.size(), 4096u) << "the corpus is kept small";
            run(input);
            for (int i = 0; i < mutations_each; ++i) run(mutated(input, dice));
        }
    }
}

inline void run_random_bytes(const Entries& entries, int inputs) {
    Dice dice{3};
    for (int i = 0; i < inputs; ++i) {
        ByteBuffer input;
        input.append(dice.bytes(dice.below(100)));
        for (const auto& [entry, run] : entries) run(input);
    }
}

}  // namespace millrace::fuzz
