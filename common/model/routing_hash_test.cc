// SPDX-License-Identifier: Apache-2.0
#include "common/model/routing_hash.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace {
namespace {

struct KeyVector {
    std::string_view key;
    std::uint64_t hash;
    double position;
};

class RoutingHash : public testing::TestWithParam<KeyVector> {};

TEST_P(RoutingHash, AgreesWithOtherClients) {
    const KeyVector& vector = GetParam();
    EXPECT_EQ(routing_key_hash(vector.key), vector.hash);
    EXPECT_EQ(routing_position(vector.key), vector.position);
}

INSTANTIATE_TEST_SUITE_P(
    Published, RoutingHash,
    testing::Values(KeyVector{"", 0x3dbdde9466a2f7cf, 0.24117842791623523},
                    KeyVector{"0", 0xce3e23e22a0eb119, 0.8056356837424186},
                    KeyVector{"1", 0x5e1a1b1611a05db6, 0.36758584297933905},
                    KeyVector{"a", 0xf18217331898dfc0, 0.9433912753816884},
                    KeyVector{"b", 0xe672a5a874a80267, 0.9001868759411593},
                    KeyVector{"hello", 0xa8a1a07ba5f63abf, 0.658716230571337},
                    KeyVector{"test", 0x0f8ece6106492fe7, 0.060772799193987925},
                    KeyVector{"routingKey", 0xe95d6574907a530d, 0.9115813645916913},
                    KeyVector{"key-000001", 0x20c876484554d016, 0.1280588079874463},
                    KeyVector{"abcdefgh", 0xaf2b4d72a245302f, 0.6842544941776125},
                    KeyVector{"abcdefghijklmnop", 0x7f732645233dc002, 0.49785079181605507},
                    KeyVector{"0123456789abcdef0123456789abcdef", 0x09d9a91fb566992a, 0.03847748779426241},
                    KeyVector{"\xC3\xA9", 0xab3842849502ae7a, 0.6688272069632242},
                    KeyVector{"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", 0x5610e3afacf61e59, 0.33619521178203393},
                    KeyVector{"\xF0\x9F\x98\x80", 0xc66813bfd73041ef, 0.7750255912171164}));

struct TableKeyVector {
    std::string_view hex;
    double position;
    double with_zeros;  // if the seed's sign were not extended
};

// The seed is negative: it must fill both halves of the state with its sign.
TEST(TableKeyPosition, AgreesWithOtherClients) {
    for (const TableKeyVector& vector :
         {TableKeyVector{"00000000", 0.2518405200335543, 0.5307112488485723},
          TableKeyVector{"00000001", 0.7869216576677149, 0.3589609304652044},
          TableKeyVector{"6b657931", 0.011579266115581355, 0.5295274232718699},
          TableKeyVector{"0102030405060708", 0.9479925589212481, 0.12758884730386288},
          TableKeyVector{"00000000000000000000000000000000", 0.8153192835338181, 0.5107947024953674}}) {
        EXPECT_EQ(table_key_position(from_hex(vector.hex)), vector.position) << vector.hex;
        EXPECT_NE(table_key_position(from_hex(vector.hex)), vector.with_zeros) << vector.hex;
    }
}

TEST(PositionOfHash, StaysBelowOne) {
    EXPECT_EQ(position_of_hash(0), 0.0);
    EXPECT_EQ(position_of_hash(0x8000000000000000), 0.5);
    EXPECT_EQ(position_of_hash(~std::uint64_t{0}), 0.9999999999999998);
}

// The text is widened in pieces; wherever the pieces end, the result is that of the whole.
TEST(RoutingHash, DoesNotDependOnHowALongKeyIsCut) {
    for (std::size_t ascii = 0; ascii < 1100; ++ascii) {
        const std::string key = std::string(ascii, 'x') + "\xF0\x9F\x98\x80" + "\xC3\xA9" + std::string(ascii % 37, 'y');
        ByteBuffer utf16;
        const auto put = [&utf16](std::uint16_t unit) {
            utf16.push_back(static_cast<std::byte>(unit & 0xFF));
            utf16.push_back(static_cast<std::byte>(unit >> 8));
        };
        for (std::size_t i = 0; i < ascii; ++i) put('x');
        for (const std::uint16_t unit : {0xD83D, 0xDE00, 0x00E9}) put(unit);
        for (std::size_t i = 0; i < ascii % 37; ++i) put('y');
        ASSERT_EQ(routing_key_hash(key), murmur3_x64_128(utf16, kRoutingKeySeed)) << ascii;
    }
}

TEST(RoutingHash, TakesEachInvalidByteAsReplacementCharacter) {
    const std::string replacement = "\xEF\xBF\xBD";
    const auto same = [](const std::string& a, const std::string& b) { return routing_key_hash(a) == routing_key_hash(b); };
    EXPECT_TRUE(same("\xFF", replacement));
    EXPECT_TRUE(same("a\x80z", "a" + replacement + "z"));
    EXPECT_TRUE(same("\xC3", replacement));                                   // cut short
    EXPECT_TRUE(same("\xC0\x80", replacement + replacement));                 // overlong
    EXPECT_TRUE(same("\xED\xA0\x80", replacement + replacement + replacement));  // a surrogate
    EXPECT_TRUE(same("\xF4\x90\x80\x80", replacement + replacement + replacement + replacement));
}

}  // namespace
}  // namespace millrace
