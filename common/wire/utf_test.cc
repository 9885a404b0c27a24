// SPDX-License-Identifier: Apache-2.0
#include "common/wire/utf.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/wire/testing/random_message.h"

namespace millrace::wire {
namespace {

std::string utf_hex(std::string_view text) {
    ByteBuffer out(utf_size_bound(text));
    const std::byte* end = encode_utf(text, out.data());
    out.resize(static_cast<std::size_t>(end - out.data()));
    return to_hex(out);
}

// Decodes from memory of exactly that size.
bool from_utf_hex(std::string_view hex, std::string& text) { return decode_utf(Bytes::copy_of(from_hex(hex).view()), text); }

TEST(Utf, EncodesModifiedUtf8) {
    const std::string text = std::string{"a\xC3\xA9"} + '\0' + "\xE2\x82\xAC\xF0\x9F\x98\x80";
    EXPECT_EQ(utf_hex(text), "000e61c3a9c080e282aceda0bdedb880");
    std::string back;
    ASSERT_TRUE(from_utf_hex("61c3a9c080e282aceda0bdedb880", back));
    EXPECT_EQ(back, text);
    EXPECT_EQ(utf_hex(""), "0000");
}

TEST(Utf, FindsOddBytesAtEveryPlaceInAString) {
    for (std::size_t size = 1; size < 40; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const std::string& odd : {std::string(1, '\0'), std::string{"\xC3\xA9"}, std::string{"\x7F"}}) {
                std::string text(size, 'x');
                text.replace(at, 1, odd);
                const std::string hex = utf_hex(text);
                std::string back;
                ASSERT_TRUE(from_utf_hex(std::string_view{hex}.substr(4), back));
                ASSERT_EQ(back, text);
            }
        }
    }
}

TEST(Utf, TakesFourByteFormsOfOrdinaryUtf8) {
    std::string text;
    ASSERT_TRUE(from_utf_hex("61f09f988062", text));
    EXPECT_EQ(text, "a\xF0\x9F\x98\x80" "b");
}

TEST(Utf, TurnsHalfSurrogatePairsIntoReplacementCharacters) {
    const std::string replacement = "\xEF\xBF\xBD";
    std::string text;
    for (const std::string_view half : {"eda0bd", "edb880"}) {
        ASSERT_TRUE(from_utf_hex(half, text));
        EXPECT_EQ(text, replacement);
    }
    ASSERT_TRUE(from_utf_hex("eda0bdeda0bdedb880", text));
    EXPECT_EQ(text, replacement + "\xF0\x9F\x98\x80");
    ASSERT_TRUE(from_utf_hex("eda0bd61", text));
    EXPECT_EQ(text, replacement + "a");
}

TEST(Utf, RefusesMalformedBytes) {
    std::string text;
    for (const std::string_view hex : {"80", "ff", "c3", "c341", "e282", "e28241", "61e2", "f0", "f09f98", "f09f9841",
                                       "f8888080", "eda0bdedb8", "eda0bded", "f4908080"}) {
        EXPECT_FALSE(from_utf_hex(hex, text)) << hex;
    }
}

TEST(Utf, SendsInvalidUtf8AsReplacementCharacters) {
    EXPECT_EQ(utf_hex("a\xFF"), "000461efbfbd");
    EXPECT_EQ(utf_hex(std::string(40'000, '\xFF')).substr(0, 4), "ffff");  // 21,845 of three bytes
}

TEST(Utf, CutsLongStringsAfterTheLastCharacterThatFits) {
    EXPECT_EQ(utf_hex(std::string(65'535, 'x')).substr(0, 4), "ffff");
    EXPECT_EQ(utf_hex(std::string(70'000, 'x')).size(), 2 * (2 + 65'535));
    // 65,530 bytes and then six that do not fit; nothing of the pair is sent.
    const std::string text = std::string(65'530, 'x') + "\xF0\x9F\x98\x80";
    EXPECT_EQ(utf_hex(text).substr(0, 4), "fffa");
    EXPECT_EQ(utf_hex(std::string(65'529, 'x') + "\xF0\x9F\x98\x80").substr(0, 4), "ffff");
    EXPECT_EQ(utf_hex(std::string(65'534, 'x') + "\xC3\xA9").substr(0, 4), "fffe");
}

// Whatever arrives, what comes out is UTF-8 that encodes and decodes to itself.
TEST(Utf, SurvivesRandomBytes) {
    testing::Dice dice{1};
    int accepted = 0;
    for (int i = 0; i < 200'000; ++i) {
        const Bytes bytes = dice.bytes(dice.below(7));
        std::string text;
        if (!decode_utf(bytes, text)) continue;
        ++accepted;
        const std::string hex = utf_hex(text);
        std::string again;
        ASSERT_TRUE(from_utf_hex(std::string_view{hex}.substr(4), again)) << to_hex(bytes);
        ASSERT_EQ(again, text) << to_hex(bytes);
    }
    EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace millrace::wire
