// SPDX-License-Identifier: Apache-2.0
#include "common/wire/messages.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/wire/testing/random_message.h"

namespace millrace::wire {
namespace {

using testing::Dice;
using testing::frame_of;
using testing::random_message;

constexpr std::size_t kKinds = std::variant_size_v<Message>;
constexpr RequestId kGoldenFlow1 = 0x0000000100000000;
constexpr RequestId kGoldenFlow5 = 0x0000000500000000;
const std::string kGoldenSegment = "s/t/0.#epoch.0";

WriterId golden_writer() {
    WriterId id;
    const ByteBuffer bytes = from_hex("112233445566778899aabbccddeeff00");
    std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
    return id;
}

Bytes golden_bytes(std::string_view hex) { return Bytes{from_hex(hex)}; }

ByteBuffer frame_bytes(const Message& message) {
    ByteBuffer out;
    encode(message, out);
    return out;
}

struct Golden {
    const char* name;
    Message message;
    std::string hex;
};

const std::vector<Golden>& goldens() {
    static const std::vector<Golden> kGoldens = {
        {"Hello", Hello{16, 5}, "ffffff81 00000008 00000010 00000005"},
        {"KeepAlive", KeepAlive{}, "00000064 00000000"},
        {"Padding", Padding{5}, "ffffffff 00000005 0000000000"},
        {"PartialEvent", PartialEvent{golden_bytes("000000000000000677")}, "fffffffe 00000009 00000000 00000006 77"},
        {"SetupAppend", SetupAppend{kGoldenFlow1, golden_writer(), kGoldenSegment, ""},
         "00000001 0000002a 0000000100000000 112233445566778899aabbccddeeff00 000e 732f742f302e2365706f63682e30 0000"},
        {"AppendSetup", AppendSetup{kGoldenFlow1, kGoldenSegment, golden_writer(), kNoEventNumber},
         "00000002 00000030 0000000100000000 000e 732f742f302e2365706f63682e30 112233445566778899aabbccddeeff00"
         "8000000000000000"},
        {"AppendBlockPadded",
         AppendBlock{golden_writer(),
                     golden_bytes("00000000 00000005 68656c6c6f 00000000 00000006 776f726c6421 ffffffff 00000005 0000000000")},
         "00000003 00000038 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f"
         "00000000 00000006 776f726c6421 ffffffff 00000005 0000000000"},
        {"AppendBlockEndAfterPadding", AppendBlockEnd{golden_writer(), 27, {}, 2, 2, kGoldenFlow1},
         "00000004 0000002c 112233445566778899aabbccddeeff00 0000001b 00000000 00000002 0000000000000002"
         "0000000100000000"},
        {"AppendBlockSplit",
         AppendBlock{golden_writer(), golden_bytes("00000000 00000005 68656c6c6f fffffffe 00000009 00000000 00000006 77")},
         "00000003 0000002e 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f"
         "fffffffe 00000009 00000000 00000006 77"},
        {"AppendBlockEndAfterSplit", AppendBlockEnd{golden_writer(), 13, Bytes::copy_of("orld!"), 2, 2, kGoldenFlow1},
         "00000004 00000031 112233445566778899aabbccddeeff00"
         "0000000d 00000005 6f726c6421 00000002 0000000000000002 0000000100000000"},
        {"AppendBlockSingle", AppendBlock{golden_writer(), golden_bytes("00000000 00000005 68656c6c6f")},
         "00000003 0000001d 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f"},
        {"AppendBlockEndSingle", AppendBlockEnd{golden_writer(), 13, {}, 1, 1, kGoldenFlow1},
         "00000004 0000002c 112233445566778899aabbccddeeff00 0000000d 00000000 00000001 0000000000000001"
         "0000000100000000"},
        {"AppendBlockEndAlone",
         AppendBlockEnd{golden_writer(), 27, golden_bytes("00000000 00000005 68656c6c6f 00000000 00000006 776f726c6421"), 2, 2, 8},
         "00000004 00000047 112233445566778899aabbccddeeff00 0000001b 0000001b"
         "00000000 00000005 68656c6c6f 00000000 00000006 776f726c6421 00000002 0000000000000002 0000000000000008"},
        {"AppendBlockEmpty", AppendBlock{golden_writer(), {}}, "00000003 00000010 112233445566778899aabbccddeeff00"},
        {"AppendBlockEndEmpty", AppendBlockEnd{golden_writer(), 0, {}, 1, 3, kGoldenFlow1},
         "00000004 0000002c 112233445566778899aabbccddeeff00 00000000 00000000 00000001 0000000000000003"
         "0000000100000000"},
        {"DataAppended", DataAppended{golden_writer(), 2, kNoEventNumber, kGoldenFlow1, 27},
         "00000007 00000030 112233445566778899aabbccddeeff00 0000000000000002 8000000000000000"
         "0000000100000000 000000000000001b"},
        {"ReadSegment", ReadSegment{kGoldenSegment, 0, 262'144, "", kGoldenFlow5},
         "00000009 00000026 000e732f742f302e2365706f63682e30 0000000000000000 00040000 0000 0000000500000000"},
        {"SegmentRead", SegmentRead{kGoldenSegment, 0, false, false, golden_bytes("000000000000000568656c6c6f"), kGoldenFlow5},
         "0000000a 00000033 000e732f742f302e2365706f63682e30 0000000000000000 00 00 0000000d"
         "000000000000000568656c6c6f 0000000500000000"},
        {"GetStreamSegmentInfo", GetStreamSegmentInfo{kGoldenFlow1 + 2, kGoldenSegment, "tok"},
         "0000000b 0000001d 0000000100000002 000e732f742f302e2365706f63682e30 0003746f6b"},
        {"StreamSegmentInfo", StreamSegmentInfo{7, "s/t", true, false, false, 0x0102030405060708, 27, 13},
         "0000000c 00000028 0000000000000007 0003732f74 01 00 00 0102030405060708 000000000000001b 000000000000000d"},
        {"CreateSegment", CreateSegment{7, "s/t", 100, 2, "", 64},
         "00000014 0000001c 0000000000000007 0003732f74 00000064 02 0000 0000000000000040"},
        {"SegmentCreated", SegmentCreated{7, "s/t"}, "00000015 0000000d 0000000000000007 0003732f74"},
        {"SealSegment", SealSegment{7, "s/t", ""}, "0000001c 0000000f 0000000000000007 0003732f74 0000"},
        {"SegmentSealed", SegmentSealed{7, "s/t"}, "0000001d 0000000d 0000000000000007 0003732f74"},
        {"DeleteSegment", DeleteSegment{7, "s/t", ""}, "0000001e 0000000f 0000000000000007 0003732f74 0000"},
        {"SegmentDeleted", SegmentDeleted{7, "s/t"}, "0000001f 0000000d 0000000000000007 0003732f74"},
        {"WrongHost", WrongHost{kGoldenFlow5, kGoldenSegment, "", ""},
         "00000032 0000001c 0000000500000000 000e732f742f302e2365706f63682e30 0000 0000"},
        {"SegmentIsSealed", SegmentIsSealed{7, "s/t", "", 9},
         "00000033 00000017 0000000000000007 0003732f74 0000 0000000000000009"},
        {"SegmentAlreadyExists", SegmentAlreadyExists{7, "s/t", ""}, "00000034 0000000f 0000000000000007 0003732f74 0000"},
        {"NoSuchSegment", NoSuchSegment{kGoldenFlow1, kGoldenSegment, "", -1},
         "00000035 00000022 0000000100000000 000e732f742f302e2365706f63682e30 0000 ffffffffffffffff"},
        {"InvalidEventNumber", InvalidEventNumber{golden_writer(), kGoldenFlow1, "", 2},
         "00000037 00000022 112233445566778899aabbccddeeff00 0000000100000000 0000 0000000000000002"},
        {"SegmentIsTruncated", SegmentIsTruncated{7, "s/t", 5, "", 9},
         "00000038 0000001f 0000000000000007 0003732f74 0000000000000005 0000 0000000000000009"},
        {"OperationUnsupported", OperationUnsupported{7, "op", ""}, "00000039 0000000e 0000000000000007 00026f70 0000"},
        {"AuthTokenCheckFailed", AuthTokenCheckFailed{3, "", 1}, "0000003c 0000000e 0000000000000003 0000 00000001"},
        {"ErrorMessage", ErrorMessage{7, "s/t", "bad", 0},
         "0000003d 00000016 0000000000000007 0003732f74 0003626164 00000000"},
    };
    return kGoldens;
}

TEST(Messages, HaveTheirGoldenBytes) {
    std::vector<bool> seen(kKinds);
    for (const Golden& golden : goldens()) {
        seen[golden.message.index()] = true;
        EXPECT_EQ(to_hex(frame_bytes(golden.message)), to_hex(from_hex(golden.hex))) << golden.name;
        const auto decoded = decode(frame_of(from_hex(golden.hex)));
        ASSERT_TRUE(decoded) << golden.name << ": " << decoded.error().to_string();
        EXPECT_EQ(*decoded, golden.message) << golden.name;
    }
    for (std::size_t kind = 0; kind < kKinds; ++kind) EXPECT_TRUE(seen[kind]) << "no golden bytes for kind " << kind;
}

TEST(Messages, RoundTripWithRandomValues) {
    Dice dice{2};
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        for (int i = 0; i < 300; ++i) {
            const Message message = random_message(kind, dice, 300);
            const ByteBuffer bytes = frame_bytes(message);
            ASSERT_EQ(frame_of(bytes).type, type_of(message));
            const auto decoded = decode(frame_of(bytes));
            ASSERT_TRUE(decoded) << to_hex(bytes);
            ASSERT_EQ(*decoded, message) << to_hex(bytes);
        }
    }
}

TEST(Messages, IgnoreTrailingBytes) {
    Dice dice{3};
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        const Message message = random_message(kind, dice);
        // These end where their frame ends; there is nothing that could trail.
        if (std::holds_alternative<Padding>(message) || std::holds_alternative<PartialEvent>(message) ||
            std::holds_alternative<AppendBlock>(message)) {
            continue;
        }
        const Frame frame = frame_of(frame_bytes(message));
        for (std::size_t extra = 1; extra <= 64; ++extra) {
            ByteBuffer longer;
            longer.append(frame.payload);
            longer.append(dice.bytes(extra));
            const auto decoded = decode(Frame{frame.type, Bytes{std::move(longer)}});
            ASSERT_TRUE(decoded) << to_string(frame.type) << " + " << extra;
            ASSERT_EQ(*decoded, message) << to_string(frame.type) << " + " << extra;
        }
    }
}

// Decodes `message` without the last `absent` bytes of its payload.
Result<Message> decode_without(const Message& message, std::size_t absent) {
    const Frame frame = frame_of(frame_bytes(message));
    return decode(Frame{frame.type, Bytes::copy_of(frame.payload.view().first(frame.payload.size() - absent))});
}

TEST(Messages, TakeMissingTrailingFieldsAsTheirDefaults) {
    const auto expect = [](const Message& sent, std::size_t absent, const Message& expected) {
        const auto decoded = decode_without(sent, absent);
        ASSERT_TRUE(decoded) << to_string(type_of(sent)) << " - " << absent << ": " << decoded.error().to_string();
        EXPECT_EQ(*decoded, expected) << to_string(type_of(sent)) << " - " << absent;
    };
    const Bytes data = Bytes::copy_of("xyz");
    expect(AppendBlockEnd{golden_writer(), 1, data, 2, 3, 4}, 8, AppendBlockEnd{golden_writer(), 1, data, 2, 3, -1});
    const DataAppended appended{golden_writer(), 5, 4, 3, 2};
    expect(appended, 8, DataAppended{golden_writer(), 5, 4, 3, -1});
    expect(appended, 16, DataAppended{golden_writer(), 5, 4, -1, -1});
    expect(appended, 24, DataAppended{golden_writer(), 5, -1, -1, -1});
    expect(ReadSegment{"s", 1, 2, "t", 3}, 8, ReadSegment{"s", 1, 2, "t", -1});
    expect(SegmentRead{"s", 1, true, true, data, 3}, 8, SegmentRead{"s", 1, true, true, data, -1});
    expect(StreamSegmentInfo{1, "s", true, true, true, 2, 3, 4}, 8, StreamSegmentInfo{1, "s", true, true, true, 2, 3, 0});
    expect(CreateSegment{1, "s", 2, 1, "t", 3}, 8, CreateSegment{1, "s", 2, 1, "t", 0});
    expect(WrongHost{1, "s", "h", "abc"}, 5, WrongHost{1, "s", "h", ""});
    expect(SegmentIsSealed{1, "s", "abc", 2}, 8, SegmentIsSealed{1, "s", "abc", -1});
    expect(SegmentIsSealed{1, "s", "abc", 2}, 13, SegmentIsSealed{1, "s", "", -1});
    expect(SegmentAlreadyExists{1, "s", "abc"}, 5, SegmentAlreadyExists{1, "s", ""});
    expect(NoSuchSegment{1, "s", "abc", 2}, 8, NoSuchSegment{1, "s", "abc", -1});
    expect(NoSuchSegment{1, "s", "abc", 2}, 13, NoSuchSegment{1, "s", "", -1});
    expect(InvalidEventNumber{golden_writer(), 1, "abc", 2}, 8, InvalidEventNumber{golden_writer(), 1, "abc", -1});
    expect(InvalidEventNumber{golden_writer(), 1, "abc", 2}, 13, InvalidEventNumber{golden_writer(), 1, "", -1});
    expect(SegmentIsTruncated{1, "s", 2, "abc", 3}, 8, SegmentIsTruncated{1, "s", 2, "abc", -1});
    expect(SegmentIsTruncated{1, "s", 2, "abc", 3}, 13, SegmentIsTruncated{1, "s", 2, "", -1});
    expect(OperationUnsupported{1, "op", "abc"}, 5, OperationUnsupported{1, "op", ""});
    expect(AuthTokenCheckFailed{1, "abc", 0}, 4, AuthTokenCheckFailed{1, "abc", -1});
    expect(AuthTokenCheckFailed{1, "abc", 0}, 9, AuthTokenCheckFailed{1, "", -1});
}

// Of a decoded message: it says the same after another way over the wire.
void expect_stable(const Message& message) {
    const auto again = decode(frame_of(frame_bytes(message)));
    ASSERT_TRUE(again);
    ASSERT_EQ(*again, message);
}

TEST(Messages, CutShortAreRefusedOrSaySomethingElse) {
    Dice dice{4};
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        for (int i = 0; i < 20; ++i) {
            const Message message = random_message(kind, dice);
            const std::size_t size = frame_of(frame_bytes(message)).payload.size();
            for (std::size_t absent = 1; absent <= size; ++absent) {
                const auto decoded = decode_without(message, absent);
                if (decoded) {
                    expect_stable(*decoded);
                } else {
                    ASSERT_TRUE(decoded.error().is(ErrorCode::kBadRequest));
                }
            }
        }
    }
}

