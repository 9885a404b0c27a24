// SPDX-License-Identifier: Apache-2.0
//
// The slice of fuzzing that every test run does: the kept corpus, each of its files with bytes
// flipped, cut out and doubled, and random conversations with their mutations.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "common/wire/event.h"
#include "common/wire/messages.h"
#include "common/wire/testing/random_message.h"
#include "tests/fuzz/entries.h"
#include "tests/fuzz/seeds.h"

namespace millrace::fuzz {
namespace {

using wire::testing::Dice;

const std::filesystem::path kCorpus = MR_FUZZ_CORPUS;

const std::map<std::string, std::function<void(ByteView)>>& entries() {
    static const std::map<std::string, std::function<void(ByteView)>> kEntries{
        {"frames", frames}, {"appends", appends}, {"events", events}};
    return kEntries;
}

ByteBuffer contents_of(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    EXPECT_TRUE(file) << path;
    ByteBuffer bytes;
    bytes.append(as_bytes(text));
    return bytes;
}

// In an order that does not depend on the file system.
std::vector<std::filesystem::path> files_of(const std::string& entry) {
    std::vector<std::filesystem::path> files;
    for (const auto& file : std::filesystem::directory_iterator{kCorpus / entry}) files.push_back(file.path());
    std::ranges::sort(files);
    return files;
}

ByteBuffer mutated(ByteBuffer input, Dice& dice) {
    for (std::size_t n = 1 + dice.below(4); n > 0 && !input.empty(); --n) {
        const std::size_t at = dice.below(input.size());
        const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
        switch (dice.below(5)) {
            case 0: input[at] = static_cast<std::byte>(dice.next()); break;
            case 1: input[at] ^= static_cast<std::byte>(1 << dice.below(8)); break;
            case 2: input.erase(place); break;
            case 3: input.insert(place, input[at]); break;
            default: input.resize(at); break;
        }
    }
    return input;
}

TEST(FuzzCorpus, IsWhatTheProgramMakes) {
    for (const Seed& seed : seeds()) {
        const std::filesystem::path path = kCorpus / seed.entry / seed.name;
        ASSERT_TRUE(std::filesystem::exists(path)) << path << " is missing; millrace_make_corpus writes it";
        EXPECT_EQ(to_hex(contents_of(path)), to_hex(seed.bytes)) << path;
    }
}

TEST(FuzzCorpus, IsSurvivedAndSoAreItsMutations) {
    Dice dice{1};
    for (const auto& [entry, run] : entries()) {
        const auto files = files_of(entry);
        EXPECT_FALSE(files.empty()) << entry;
        for (const auto& file : files) {
            SCOPED_TRACE(file.string());
            const ByteBuffer input = contents_of(file);
            EXPECT_LT(input.size(), 4096u) << "the corpus is kept small";
            run(input);
            for (int i = 0; i < 100; ++i) run(mutated(input, dice));
        }
    }
}

// A writer with a few appends in all their forms.
ByteBuffer append_conversation(Dice& dice) {
    ByteBuffer out;
    WriterId writer;
    for (std::byte& b : writer.bytes) b = static_cast<std::byte>(dice.next());
    wire::encode(wire::Hello{}, out);
    wire::encode(wire::SetupAppend{1, writer, "s/t/0.#epoch.0", ""}, out);
    for (std::int64_t number = 1; number <= 4; ++number) {
        ByteBuffer whole;
        wire::encode_event(dice.bytes(dice.below(20)), whole);
        const auto whole_bytes = static_cast<std::int32_t>(whole.size());
        Bytes rest;
        switch (dice.below(4)) {
            case 0: wire::encode(wire::Padding{static_cast<std::int32_t>(dice.below(9))}, whole); break;
            case 1:
                wire::encode(wire::PartialEvent{dice.bytes(dice.below(9))}, whole);
                rest = dice.bytes(dice.below(9));
                break;
            case 2: break;
            default:
                wire::encode(wire::AppendBlockEnd{writer, whole_bytes, Bytes{whole}, 1, number, 1}, out);
                continue;
        }
        wire::encode(wire::AppendBlock{writer, Bytes{std::move(whole)}}, out);
        wire::encode(wire::AppendBlockEnd{writer, whole_bytes, rest, 1, number, 1}, out);
    }
    return out;
}

TEST(Fuzz, SurvivesConversationsAndTheirMutations) {
    Dice dice{2};
    for (int i = 0; i < 100; ++i) {
        ByteBuffer input = append_conversation(dice);
        for (std::size_t n = dice.below(6); n > 0; --n) {
            wire::encode(wire::testing::random_message(dice.below(std::variant_size_v<wire::Message>), dice), input);
        }
        for (const auto& [entry, run] : entries()) {
            run(input);
            for (int j = 0; j < 20; ++j) run(mutated(input, dice));
        }
    }
}

TEST(Fuzz, SurvivesRandomBytes) {
    Dice dice{3};
    for (int i = 0; i < 10'000; ++i) {
        ByteBuffer input;
        input.append(dice.bytes(dice.below(100)));
        for (const auto& [entry, run] : entries()) run(input);
    }
}

}  // namespace
}  // namespace millrace::fuzz
