// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/embedded/rows.h"

#include <gtest/gtest.h>

namespace millrace::metadata::embedded {
namespace {

TEST(EmbeddedRows, HaveTheKeysThatTheirPageTells) {
    EXPECT_EQ(stat_key("/"), std::string("n\0", 2));
    EXPECT_EQ(stat_key("/a"), std::string("n/\0a", 4));
    EXPECT_EQ(stat_key("/a/b"), std::string("n/a\0b", 5));
    EXPECT_EQ(children_prefix("/a"), std::string("n/a\0", 4));
    EXPECT_EQ(value_key("/a/b"), "v/a/b");
    EXPECT_EQ(ephemeral_key("/a/b"), "e/a/b");
}

TEST(EmbeddedRows, HaveTheBytesThatTheirPageTells) {
    const Stat stat{Version{0x0102}, 3, SessionId{0x0405060708090a0b}, ChangeId{1}, ChangeId{2}, ChangeId{0x0300}};
    const std::string expected{
        "\x01"
        "\x02\x01\0\0\0\0\0\0"
        "\x03\0\0\0"
        "\x0b\x0a\x09\x08\x07\x06\x05\x04"
        "\x01\0\0\0\0\0\0\0"
        "\x02\0\0\0\0\0\0\0"
        "\0\x03\0\0\0\0\0\0",
        45};
    EXPECT_EQ(encode_stat(stat), expected);
    EXPECT_EQ(*decode_stat("/a", expected), stat);
    EXPECT_EQ(encode_position(ChangeId{0x0102}), std::string("\x01\x02\x01\0\0\0\0\0\0", 9));
    EXPECT_EQ(*decode_position(encode_position(ChangeId{7})), ChangeId{7});
}

TEST(EmbeddedRows, RefuseWhatTheyDoNotKnow) {
    const std::string row = encode_stat({Version{1}, 0, {}, ChangeId{1}, ChangeId{2}, ChangeId{1}});
    for (std::size_t length = 0; length < row.size(); ++length) {
        const Result<Stat> cut = decode_stat("/a", row.substr(0, length));
        ASSERT_FALSE(cut.ok()) << length;
        EXPECT_TRUE(cut.error().is(ErrorCode::kCorrupt));
        EXPECT_NE(cut.error().detail().find("/a"), std::string::npos);
    }
    EXPECT_TRUE(decode_stat("/a", row + "x").error().is(ErrorCode::kCorrupt));
    std::string later = row;
    later[0] = 2;
    EXPECT_TRUE(decode_stat("/a", later).error().is(ErrorCode::kUnsupported));
    later[0] = 0;
    EXPECT_TRUE(decode_stat("/a", later).error().is(ErrorCode::kCorrupt));
    const Stat backwards{Version{1}, 0, {}, ChangeId{5}, ChangeId{2}, ChangeId{5}};
    EXPECT_TRUE(decode_stat("/a", encode_stat(backwards)).error().is(ErrorCode::kCorrupt));
    const std::string position = encode_position(ChangeId{1});
    EXPECT_TRUE(decode_position(position.substr(1)).error().is(ErrorCode::kCorrupt));
    EXPECT_TRUE(decode_position("").error().is(ErrorCode::kCorrupt));
    EXPECT_TRUE(decode_position(position + "x").error().is(ErrorCode::kCorrupt));
    EXPECT_TRUE(decode_position("\x02" + position.substr(1)).error().is(ErrorCode::kUnsupported));
}

}  // namespace
}  // namespace millrace::metadata::embedded
