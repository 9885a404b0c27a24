// SPDX-License-Identifier: Apache-2.0
//
// The slice of fuzzing that every test run does, for what comes from peers: the corpus and its mutations, and random
// conversations with theirs.
#include <gtest/gtest.h>

#include "common/wire/event.h"
#include "common/wire/messages.h"
#include "tests/fuzz/corpus.h"
#include "tests/fuzz/entries.h"

namespace millrace::fuzz {
namespace {

const Entries& entries() {
    static const Entries kEntries{{"frames", frames}, {"appends", appends}, {"events", events}};
    return kEntries;
}

TEST(FuzzCorpus, IsWhatTheProgramMakes) { expect_seeds_are_kept(wire_seeds()); }

TEST(FuzzCorpus, IsSurvivedAndSoAreItsMutations) { run_corpus(entries(), 100); }

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

TEST(Fuzz, SurvivesRandomBytes) { run_random_bytes(entries(), 10'000); }

}  // namespace
}  // namespace millrace::fuzz