TEST(Messages, RefuseAFieldThatIsThereOnlyInPart) {
    for (std::size_t absent = 1; absent < 8; ++absent) {
        EXPECT_FALSE(decode_without(DataAppended{golden_writer(), 5, 4, 3, 2}, absent));
        EXPECT_FALSE(decode_without(AppendBlockEnd{golden_writer(), 1, {}, 2, 3, 4}, absent));
    }
}

TEST(Messages, SurviveEverySingleByteMutation) {
    Dice dice{5};
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        const Frame frame = frame_of(frame_bytes(random_message(kind, dice)));
        for (std::size_t at = 0; at < frame.payload.size(); ++at) {
            for (int value = 0; value < 256; ++value) {
                ByteBuffer mutated;
                mutated.append(frame.payload);
                mutated[at] = static_cast<std::byte>(value);
                const auto decoded = decode(Frame{frame.type, Bytes{std::move(mutated)}});
                if (decoded) expect_stable(*decoded);
            }
        }
    }
}

TEST(Messages, SurviveRandomPayloads) {
    Dice dice{6};
    for (int i = 0; i < 100'000; ++i) {
        const auto type = static_cast<FrameType>(static_cast<std::int32_t>(dice.below(260)) - 130);
        const auto decoded = decode(Frame{type, dice.bytes(dice.below(48))});
        if (decoded) expect_stable(*decoded);
    }
}

