// SPDX-License-Identifier: Apache-2.0
#include "common/wire/extension.h"

#include <gtest/gtest.h>

#include <string>

#include "common/base/crc32c.h"
#include "common/wire/messages.h"
#include "common/wire/testing/random_message.h"

namespace millrace::wire {
namespace {

using testing::Dice;
using testing::frame_of;

constexpr auto kSomeExtension = static_cast<FrameType>(kFirstExtensionCode);

ByteBuffer extension_bytes(const ExtensionFrame& frame) {
    ByteBuffer out;
    encode_extension(frame, out);
    return out;
}

// Makes the checksum fit again, after a change.
Frame with_true_checksum(FrameType type, ByteBuffer payload) {
    ByteBuffer summed;
    BigEndianWriter{summed}.i32(static_cast<std::int32_t>(type));
    summed.append(payload.view().first(20));
    summed.append(payload.view().subspan(24));
    BigEndianWriter{payload}.patch_u32(20, crc32c(summed));
    return Frame{type, Bytes{std::move(payload)}};
}

TEST(ExtensionFrame, HasItsGoldenBytes) {
    const ExtensionFrame frame{kSomeExtension, true, 3, 2, 7, Bytes::copy_of("body")};
    // The checksum is from another implementation of CRC-32C.
    const std::string hex = "4d520001" "0000001c" "01" "01" "0003" "0002" "0000" "0000000000000007" "00000004"
                            "8e529afe" "626f6479";
    EXPECT_EQ(to_hex(extension_bytes(frame)), hex);
    EXPECT_EQ(decode_extension(frame_of(from_hex(hex)), 3).value(), frame);
}

TEST(ExtensionFrame, RoundTrips) {
    Dice dice{1};
    for (int i = 0; i < 500; ++i) {
        ExtensionFrame frame;
        frame.type = static_cast<FrameType>(kFirstExtensionCode + static_cast<std::int32_t>(dice.below(0xFFFF)));
        frame.is_reply = dice.below(2) == 1;
        frame.version = static_cast<std::uint16_t>(1 + dice.below(0xFFFF));
        frame.least_version = static_cast<std::uint16_t>(1 + dice.below(frame.version));
        frame.request_id = static_cast<RequestId>(dice.next());
        frame.body = dice.bytes(dice.below(100));
        EXPECT_EQ(decode_extension(frame_of(extension_bytes(frame)), frame.least_version).value(), frame);
    }
}

TEST(ExtensionFrame, SharesItsFramesMemory) {
    const Frame frame = frame_of(extension_bytes({kSomeExtension, false, 1, 1, 1, Bytes::copy_of("body")}));
    EXPECT_EQ(decode_extension(frame, 1).value().body.data(), frame.payload.data() + kExtensionHeaderBytes);
}

TEST(ExtensionFrame, IsRefusedWhenAnyByteIsWrongOrMissing) {
    const Frame frame = frame_of(extension_bytes({kSomeExtension, false, 1, 1, 1, Bytes::copy_of("body")}));
    for (std::size_t size = 0; size < frame.payload.size(); ++size) {
        EXPECT_FALSE(decode_extension(Frame{frame.type, Bytes::copy_of(frame.payload.view().first(size))}, 9)) << size;
    }
    for (std::size_t at = 0; at < frame.payload.size(); ++at) {
        for (int flip = 1; flip < 256; ++flip) {
            ByteBuffer mutated;
            mutated.append(frame.payload);
            mutated[at] ^= static_cast<std::byte>(flip);
            EXPECT_FALSE(decode_extension(Frame{frame.type, Bytes{std::move(mutated)}}, 9)) << at << " ^ " << flip;
        }
    }
    // As another type it is another frame.
    const auto other = static_cast<FrameType>(kFirstExtensionCode + 1);
    EXPECT_TRUE(decode_extension(Frame{other, frame.payload}, 9).error().is(ErrorCode::kCorrupt));
    ByteBuffer longer;
    longer.append(frame.payload);
    longer.push_back(std::byte{0});
    EXPECT_TRUE(decode_extension(Frame{frame.type, Bytes{std::move(longer)}}, 9).error().is(ErrorCode::kCorrupt));
}

TEST(ExtensionFrame, IsRefusedWhenItsHeaderSaysWhatNobodyWrites) {
    const Frame frame = frame_of(extension_bytes({kSomeExtension, false, 2, 2, 1, Bytes::copy_of("body")}));
    const auto changed = [&frame](std::size_t at, std::uint8_t value) {
        ByteBuffer payload;
        payload.append(frame.payload);
        payload[at] = static_cast<std::byte>(value);
        return decode_extension(with_true_checksum(frame.type, std::move(payload)), 9);
    };
    EXPECT_TRUE(changed(1, 0));
    EXPECT_TRUE(changed(0, 2).error().is(ErrorCode::kUnsupported));  // envelope version
    EXPECT_TRUE(changed(1, 2).error().is(ErrorCode::kCorrupt));      // flags
    EXPECT_TRUE(changed(3, 1).error().is(ErrorCode::kCorrupt));      // version below least
    EXPECT_TRUE(changed(5, 0).error().is(ErrorCode::kCorrupt));      // least version 0
    EXPECT_TRUE(changed(7, 1).error().is(ErrorCode::kCorrupt));      // reserved
    EXPECT_TRUE(changed(19, 5).error().is(ErrorCode::kCorrupt));     // length
}

TEST(ExtensionFrame, NeedsAReaderThatKnowsEnough) {
    const Frame frame = frame_of(extension_bytes({kSomeExtension, false, 5, 3, 1, {}}));
    EXPECT_TRUE(decode_extension(frame, 2).error().is(ErrorCode::kUnsupported));
    EXPECT_TRUE(decode_extension(frame, 3));
    EXPECT_TRUE(decode_extension(frame, 5));
    EXPECT_TRUE(decode_extension(frame, 6));
}

TEST(ExtensionFrame, IsNothingThatClientsMaySend) {
    for (const std::int32_t code : {kFirstExtensionCode, kFirstExtensionCode + 4, kLastExtensionCode}) {
        EXPECT_TRUE(is_extension(static_cast<FrameType>(code)));
        EXPECT_TRUE(decode(Frame{static_cast<FrameType>(code), {}}).error().is(ErrorCode::kUnsupported));
    }
    for (const std::int32_t code : {kFirstExtensionCode - 1, kLastExtensionCode + 1, 0, 1, -1, 100}) {
        EXPECT_FALSE(is_extension(static_cast<FrameType>(code)));
        EXPECT_TRUE(decode_extension(Frame{static_cast<FrameType>(code), {}}, 1).error().is(ErrorCode::kUnsupported));
    }
}

}  // namespace
}  // namespace millrace::wire
