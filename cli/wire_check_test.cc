// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/wire_stream.h"
#include "common/wire/event.h"
#include "common/wire/extension.h"

namespace millrace::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kWireWriter = "112233445566778899aabbccddeeff00";

WriterId wire_writer() {
    WriterId id;
    const ByteBuffer bytes = from_hex(kWireWriter);
    std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
    return id;
}

struct Checked {
    std::vector<std::string> lines;
    std::string error;  // empty: none
    std::string summary;
};

// Fed `step` bytes at a time.
Checked checked(ByteView bytes, WireSide side = WireSide::kEither, std::size_t step = SIZE_MAX) {
    Checked result;
    WireStream stream{side, [&result](std::string_view line) {
                          result.lines.emplace_back(line);
                          return ok();
                      }};
    Result<void> done = ok();
    for (std::size_t at = 0; at < bytes.size() && done; at += std::min(step, bytes.size() - at)) {
        done = stream.feed(bytes.subspan(at, std::min(step, bytes.size() - at)));
    }
    if (done) done = stream.finish();
    if (!done) {
        EXPECT_TRUE(done.error().is(ErrorCode::kCorrupt));
        result.error = done.error().detail();
    }
    result.summary = stream.summary();
    return result;
}
Checked checked_hex(std::string_view hex, WireSide side = WireSide::kEither) { return checked(from_hex(hex), side); }

// Two events in all forms that writers send.
ByteBuffer client_stream() {
    ByteBuffer out;
    wire::encode(wire::Hello{}, out);
    wire::encode(wire::SetupAppend{1, wire_writer(), "s/t/0.#epoch.0", "do-not-show"}, out);
    ByteBuffer block;
    wire::encode_event(as_bytes("hello"), block);
    ByteBuffer padded = block;
    wire::encode(wire::Padding{5}, padded);
    wire::encode(wire::AppendBlock{wire_writer(), Bytes{std::move(padded)}}, out);
    wire::encode(wire::AppendBlockEnd{wire_writer(), 13, {}, 1, 1, 1}, out);
    wire::encode(wire::KeepAlive{}, out);
    wire::encode(wire::PartialEvent{Bytes{from_hex("000000000000000677")}}, block);
    wire::encode(wire::AppendBlock{wire_writer(), Bytes{std::move(block)}}, out);
    wire::encode(wire::AppendBlockEnd{wire_writer(), 13, Bytes::copy_of("orld!"), 2, 3, 1}, out);
    wire::encode(wire::ReadSegment{"s/t/0.#epoch.0", 0, 100, "do-not-show", 2}, out);
    return out;
}

TEST(WireStream, PrintsEachFrameOnALine) {
    const Checked result = checked(client_stream(), WireSide::kClient);
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.lines,
              (std::vector<std::string>{
                  "         0  Hello                         8  high_version=16 low_version=5",
                  "        16  SetupAppend                  53  request_id=1 writer_id=112233445566778899aabbccddeeff00 "
                  "segment=\"s/t/0.#epoch.0\" delegation_token=<token, 11 bytes>",
                  "        77  AppendBlock                  42  writer_id=112233445566778899aabbccddeeff00 "
                  "data=<26 bytes 000000000000000568656c6c6fffffff...>  (holds 1 event in 13 bytes, Padding of 5 bytes)",
                  "       127  AppendBlockEnd               44  writer_id=112233445566778899aabbccddeeff00 "
                  "size_of_whole_events=13 data=<0 bytes> num_events=1 last_event_number=1 request_id=1  "
                  "(appends 13 bytes to \"s/t/0.#epoch.0\")",
                  "       179  KeepAlive                     0",
                  "       187  AppendBlock                  46  writer_id=112233445566778899aabbccddeeff00 "
                  "data=<30 bytes 000000000000000568656c6c6fffffff...>  (holds 1 event in 13 bytes, PartialEvent of 9 bytes)",
                  "       241  AppendBlockEnd               49  writer_id=112233445566778899aabbccddeeff00 "
                  "size_of_whole_events=13 data=<5 bytes 6f726c6421> num_events=2 last_event_number=3 request_id=1  "
                  "(appends 27 bytes to \"s/t/0.#epoch.0\")",
                  "       298  ReadSegment                  49  segment=\"s/t/0.#epoch.0\" offset=0 suggested_length=100 "
                  "delegation_token=<token, 11 bytes> request_id=2",
              }));
    EXPECT_EQ(result.summary,
              "8 frames in 355 bytes: 2 AppendBlock, 2 AppendBlockEnd, 1 Hello, 1 KeepAlive, 1 ReadSegment, 1 SetupAppend; "
              "2 appends of 3 events, 40 bytes");
    for (const std::string& line : result.lines) EXPECT_THAT(line, ::testing::Not(HasSubstr("do-not-show")));
}

