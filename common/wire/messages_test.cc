// SPDX-License-Identifier: Apache-2.0
#include "common/wire/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/wire/testing/golden_frames.h"
#include "common/wire/testing/random_message.h"
#include "common/wire/utf.h"

namespace millrace::wire {
namespace {

using testing::Dice;
using testing::frame_of;
using testing::golden_bytes;
using testing::golden_frames;
using testing::golden_writer;
using testing::GoldenFrame;
using testing::random_message;

constexpr std::size_t kKinds = std::variant_size_v<Message>;

ByteBuffer frame_bytes(const Message& message) {
    ByteBuffer out;
    encode(message, out);
    return out;
}

TEST(Messages, HaveTheirGoldenBytes) {
    std::vector<bool> seen(kKinds);
    for (const GoldenFrame& golden : golden_frames()) {
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
    const Bytes event = golden_bytes("00000000 00000001 61");
    expect(ConditionalAppend{golden_writer(), 1, 2, event, 3}, 8, ConditionalAppend{golden_writer(), 1, 2, event, -1});
    expect(ConditionalCheckFailed{golden_writer(), 1, 2}, 8, ConditionalCheckFailed{golden_writer(), 1, -1});
    expect(MergeSegments{1, "s", "u", "t", {{}}}, 4 + 33, MergeSegments{1, "s", "u", "t", {}});
    expect(SegmentsMerged{1, "s", "u", 2}, 8, SegmentsMerged{1, "s", "u", -1});
    expect(CreateTableSegment{1, "s", "t", true, 2, 3}, 8, CreateTableSegment{1, "s", "t", true, 2, 0});
    expect(CreateTableSegment{1, "s", "t", true, 2, 3}, 12, CreateTableSegment{1, "s", "t", true, 0, 0});
    expect(CreateTableSegment{1, "s", "t", true, 2, 3}, 13, CreateTableSegment{1, "s", "t", false, 0, 0});
    expect(UpdateTableEntries{1, "s", "t", {{{data, 2}, data}}, 3}, 8, UpdateTableEntries{1, "s", "t", {{{data, 2}, data}}, -1});
    expect(RemoveTableKeys{1, "s", "t", {{data, 2}}, 3}, 8, RemoveTableKeys{1, "s", "t", {{data, 2}}, -1});
    const TableIteratorArgs args{data, data, data};
    expect(ReadTableKeys{1, "s", "t", 2, args}, 7, ReadTableKeys{1, "s", "t", 2, {data, data, {}}});
    expect(ReadTableKeys{1, "s", "t", 2, args}, 14, ReadTableKeys{1, "s", "t", 2, {data, {}, {}}});
    expect(ReadTableEntries{1, "s", "t", 2, args}, 18, ReadTableEntries{1, "s", "t", 2, {data, {}, {}}});
}

// Measures as it goes, and notes where fields begin that older peers leave out.
class AbsenceFinder {
public:
    bool since(int) {
        boundaries_.push_back(bytes_);
        return true;
    }
    void operator()(const char*, std::int8_t) { bytes_ += 1; }
    void operator()(const char*, std::int32_t) { bytes_ += 4; }
    void operator()(const char*, std::int64_t) { bytes_ += 8; }
    void operator()(const char*, bool) { bytes_ += 1; }
    void operator()(const char*, const WriterId&) { bytes_ += 16; }
    void operator()(const char*, const AttributeId&) { bytes_ += 16; }
    void operator()(const char*, const std::string& text) {
        ByteBuffer room(utf_size_bound(text));
        bytes_ += static_cast<std::size_t>(encode_utf(text, room.data()) - room.data());
    }
    void operator()(const char*, const Bytes& data) { bytes_ += 4 + data.size(); }
    void token(const char* name, const std::string& text) { (*this)(name, text); }
    void rest(const char*, const Bytes& data) { bytes_ += data.size(); }
    void zeros(const char*, std::int32_t length) { bytes_ += static_cast<std::size_t>(length); }
    void event(const char*, const Bytes& event) { bytes_ += event.size(); }
    template <class E>
    void list(const char* name, const std::vector<E>& items, std::size_t = SIZE_MAX) {
        bytes_ += 4;
        for (const E& item : items) {
            if constexpr (requires { E::walk(*this, item); }) E::walk(*this, item);
            else (*this)(name, item);
        }
    }
    void table_key(const Bytes& key, std::int64_t) { bytes_ += 8 + (key.empty() ? 0 : key.size() + 8); }
    void table_value(const Bytes& value) { bytes_ += 8 + value.size(); }
    void unused_blob() { bytes_ += 4; }

    std::size_t bytes() const { return bytes_; }
    const std::vector<std::size_t>& boundaries() const { return boundaries_; }

private:
    std::size_t bytes_ = 0;
    std::vector<std::size_t> boundaries_;
};

template <class T>
AbsenceFinder absences_of(const T& message) {
    AbsenceFinder finder;
    T::walk(finder, message);
    return finder;
}

// Cut where an older peer would end, every message says the same as with the defaults spelled out.
TEST(Messages, OfEveryOlderPeerMeanTheSameAsWithDefaults) {
    Dice dice{8};
    std::size_t cuts = 0;
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        std::visit(
            [&]<class T>(const T& message) {
                const Bytes full = frame_of(frame_bytes(message)).payload;
                T plain;
                if constexpr (requires { plain.event; }) plain.event = message.event;  // an event has no default
                const Bytes defaults = frame_of(frame_bytes(plain)).payload;
                const AbsenceFinder of_message = absences_of(message);
                const AbsenceFinder of_defaults = absences_of(plain);
                ASSERT_EQ(of_message.bytes(), full.size());
                for (std::size_t k = 0; k < of_message.boundaries().size(); ++k) {
                    const Bytes cut = full.slice(0, of_message.boundaries()[k]);
                    const auto decoded = decode(Frame{T::kType, cut});
                    ASSERT_TRUE(decoded) << decoded.error().to_string();
                    ByteBuffer expected;
                    expected.append(cut);
                    expected.append(defaults.slice(of_defaults.boundaries()[k]));
                    ASSERT_EQ(to_hex(frame_of(frame_bytes(*decoded)).payload), to_hex(expected)) << to_string(T::kType);
                    ++cuts;
                }
            },
            random_message(kind, dice, 20));
    }
    EXPECT_EQ(cuts, 36u);  // as many as docs/protocol/wire.md has +N fields
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

TEST(Messages, AreDecodedAlikeWhereTheirTypeIsKnown) {
    Dice dice{6};
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        const Message message = random_message(kind, dice, 40);
        const Frame frame = frame_of(frame_bytes(message));
        std::visit(
            [&]<class M>(const M&) {
                for (std::size_t length = 0; length <= frame.payload.size(); ++length) {
                    const Bytes part = frame.payload.slice(0, length);
                    const auto any = decode(Frame{frame.type, part});
                    const auto known = decode_as<M>(part.view(), part);
                    ASSERT_EQ(any.ok(), known.ok());
                    if (any) ASSERT_EQ(*any, Message{*known});
                    else ASSERT_EQ(any.error().to_string(), known.error().to_string());
                }
            },
            message);
    }
}

TEST(Messages, SurviveEverySingleByteMutation) {
    Dice dice{5};
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        const Frame frame = frame_of(frame_bytes(random_message(kind, dice, 12)));
        // Memory of just this size, so that a sanitizer sees every step beyond it.
        std::vector<std::byte> mutated(frame.payload.data(), frame.payload.data() + frame.payload.size());
        const Frame same{frame.type, Bytes{nullptr, mutated}};
        for (std::size_t at = 0; at < mutated.size(); ++at) {
            const std::byte original = mutated[at];
            for (int value = 0; value < 256; ++value) {
                mutated[at] = static_cast<std::byte>(value);
                const auto decoded = decode(same);
                if (!decoded) {
                    ASSERT_TRUE(decoded.error().is(ErrorCode::kBadRequest));
                } else if (value % 8 == 0) {
                    expect_stable(*decoded);
                }
            }
            mutated[at] = original;
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
          "00000004 00000018 112233445566778899aabbccddeeff00 00000000 ffffffff", "00000015 0000000a 0000000000000001 ffff",
          // Counts of 2 Gi - 1, -1 and one too many, of names, versions, keys and entries.
          "0000005a 00000013 0000000000000001 000173 7fffffff 00000000", "0000004b 0000000c 0000000000000001 ffffffff",
          "0000004b 00000014 0000000000000001 00000002 0000000000000000",
          "00000054 00000017 0000000000000001 000173 00000002 0000000c 00000000",
          "0000004f 0000001f 0000000000000001 000173 7fffffff 0000000c 00000000 00000004 00000000",
          // A key and a value that say more than is there, and a key of a negative length.
          "0000004e 0000001e 0000000000000001 000173 0000 00000001 0000000d 00000002 6161 00000000",
          "0000004e 00000019 0000000000000001 000173 0000 00000001 0000000c ffffffff",
          "0000004e 00000022 0000000000000001 000173 0000 00000001 00000020 00000001 61 0000000000000000",
          "0000004f 0000001f 0000000000000001 000173 00000001 0000000c 00000000 00000020 00000000",
          // An event of another type, of a negative length, and one that is not all there.
          "00000005 00000028 112233445566778899aabbccddeeff00 0000000000000001 0000000000000000 00000001 00000000",
          "00000005 00000028 112233445566778899aabbccddeeff00 0000000000000001 0000000000000000 00000000 ffffffff",
          "00000005 00000029 112233445566778899aabbccddeeff00 0000000000000001 0000000000000000 00000000 00000002 61"}) {
        const ByteBuffer bytes = from_hex(hex);
        const auto type = read_frame_header(bytes.view().first(kFrameHeaderBytes)).type;
        const auto decoded = decode(Frame{type, Bytes::copy_of(bytes.view().subspan(kFrameHeaderBytes))});
        ASSERT_FALSE(decoded) << hex;
        EXPECT_TRUE(decoded.error().is(ErrorCode::kBadRequest));
    }
}

TEST(Messages, RefuseMoreNamesThanAMergeMayHave) {
    MergeSegmentsBatch batch{1, "s", std::vector<std::string>(kMaxMergedSegments), ""};
    const ByteBuffer bytes = frame_bytes(batch);
    EXPECT_TRUE(decode(frame_of(bytes)));
    ByteBuffer more;
    BigEndianWriter writer{more};
    writer.bytes(bytes.view().subspan(8, 11));
    writer.u32(kMaxMergedSegments + 1);
    writer.bytes(bytes.view().subspan(8 + 15));
    writer.u16(0);
    EXPECT_FALSE(decode(Frame{FrameType::kMergeSegmentsBatch, Bytes{std::move(more)}}));
}

TEST(Messages, SayWhereAFrameIsMalformed) {
    const auto error = [](std::string_view hex) {
        const ByteBuffer bytes = from_hex(hex);
        return decode(Frame{read_frame_header(bytes.view().first(8)).type, Bytes::copy_of(bytes.view().subspan(8))}).error();
    };
    EXPECT_EQ(error("00000001 00000010 0000000100000000 1122334455667788").detail(),
              "SetupAppend is cut short or malformed: writer_id should start at byte 8 with 16 bytes; 8 are left of 16");
    EXPECT_THAT(error("0000005a 00000013 0000000000000001 000173 7fffffff 00000000").detail(),
                ::testing::HasSubstr("sources should start at byte 11"));
    EXPECT_THAT(error("0000005b 00000013 0000000000000001 000173 00000001 00017a 00000000000000").detail(),
                ::testing::HasSubstr("new_target_write_offset should start at byte 18 with 8 bytes; 7 are left of 25"));
    EXPECT_THAT(error("00000015 00000010 0000000000000001 0001ff").detail(), ::testing::HasSubstr("segment should start at byte 8"));
}

// The size in front says the same as the length behind it; only what is there matters.
TEST(TableKey, NeedsNoTrueSizeInFront) {
    const ReadTable expected{1, "s", "", {{Bytes::copy_of("a"), 5}}};
    for (const std::string_view size : {"0000000d", "00000000", "ffffffff", "00000001"}) {
        ByteBuffer payload = from_hex("0000000000000001 000173 0000 00000001");
        payload.append(from_hex(size));
        payload.append(from_hex("00000001 61 0000000000000005"));
        EXPECT_EQ(decode(Frame{FrameType::kReadTable, Bytes{std::move(payload)}}).value(), Message{expected}) << size;
    }
}

TEST(TableKey, HasNeitherBytesNorVersionWhenItIsEmpty) {
    const ReadTable message{1, "s", "", {{{}, kNoTableKeyVersion}}};
    EXPECT_EQ(to_hex(frame_bytes(message)), "0000004e000000190000000000000001000173000000000001" "0000000c" "00000000");
    EXPECT_EQ(decode(frame_of(frame_bytes(message))).value(), Message{message});
}

TEST(Messages, RefuseTypesThatAreUnknownOrNeverStandAlone) {
    for (const std::int32_t code : {6, 13, 14, 22, 27, 43, 54, 62, 72, 73, 92, 99, 101, -7, -128, 0x4D520001, INT32_MAX, INT32_MIN}) {
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

TEST(Messages, AreTheSameInPieces) {
    Dice dice{9};
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        for (int i = 0; i < 8; ++i) {
            const Message message = random_message(kind, dice, 2 * kSharedPieceBytes);
            ByteBuffer joined;
            for (const Bytes& piece : encode_in_pieces(message)) {
                EXPECT_FALSE(piece.empty());
                joined.append(piece);
            }
            ASSERT_EQ(to_hex(joined), to_hex(frame_bytes(message))) << to_string(type_of(message));
        }
    }
}

TEST(Messages, ShareLargePayloadsInPieces) {
    const Bytes data = Bytes{ByteBuffer(kSharedPieceBytes)};
    const auto shared = [&data](const Message& message) {
        std::size_t count = 0;
        for (const Bytes& piece : encode_in_pieces(message)) count += piece.data() == data.data() ? 1u : 0u;
        return count;
    };
    EXPECT_EQ(shared(AppendBlock{golden_writer(), data}), 1u);
    EXPECT_EQ(shared(AppendBlockEnd{golden_writer(), 0, data, 1, 1, 1}), 1u);
    EXPECT_EQ(shared(ConditionalBlockEnd{golden_writer(), 1, 0, data, 1}), 1u);
    EXPECT_EQ(shared(SegmentRead{"s", 0, false, false, data, 1}), 1u);
    EXPECT_EQ(shared(TableRead{1, "s", {{{data, 1}, data}, {{Bytes::copy_of("a"), 1}, data}}}), 3u);
    EXPECT_EQ(shared(AppendBlock{golden_writer(), data.slice(1)}), 0u);
}

TEST(Messages, AreDescribedWithoutTheirTokens) {
    EXPECT_EQ(describe(SetupAppend{7, golden_writer(), "s/t/0", "hush"}),
              "request_id=7 writer_id=112233445566778899aabbccddeeff00 segment=\"s/t/0\" delegation_token=<token, 4 bytes>");
    EXPECT_EQ(describe(KeepAlive{}), "");
    EXPECT_EQ(describe(AppendBlock{golden_writer(), golden_bytes("000102030405060708090a0b0c0d0e0f10")}),
              "writer_id=112233445566778899aabbccddeeff00 data=<17 bytes 000102030405060708090a0b0c0d0e0f...>");
    EXPECT_EQ(describe(ErrorMessage{1, "a\n\"\x01", std::string(300, 'x'), -1}),
              "request_id=1 segment=\"a\\n\\\"\\x01\" message=\"" + std::string(200, 'x') + "\"... (300 bytes) error_code=-1");
    EXPECT_EQ(describe(TableRead{1, "s", {{{Bytes::copy_of("k"), -1}, {}}}}),
              "request_id=1 segment=\"s\" entries=[1: {key=<1 byte 6b> version=-1 value=<0 bytes>}]");
    EXPECT_EQ(describe(TableEntriesUpdated{1, std::vector<std::int64_t>(9)}),
              "request_id=1 versions=[9: {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, ...]");
    // No message shows what is in its token.
    Dice dice{10};
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        std::visit(
            []<class T>(T message) {
                if constexpr (requires { message.delegation_token; }) {
                    message.delegation_token = "hush-hush";
                    EXPECT_THAT(describe(message), ::testing::HasSubstr("<token, 9 bytes>"));
                    EXPECT_THAT(describe(message), ::testing::Not(::testing::HasSubstr("hush")));
                } else {
                    EXPECT_FALSE(kIsRequest<T> && !is_admin(T::kType) && requires { message.segment; }) << to_string(T::kType);
                }
            },
            random_message(kind, dice));
    }
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