TEST(Messages, RefuseAnAnnouncedLengthBeyondThePayload) {
    // A blob of 2 GiB - 1, of a negative length, and a string of 65,535 bytes, none of them there.
    for (const std::string_view hex :
         {"00000004 00000018 112233445566778899aabbccddeeff00 00000000 7fffffff",
          "00000004 00000018 112233445566778899aabbccddeeff00 00000000 ffffffff", "00000015 0000000a 0000000000000001 ffff"}) {
        const auto decoded = decode(frame_of(from_hex(hex)));
        ASSERT_FALSE(decoded) << hex;
        EXPECT_TRUE(decoded.error().is(ErrorCode::kBadRequest));
    }
}

TEST(Messages, RefuseTypesThatAreUnknownOrNeverStandAlone) {
    for (const std::int32_t code : {6, 13, 54, 72, 99, 101, -128, INT32_MAX, INT32_MIN}) {
        const auto decoded = decode(Frame{static_cast<FrameType>(code), {}});
        ASSERT_FALSE(decoded);
        EXPECT_TRUE(decoded.error().is(ErrorCode::kUnsupported)) << code;
    }
    const auto event = decode(Frame{FrameType::kEvent, Bytes::copy_of("hello")});
    ASSERT_FALSE(event);
    EXPECT_TRUE(event.error().is(ErrorCode::kBadRequest));
}