TEST(WireStream, DoesNotDependOnHowTheBytesCome) {
    const ByteBuffer bytes = client_stream();
    const Checked whole = checked(bytes);
    for (const std::size_t step : {1, 2, 7, 8, 9, 64}) {
        const Checked pieces = checked(bytes, WireSide::kEither, step);
        EXPECT_EQ(pieces.lines, whole.lines) << step;
        EXPECT_EQ(pieces.summary, whole.summary) << step;
    }
}

TEST(WireStream, SaysWhereAStreamWasCut) {
    const ByteBuffer bytes = client_stream();
    for (std::size_t size = 1; size < bytes.size(); ++size) {
        const Checked result = checked(bytes.view().first(size));
        const bool between = size == 16 || size == 77 || size == 179 || size == 187 || size == 298;
        EXPECT_EQ(result.error.empty(), between) << size << ": " << result.error;
    }
    EXPECT_EQ(checked(bytes.view().first(20)).error,
              "byte 16: the stream ends inside a frame's header: 4 bytes where 8 were expected");
    EXPECT_EQ(checked(bytes.view().first(70)).error,
              "byte 16: the stream ends inside this SetupAppend: it announces a payload of 53 bytes and 46 are there");
    EXPECT_EQ(checked(bytes.view().first(127)).error,
              "byte 127: the stream ends where the AppendBlockEnd was expected of the AppendBlock at byte 77");
}

TEST(WireStream, SaysWhatIsWrongAndWhatWasExpected) {
    const std::string hello = "ffffff81 00000008 00000010 00000005 ";
    EXPECT_EQ(checked_hex(hello + "00000006 00000000").error,
              "byte 16: frame type 6 is not a type of the protocol; one from docs/protocol/wire.md was expected");
    EXPECT_EQ(checked_hex(hello + "00000009 01000000").error,
              "byte 16: ReadSegment announces a payload of 16777216 bytes; 0 to 16777215 were expected");
    EXPECT_EQ(checked_hex(hello + "00000009 ffffffff").error,
              "byte 16: ReadSegment announces a payload of -1 bytes; 0 to 16777215 were expected");
    EXPECT_EQ(checked_hex(hello + "00000023 0000000a 0000000000000001 0002").error,
              "byte 16: SegmentAttribute is cut short or malformed: value should start at byte 8 with 8 bytes; 2 are left of 10");
    EXPECT_THAT(checked_hex("fffffffe 00000001 00").error, StartsWith("byte 0: PartialEvent came as a frame of its own"));
    EXPECT_THAT(checked_hex("00000000 00000001 00").error, StartsWith("byte 0: Event came as a frame of its own"));
    const Checked after_some = checked_hex(hello + hello + "00000006 00000000");
    EXPECT_EQ(after_some.lines.size(), 2u);
    EXPECT_EQ(after_some.summary, "2 frames in 32 bytes: 2 Hello");
}

TEST(WireStream, KnowsWhoSendsWhat) {
    ByteBuffer request;
    wire::encode(wire::SealSegment{1, "s", ""}, request);
    ByteBuffer reply;
    wire::encode(wire::SegmentSealed{1, "s"}, reply);
    EXPECT_EQ(checked(request, WireSide::kClient).error, "");
    EXPECT_EQ(checked(reply, WireSide::kServer).error, "");
    EXPECT_EQ(checked(request, WireSide::kServer).error,
              "byte 0: SealSegment is what clients send; a frame that servers send was expected");
    EXPECT_EQ(checked(reply, WireSide::kClient).error,
              "byte 0: SegmentSealed is what servers send; a frame that clients send was expected");
    ByteBuffer both;
    wire::encode(wire::Hello{}, both);
    wire::encode(wire::KeepAlive{}, both);
    EXPECT_EQ(checked(both, WireSide::kClient).error, "");
    EXPECT_EQ(checked(both, WireSide::kServer).error, "");
}

