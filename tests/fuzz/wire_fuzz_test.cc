// SPDX-License-Identifier: Apache-2.0
//
// Runs the fuzzer's entry function over a small corpus made here: conversations of valid frames, and
// the same with bytes flipped, cut out and doubled.
#include <gtest/gtest.h>

#include <string_view>

#include "common/wire/event.h"
#include "common/wire/testing/random_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace millrace::wire {
namespace {

void run_entry(const ByteBuffer& input) {
    EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size()), 0);
}

// A writer with a few appends in all their forms.
ByteBuffer append_conversation(testing::Dice& dice) {
    ByteBuffer out;
    WriterId writer;
    for (std::byte& b : writer.bytes) b = static_cast<std::byte>(dice.next());
    encode(Hello{}, out);
    encode(SetupAppend{1, writer, "s/t/0.#epoch.0", ""}, out);
    for (std::int64_t number = 1; number <= 4; ++number) {
        ByteBuffer whole;
        encode_event(dice.bytes(dice.below(20)), whole);
        const auto whole_bytes = static_cast<std::int32_t>(whole.size());
        Bytes rest;
        switch (dice.below(4)) {
            case 0: encode(Padding{static_cast<std::int32_t>(dice.below(9))}, whole); break;
            case 1:
                encode(PartialEvent{dice.bytes(dice.below(9))}, whole);
                rest = dice.bytes(dice.below(9));
                break;
            case 2: break;
            default:
                encode(AppendBlockEnd{writer, whole_bytes, Bytes{whole}, 1, number, 1}, out);
                continue;
        }
        encode(AppendBlock{writer, Bytes{std::move(whole)}}, out);
        encode(AppendBlockEnd{writer, whole_bytes, rest, 1, number, 1}, out);
    }
    return out;
}

ByteBuffer mutated(ByteBuffer input, testing::Dice& dice) {
    for (std::size_t n = 1 + dice.below(4); n > 0 && !input.empty(); --n) {
        const auto at = static_cast<std::ptrdiff_t>(dice.below(input.size()));
        switch (dice.below(4)) {
            case 0: input[static_cast<std::size_t>(at)] = static_cast<std::byte>(dice.next()); break;
            case 1: input[static_cast<std::size_t>(at)] ^= static_cast<std::byte>(1 << dice.below(8)); break;
            case 2: input.erase(input.begin() + at); break;
            default: input.resize(static_cast<std::size_t>(at)); break;
        }
    }
    return input;
}

TEST(WireFuzz, SurvivesConversationsAndTheirMutations) {
    testing::Dice dice{1};
    for (int i = 0; i < 200; ++i) {
        ByteBuffer input = append_conversation(dice);
        for (std::size_t n = dice.below(6); n > 0; --n) {
            encode(testing::random_message(dice.below(std::variant_size_v<Message>), dice), input);
        }
        run_entry(input);
        for (int j = 0; j < 30; ++j) run_entry(mutated(input, dice));
    }
}

TEST(WireFuzz, SurvivesRandomBytes) {
    testing::Dice dice{2};
    for (int i = 0; i < 20'000; ++i) {
        ByteBuffer input;
        input.append(dice.bytes(dice.below(100)));
        run_entry(input);
    }
}

}  // namespace
}  // namespace millrace::wire
