// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

// Numbers leave the process: they may be retired, never moved.
TEST(ErrorCode, KeepsItsNumbers) {
    const std::vector<std::pair<ErrorCode, int>> pinned{
        {ErrorCode::kInternal, 1},         {ErrorCode::kInvalidArgument, 2},  {ErrorCode::kNotFound, 3},
        {ErrorCode::kAlreadyExists, 4},    {ErrorCode::kSealed, 5},           {ErrorCode::kTruncated, 6},
        {ErrorCode::kVersionMismatch, 7},  {ErrorCode::kInvalidEventNumber, 8}, {ErrorCode::kCorrupt, 9},
        {ErrorCode::kBadRequest, 10},      {ErrorCode::kClosed, 11},          {ErrorCode::kCancelled, 12},
        {ErrorCode::kTimedOut, 13},        {ErrorCode::kUnavailable, 14},     {ErrorCode::kNoSpace, 15},
        {ErrorCode::kIo, 16},              {ErrorCode::kTooLarge, 17},        {ErrorCode::kUnsupported, 18},
        {ErrorCode::kWrongHost, 19},       {ErrorCode::kFenced, 20},          {ErrorCode::kPermissionDenied, 21},
        {ErrorCode::kUnauthenticated, 22}, {ErrorCode::kInUse, 23},           {ErrorCode::kFailedPrecondition, 24}};
    std::set<std::string_view> names;
    for (const auto& [code, number] : pinned) {
        EXPECT_EQ(static_cast<int>(code), number);
        EXPECT_TRUE(names.insert(to_string(code)).second) << to_string(code);
    }
    EXPECT_EQ(names.count("unknown error"), 0u);
    EXPECT_EQ(to_string(static_cast<ErrorCode>(pinned.size() + 1)), "unknown error") << "pin the new code here";
}

TEST(Error, AnswersItsThreeQuestions) {
    const Error error{ErrorCode::kTimedOut, "no reply", Fate::kUnknown};
    EXPECT_EQ(error.code(), ErrorCode::kTimedOut);
    EXPECT_EQ(error.fate(), Fate::kUnknown);
    EXPECT_EQ(error.detail(), "no reply");
    EXPECT_EQ((Error{ErrorCode::kIo, ""}.fate()), Fate::kNotApplied);
    EXPECT_EQ((Error{ErrorCode::kIo, ""}.to_string()), "i/o error");
}

TEST(ResultDeathTest, HasNoValueWithoutSuccess) {
    EXPECT_DEATH((void)half(1).value(), "check failed");
    EXPECT_DEATH((void)half(2).error(), "check failed");
}

TEST(CheckDeathTest, SaysWhatDoesNotHoldAndWhere) {
    const int two = 2;
    MR_CHECK(two == 2);
    EXPECT_DEATH(MR_CHECK(two == 3), "base_test.cc:[0-9]+: check failed: two == 3");
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

// At every truncation: what is there is read, the first short read fails, nothing beyond is touched.
TEST(Binary, ReadsAtEveryTruncation) {
    const ByteBuffer whole = from_hex("01 0203 04050607 08090a0b0c0d0e0f aabb");
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        // Memory of its own, so that a read beyond the end is seen.
        const ByteBuffer part{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
        BigEndianReader reader{part};
        EXPECT_EQ(reader.u8(), size >= 1 ? 0x01 : 0);
        EXPECT_EQ(reader.u16(), size >= 3 ? 0x0203 : 0);
        EXPECT_EQ(reader.u32(), size >= 7 ? 0x04050607u : 0);
        EXPECT_EQ(reader.u64(), size >= 15 ? 0x08090a0b0c0d0e0fu : 0);
        EXPECT_EQ(reader.bytes(2).size(), size >= 17 ? 2u : 0);
        EXPECT_EQ(reader.failed(), size < 17);
        EXPECT_EQ(reader.remaining(), 0u);
        EXPECT_TRUE(reader.bytes(SIZE_MAX).empty());
        EXPECT_TRUE(reader.failed());
    }
}

TEST(BinaryDeathTest, PatchesOnlyWhatWasWritten) {
    ByteBuffer bytes(4);
    BigEndianWriter writer{bytes};
    writer.patch_u32(0, 7);
    EXPECT_EQ(to_hex(bytes), "00000007");
    EXPECT_DEATH(writer.patch_u32(1, 7), "check failed");
    EXPECT_DEATH(writer.patch_u32(static_cast<std::size_t>(-2), 7), "check failed");
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

// RFC 3720, appendix B.4, by both ways.
TEST(Crc32c, BothWaysMatchPublishedVectors) {
    ByteBuffer rising, falling;
    for (int i = 0; i < 32; ++i) rising.push_back(static_cast<std::byte>(i));
    for (int i = 31; i >= 0; --i) falling.push_back(static_cast<std::byte>(i));
    const ByteBuffer read_command = from_hex(
        "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000");
    for (const auto way : {crc32c_by_table, crc32c_has_hardware() ? crc32c_by_hardware : crc32c_by_table}) {
        EXPECT_EQ(way(rising, 0), 0x46DD794Eu);
        EXPECT_EQ(way(falling, 0), 0x113FDB5Cu);
        EXPECT_EQ(way(read_command, 0), 0xD9963A56u);
    }
}

// Every length around the lanes, every alignment, any seed.
TEST(Crc32c, HardwareAgreesWithTheTable) {
    if (!crc32c_has_hardware()) GTEST_SKIP() << "this processor has no SSE4.2";
    ByteBuffer bytes(40'000);
    std::uint64_t state = 1;
    for (std::byte& b : bytes) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        b = static_cast<std::byte>(state >> 56);
    }
    for (const std::size_t around : {0u, 3u * 256, 6u * 256, 3u * 2048, 3u * 2048 + 3u * 256, 6u * 2048, 30'000u}) {
        for (std::size_t size = around < 20 ? 0 : around - 20; size < around + 20; ++size) {
            for (std::size_t begin = 0; begin < 9; ++begin) {
                const ByteView part = bytes.view().subspan(begin, size);
                const auto seed = static_cast<std::uint32_t>(size * 2654435761u);
                ASSERT_EQ(crc32c_by_hardware(part, seed), crc32c_by_table(part, seed)) << begin << ' ' << size;
            }
        }
    }
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