TEST(Messages, ShareTheirFramesMemory) {
    const Frame frame = frame_of(frame_bytes(AppendBlock{golden_writer(), Bytes::copy_of("payload")}));
    const Message message = decode(frame).value();
    EXPECT_EQ(std::get<AppendBlock>(message).data.data(), frame.payload.data() + 16);
}

TEST(Messages, AreAppendedToWhatIsThere) {
    ByteBuffer out = from_hex("ab");
    encode(KeepAlive{}, out);
    encode(Message{Hello{}}, out);
    EXPECT_EQ(to_hex(out), "ab0000006400000000ffffff81000000080000001000000005");
}

TEST(SegmentRead, IsTheSameInPieces) {
    Dice dice{7};
    for (int i = 0; i < 100; ++i) {
        const SegmentRead message{"s/t/" + std::to_string(i), i * 7, i % 2 == 0, i % 3 == 0, dice.bytes(dice.below(99)), i};
        ByteBuffer before, after;
        encode_segment_read_around(message, before, after);
        before.append(message.data);
        before.append(after);
        ASSERT_EQ(to_hex(before), to_hex(frame_bytes(message)));
    }
}

TEST(AppendBlock, IsTheSameInPieces) {
    const AppendBlock message{golden_writer(), Bytes::copy_of("some data")};
    ByteBuffer before;
    encode_append_block_before(message.writer_id, message.data.size(), before);
    before.append(message.data);
    EXPECT_EQ(to_hex(before), to_hex(frame_bytes(message)));
}

TEST(MessagesDeathTest, AboveTheSizeThatPeersTakeStopTheProcess) {
    ByteBuffer out;
    encode(AppendBlock{golden_writer(), Bytes{ByteBuffer(kMaxSentPayload - 16)}}, out);
    EXPECT_EQ(out.size(), kFrameHeaderBytes + kMaxSentPayload);
    EXPECT_DEATH(encode(AppendBlock{golden_writer(), Bytes{ByteBuffer(kMaxSentPayload - 15)}}, out), "check failed");
}

}  // namespace
}  // namespace millrace::wire