TEST(WireStream, FollowsAppendsWhoseSetUpItHasNotSeen) {
    const Checked result = checked_hex("00000004 00000031 112233445566778899aabbccddeeff00 00000000 00000005 0102030405 00000001"
                                       "0000000000000007 0000000000000001");
    EXPECT_EQ(result.error, "");
    EXPECT_THAT(result.lines.at(0), HasSubstr("(appends 5 bytes to a segment that is not named here)"));
    EXPECT_THAT(result.summary, HasSubstr("; 1 writer without a SetupAppend"));
}

TEST(WireStream, FindsDamageInAppendBlocks) {
    const std::string block = "00000003 0000001d 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f ";
    EXPECT_THAT(checked_hex(block + block).error,
                AllOf(StartsWith("byte 37: writer " + std::string{kWireWriter}), HasSubstr("AppendBlockEnd was due")));
    const std::string end_of_14 = "00000004 0000002c 112233445566778899aabbccddeeff00 0000000e 00000000 00000001 0000000000000001"
                                  "0000000100000000";
    EXPECT_THAT(checked_hex(block + end_of_14).error, AllOf(StartsWith("byte 37: "), HasSubstr("14 bytes of whole events")));
    const std::string end_of_2 = "00000004 0000002c 112233445566778899aabbccddeeff00 0000000d 00000000 00000002 0000000000000002"
                                 "0000000100000000";
    const Checked miscounted = checked_hex(block + end_of_2);
    EXPECT_EQ(miscounted.error, "");
    EXPECT_THAT(miscounted.lines.at(1), HasSubstr("; these are 1 event)"));
    // Bytes that no reader of events would understand are for the segment store as good as others.
    const Checked raw = checked_hex("00000003 00000013 112233445566778899aabbccddeeff00 616263"
                                    "00000004 0000002c 112233445566778899aabbccddeeff00 00000003 00000000 00000001"
                                    "0000000000000001 0000000100000000");
    EXPECT_EQ(raw.error, "");
    EXPECT_THAT(raw.lines.at(0), HasSubstr("(holds 0 events in 0 bytes, 3 bytes that are no events)"));
}

TEST(WireStream, ShowsExtensionFrames) {
    ByteBuffer bytes;
    wire::encode_extension({static_cast<wire::FrameType>(wire::kFirstExtensionCode), true, 3, 2, 7, Bytes::copy_of("body")}, bytes);
    EXPECT_THAT(checked(bytes).lines.at(0), HasSubstr("code=1297219585 version=3 request_id=7 reply body=<4 bytes>"));
    bytes.back() ^= std::byte{1};
    EXPECT_THAT(checked(bytes).error, HasSubstr("checksum does not fit"));
}

TEST(WireStream, StopsWhenItsLinesCannotBePrinted) {
    WireStream stream{WireSide::kEither, [](std::string_view) { return Error{ErrorCode::kClosed, "nobody reads"}; }};
    EXPECT_TRUE(stream.feed(client_stream()).error().is(ErrorCode::kClosed));
}

TEST(HexText, TakesDigitsBlanksAndComments) {
    HexText hex;
    ByteBuffer bytes;
    ASSERT_TRUE(hex.feed("00 fF\t1", bytes));
    ASSERT_TRUE(hex.feed("2\r\n# 99 is a comment\n3 # and this\n 4", bytes));
    ASSERT_TRUE(hex.finish());
    EXPECT_EQ(to_hex(bytes), "00ff1234");
}

TEST(HexText, NamesThePlaceOfAnythingElse) {
    HexText hex;
    ByteBuffer bytes;
    EXPECT_EQ(hex.feed("00\n01 zz", bytes).error().detail(),
              "line 2, column 4: a hex digit, a blank or a comment was expected");
    EXPECT_EQ(to_hex(bytes), "0001");
    HexText half;
    ASSERT_TRUE(half.feed("001", bytes));
    EXPECT_FALSE(half.finish());
}

}  // namespace
}  // namespace millrace::cli
