// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cli/acknowledgements.h"
#include "cli/length_reader.h"
#include "cli/line_reader.h"

namespace millrace::cli {
namespace {

EventInput::Source pieces_of(std::string text, std::size_t step) {
    return [text = std::move(text), at = std::size_t{0}, step](char* into,
                                                               std::size_t size) mutable -> Result<std::size_t> {
        const std::size_t n = std::min({size, step, text.size() - at});
        text.copy(into, n, at);
        at += n;
        return n;
    };
}

std::string framed(const std::vector<std::string>& events) {
    std::string bytes;
    for (const std::string& event : events) {
        const auto prefix = length_prefix(event.size());
        bytes.append(prefix.data(), prefix.size()).append(event);
    }
    return bytes;
}

TEST(LengthReader, TakesAnyBytesWhateverTheSizeOfReads) {
    const std::vector<std::string> events{"one", "", std::string{"\0\n\xff", 3}, std::string(3'000'000, 'x')};
    for (const std::size_t step : {1u, 3u, 5u, 1'000'000u}) {
        LengthReader reader{pieces_of(framed(events), step), 4'000'000};
        std::vector<std::string> got;
        while (true) {
            const auto item = reader.next();
            ASSERT_TRUE(item.ok());
            if (item->end) break;
            got.emplace_back(item->text);
            EXPECT_EQ(reader.number(), got.size());
        }
        EXPECT_EQ(got, events);
    }
}

TEST(LengthReader, NamesTheEventAndTheByteWhereItIsWrong) {
    const std::string good = framed({"one", "two"});  // 14 bytes
    const std::vector<std::pair<std::string, std::string>> cases{
        {"\x7f\xff\xff\xff", "event 3 at byte 14 has a length of 2147483647; an event has at most 100 bytes"},
        {std::string{"\0\0", 2}, "event 3 at byte 14: the input ends after 2 of its 4 bytes of length"},
        {std::string{"\0\0\0\x05"
                     "ab",
                     6},
         "event 3 at byte 14: the input ends after 2 of its 5 bytes"},
    };
    for (const auto& [end, expected] : cases) {
        LengthReader reader{pieces_of(good + end, 7), 100};
        ASSERT_TRUE(reader.next().ok());
        ASSERT_TRUE(reader.next().ok());
        const auto wrong = reader.next();
        ASSERT_FALSE(wrong.ok());
        EXPECT_EQ(wrong.error().detail(), expected);
    }
}

TEST(LengthReader, PassesOver) {
    LengthReader reader{pieces_of(framed({"one", "two", "three"}), 4), 100};
    EXPECT_TRUE(*reader.skip());
    EXPECT_TRUE(*reader.skip());
    EXPECT_EQ(reader.next()->text, "three");
    EXPECT_EQ(reader.number(), 3u);
    EXPECT_FALSE(*reader.skip());
}

TEST(LineReader, PassesOverLinesHoweverLongTheyAre) {
    const std::string text = "one\n" + std::string(5'000'000, 'x') + "\n\nfour\nlast";
    for (const std::size_t step : {100'000u, 10'000'000u}) {
        LineReader reader{pieces_of(text, step), 100};
        for (int i = 0; i < 3; ++i) EXPECT_TRUE(*reader.skip());
        EXPECT_EQ(reader.number(), 3u);
        EXPECT_EQ(reader.next()->text, "four");
        EXPECT_EQ(reader.number(), 4u);
        EXPECT_TRUE(*reader.skip());
        EXPECT_FALSE(*reader.skip());
        EXPECT_EQ(reader.number(), 5u);
    }
}

TEST(Acknowledgements, KnowUpToWhichEventAllAreStored) {
    Acknowledgements known{0};
    known.ended(2, true);
    known.ended(3, true);
    EXPECT_EQ(known.totals().all_up_to, 0u);
    EXPECT_EQ(known.totals().apart, 3u);
    known.ended(1, true);
    EXPECT_EQ(known.totals().all_up_to, 3u);
    EXPECT_EQ(known.totals().apart, 0u);
    known.ended(4, false);
    known.ended(5, true);
    EXPECT_EQ(known.totals().all_up_to, 3u);
    EXPECT_EQ(known.totals().apart, 2u);
    EXPECT_EQ(known.totals().acknowledged, 4u);
    EXPECT_EQ(known.totals().ended, 5u);
}

TEST(Acknowledgements, WakeWhoWaitsWhenEnoughHaveEnded) {
    Acknowledgements known{0};
    known.ended(1, true);
    known.wait_until_ended(1, std::chrono::hours{1});  // at once
    known.wait_until_ended(2, std::chrono::milliseconds{1});
    EXPECT_EQ(known.totals().ended, 1u) << "in vain";
    std::thread acknowledges{[&known] {
        for (std::uint64_t number = 2; number <= 1000; ++number) known.ended(number, number % 2 == 0);
    }};
    known.wait_until_ended(1000, std::chrono::hours{1});
    EXPECT_EQ(known.totals().ended, 1000u);
    acknowledges.join();
}

TEST(Acknowledgements, CountWhatWasPassedOverAsStored) {
    Acknowledgements known{10};
    EXPECT_EQ(known.totals().all_up_to, 10u);
    known.ended(12, true);
    EXPECT_EQ(known.totals().all_up_to, 10u);
    known.ended(11, true);
    EXPECT_EQ(known.totals().all_up_to, 12u);
    EXPECT_EQ(known.totals().acknowledged, 2u);
}

TEST(Acknowledgements, AgreeWithASetWhateverTheOrder) {
    std::mt19937_64 chance{7};
    std::vector<std::uint64_t> order(2000);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i + 1;
    std::shuffle(order.begin(), order.end(), chance);
    Acknowledgements known{0};
    std::vector<bool> stored(order.size() + 2);
    for (const std::uint64_t number : order) {
        known.ended(number, number != 1500);
        stored[number] = number != 1500;
        std::uint64_t prefix = 0;
        while (stored[prefix + 1]) ++prefix;
        ASSERT_EQ(known.totals().all_up_to, prefix);
    }
    EXPECT_EQ(known.totals().all_up_to, 1499u);
}

}  // namespace
}  // namespace millrace::cli
