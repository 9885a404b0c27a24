// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/base/binary.h"
#include "common/base/bytes.h"
#include "common/base/crc32c.h"
#include "common/base/result.h"
#include "common/base/strong_id.h"
#include "common/base/unique_function.h"

namespace millrace {
namespace {

Result<int> half(int n) {
    if (n % 2 != 0) return Error{ErrorCode::kInvalidArgument, "odd"};
    return n / 2;
}

Result<int> quarter(int n) {
    MR_TRY(const int once, half(n));
    MR_TRY(const int twice, half(once));
    return twice;
}

TEST(Result, PassesValuesAndErrorsThrough) {
    EXPECT_EQ(quarter(12).value(), 3);
    ASSERT_FALSE(quarter(6));
    EXPECT_TRUE(quarter(6).error().is(ErrorCode::kInvalidArgument));
}

TEST(Result, DefaultIsAnErrorNotAValue) {
    EXPECT_FALSE(Result<int>{}.ok());
    EXPECT_FALSE(Result<void>{}.ok());
    EXPECT_TRUE(ok().ok());
}

TEST(Error, KeepsItsCauseWhenContextIsAdded) {
    const Error error =
        Error{ErrorCode::kIo, "disk said no"}.while_doing("writing batch 7").with_unknown_fate();
    EXPECT_EQ(error.to_string(), "i/o error: writing batch 7: disk said no");
    EXPECT_EQ(error.fate(), Fate::kUnknown);
}

TEST(Bytes, SlicesShareMemoryAndOutliveTheOriginal) {
    Bytes tail;
    {
        const Bytes whole = Bytes::copy_of("hello world");
        tail = whole.slice(6);
        EXPECT_EQ(tail.data(), whole.data() + 6);
    }
    EXPECT_EQ(as_text(tail), "world");
    EXPECT_EQ(as_text(tail.slice(1, 3)), "orl");
}

TEST(BytesDeathTest, SlicingBeyondTheEndStopsTheProcess) {
    const Bytes bytes = Bytes::copy_of("abc");
    EXPECT_DEATH((void)bytes.slice(2, 2), "check failed");
    EXPECT_DEATH((void)bytes.slice(4, static_cast<std::size_t>(-1)), "check failed");
}

TEST(Hex, RoundTrips) {
    EXPECT_EQ(to_hex(from_hex("00 ff 7a")), "00ff7a");
}

TEST(Binary, BigAndLittleEndianDiffer) {
    ByteBuffer big, little;
    BigEndianWriter{big}.u32(0x01020304);
    LittleEndianWriter{little}.u32(0x01020304);
    EXPECT_EQ(to_hex(big), "01020304");
    EXPECT_EQ(to_hex(little), "04030201");
}

TEST(Binary, ShortReadFailsForGood) {
    const ByteBuffer bytes = from_hex("0001020304");
    BigEndianReader reader{bytes};
    EXPECT_EQ(reader.u16(), 1);
    EXPECT_EQ(reader.u64(), 0u);
    EXPECT_TRUE(reader.failed());
    EXPECT_EQ(reader.u8(), 0);
    EXPECT_EQ(reader.remaining(), 0u);
}

TEST(Binary, NegativeNumbersRoundTrip) {
    ByteBuffer bytes;
    BigEndianWriter writer{bytes};
    writer.i64(-5);
    writer.i8(-1);
    writer.patch_u32(0, 0xFFFFFFFF);
    BigEndianReader reader{bytes};
    EXPECT_EQ(reader.i64(), -5);
    EXPECT_EQ(reader.i8(), -1);
    EXPECT_FALSE(reader.failed());
}

// RFC 3720, appendix B.4.
TEST(Crc32c, MatchesPublishedVectors) {
    EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
    EXPECT_EQ(crc32c(ByteBuffer(32, std::byte{0})), 0x8A9136AAu);
    EXPECT_EQ(crc32c(ByteBuffer(32, std::byte{0xFF})), 0x62A8AB43u);
    EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, ContinuesFromASeed) {
    EXPECT_EQ(crc32c(as_bytes("56789"), crc32c(as_bytes("1234"))), 0xE3069283u);
}

TEST(StrongId, ComparesAndAdvances) {
    using Number = StrongId<std::uint64_t, struct NumberTag>;
    EXPECT_LT(Number{1}, next(Number{1}));
    EXPECT_EQ(to_string(Number{7}), "7");
}

TEST(UniqueFunction, OwnsMoveOnlyThings) {
    UniqueFunction<int(int)> add = [base = std::make_unique<int>(40)](int n) { return *base + n; };
    EXPECT_EQ(add(2), 42);
    EXPECT_FALSE(UniqueFunction<void()>{});
}

}  // namespace
}  // namespace millrace
