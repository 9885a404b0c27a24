// SPDX-License-Identifier: Apache-2.0
#include "common/wire/append_assembler.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/model/segment_name.h"
#include "common/wire/event.h"
#include "common/wire/testing/random_message.h"

namespace millrace::wire {
namespace {

using testing::frame_of;

constexpr std::string_view kWriterHex = "112233445566778899aabbccddeeff00";
constexpr std::string_view kStored = "000000000000000568656c6c6f0000000000000006776f726c6421";

WriterId writer_of(std::string_view hex) {
    WriterId id;
    const ByteBuffer bytes = from_hex(hex);
    std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
    return id;
}
WriterId writer() { return writer_of(kWriterHex); }
WriterId other_writer() { return writer_of("ffeeddccbbaa99887766554433221100"); }

Bytes hex_bytes(std::string_view hex) { return Bytes{from_hex(hex)}; }

AppendAssembler set_up() {
    AppendAssembler assembler;
    EXPECT_TRUE(assembler.setup_append(SetupAppend{1, writer(), "s/t/0.#epoch.0", ""}));
    return assembler;
}

// What the assembler makes of a frame: appends, in order, or the error that ends the connection.
Result<void> take(AppendAssembler& assembler, std::string_view hex, std::vector<Append>& appends) {
    MR_TRY(Message message, decode(frame_of(from_hex(hex))));
    if (auto* block = std::get_if<AppendBlock>(&message)) return assembler.append_block(std::move(*block));
    MR_TRY(Append append, assembler.append_block_end(std::get<AppendBlockEnd>(std::move(message))));
    appends.push_back(std::move(append));
    return ok();
}

std::string stored(const std::vector<Append>& appends) {
    std::string all;
    for (const Append& append : appends) all += to_hex(append.data.joined());
    return all;
}

struct Form {
    const char* name;
    std::vector<std::string> frames;
    std::size_t appends;
    RequestId request_id;
};

TEST(AppendAssembler, MakesTheSameBytesOfEveryForm) {
    constexpr RequestId kFlow1 = 0x0000000100000000;
    const std::vector<Form> forms = {
        {"padded",
         {"00000003 00000038 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f"
          "00000000 00000006 776f726c6421 ffffffff 00000005 0000000000",
          "00000004 0000002c 112233445566778899aabbccddeeff00 0000001b 00000000 00000002 0000000000000002"
          "0000000100000000"},
         1, kFlow1},
        {"split",
         {"00000003 0000002e 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f"
          "fffffffe 00000009 00000000 00000006 77",
          "00000004 00000031 112233445566778899aabbccddeeff00 0000000d 00000005 6f726c6421 00000002"
          "0000000000000002 0000000100000000"},
         1, kFlow1},
        {"one by one",
         {"00000003 0000001d 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f",
          "00000004 0000002c 112233445566778899aabbccddeeff00 0000000d 00000000 00000001 0000000000000001"
          "0000000100000000",
          "00000003 0000001e 112233445566778899aabbccddeeff00 00000000 00000006 776f726c6421",
          "00000004 0000002c 112233445566778899aabbccddeeff00 0000000e 00000000 00000001 0000000000000002"
          "0000000100000000"},
         2, kFlow1},
        {"without a block",
         {"00000004 00000047 112233445566778899aabbccddeeff00 0000001b 0000001b 00000000 00000005 68656c6c6f"
          "00000000 00000006 776f726c6421 00000002 0000000000000002 0000000000000008"},
         1, 8},
    };
    for (const Form& form : forms) {
        AppendAssembler assembler = set_up();
        std::vector<Append> appends;
        for (const std::string& frame : form.frames) {
            const auto taken = take(assembler, frame, appends);
            ASSERT_TRUE(taken) << form.name << ": " << taken.error().to_string();
        }
        ASSERT_EQ(appends.size(), form.appends) << form.name;
        EXPECT_EQ(stored(appends), kStored) << form.name;
        EXPECT_EQ(appends.back().event_number, 2) << form.name;
        EXPECT_EQ(appends.back().request_id, form.request_id) << form.name;
        EXPECT_EQ(appends.back().writer->segment, "s/t/0.#epoch.0") << form.name;
        int events = 0;
        for (const Append& append : appends) events += append.event_count;
        EXPECT_EQ(events, 2) << form.name;
        EXPECT_FALSE(assembler.block_open()) << form.name;
    }
}

TEST(AppendAssembler, TakesAnEmptyAppend) {
    AppendAssembler assembler = set_up();
    ASSERT_TRUE(assembler.append_block({writer(), {}}));
    const Append append = assembler.append_block_end({writer(), 0, {}, 1, 7, 1}).value();
    EXPECT_TRUE(append.data.empty());
    EXPECT_TRUE(append.data.pieces().empty());
    EXPECT_EQ(append.data.joined(), Bytes{});
    EXPECT_EQ(append.event_number, 7);
}

// One whole event, then another whose first bytes, from none to all of them, are in the block.
TEST(AppendAssembler, JoinsAnEventSplitAtEveryByte) {
    ByteBuffer first, second;
    encode_event(as_bytes("hello"), first);
    encode_event(as_bytes("a second event"), second);
    ByteBuffer both;
    both.append(first);
    both.append(second);
    for (std::size_t split = 0; split <= second.size(); ++split) {
        ByteBuffer block;
        block.append(first);
        encode(PartialEvent{Bytes::copy_of(second.view().first(split))}, block);
        AppendAssembler assembler = set_up();
        ASSERT_TRUE(assembler.append_block({writer(), Bytes{std::move(block)}}));
        const auto append = assembler.append_block_end({writer(), static_cast<std::int32_t>(first.size()),
                                                        Bytes::copy_of(second.view().subspan(split)), 2, 2, 1});
        ASSERT_TRUE(append) << split << ": " << append.error().to_string();
        EXPECT_EQ(append->data.size(), both.size());
        EXPECT_EQ(append->data.joined(), Bytes{both}) << split;
    }
}

TEST(AppendAssembler, DoesNotCopyWhatLiesTogether) {
    AppendAssembler assembler = set_up();
    const Bytes block = hex_bytes(kStored);
    ASSERT_TRUE(assembler.append_block({writer(), block}));
    const Append append = assembler.append_block_end({writer(), 27, {}, 2, 2, 1}).value();
    ASSERT_EQ(append.data.pieces().size(), 1u);
    EXPECT_EQ(append.data.pieces()[0].data(), block.data());
    EXPECT_EQ(append.data.joined().data(), block.data());
}

TEST(AppendAssembler, IgnoresDataOfTheEndWhenTheBlockIsFull) {
    AppendAssembler assembler = set_up();
    ASSERT_TRUE(assembler.append_block({writer(), hex_bytes("0102")}));
    EXPECT_EQ(to_hex(assembler.append_block_end({writer(), 2, hex_bytes("03"), 1, 1, 1}).value().data.joined()), "0102");
}

TEST(AppendAssembler, IgnoresTheCountOfWholeEventsWithoutABlock) {
    AppendAssembler assembler = set_up();
    EXPECT_EQ(to_hex(assembler.append_block_end({writer(), -9, hex_bytes("03"), 1, 1, 1}).value().data.joined()), "03");
}

TEST(AppendAssembler, IgnoresWhatFollowsTheNestedFrame) {
    for (const std::string_view nested : {"fffffffe 00000001 02 ffff", "fffffffe 00000001 02"}) {
        AppendAssembler assembler = set_up();
        ByteBuffer block = from_hex("01");
        block.append(from_hex(nested));
        ASSERT_TRUE(assembler.append_block({writer(), Bytes{std::move(block)}}));
        EXPECT_EQ(to_hex(assembler.append_block_end({writer(), 1, hex_bytes("03"), 1, 1, 1}).value().data.joined()),
                  "010203");
    }
}

TEST(AppendAssembler, RefusesWhatBreaksTheRules) {
    struct Case {
        const char* why;
        AppendBlock block;
        AppendBlockEnd end;
    };
    const std::vector<Case> cases = {
        {"no events", {writer(), {}}, {writer(), 0, {}, 0, 1, 1}},
        {"negative events", {writer(), {}}, {writer(), 0, {}, -1, 1, 1}},
        {"negative event number", {writer(), {}}, {writer(), 0, {}, 1, -1, 1}},
        {"other writer", {writer(), {}}, {other_writer(), 0, {}, 1, 1, 1}},
        {"negative whole events", {writer(), {}}, {writer(), -1, {}, 1, 1, 1}},
        {"whole events beyond the block", {writer(), hex_bytes("01")}, {writer(), 2, {}, 1, 1, 1}},
        {"tail too short", {writer(), hex_bytes("01 ffffffff000000")}, {writer(), 1, {}, 1, 1, 1}},
        {"tail of another type", {writer(), hex_bytes("00000000 00000000")}, {writer(), 0, {}, 1, 1, 1}},
        {"nested length beyond the block", {writer(), hex_bytes("fffffffe 00000002 01")}, {writer(), 0, {}, 1, 1, 1}},
        {"nested length huge", {writer(), hex_bytes("fffffffe 7fffffff 01")}, {writer(), 0, {}, 1, 1, 1}},
        {"nested length negative", {writer(), hex_bytes("fffffffe ffffffff 01")}, {writer(), 0, {}, 1, 1, 1}},
        {"padding, then data", {writer(), hex_bytes("ffffffff 00000001 00")}, {writer(), 0, hex_bytes("01"), 1, 1, 1}},
    };
    for (const Case& wrong : cases) {
        AppendAssembler assembler = set_up();
        ASSERT_TRUE(assembler.setup_append(SetupAppend{1, other_writer(), "s/t/1.#epoch.0", ""}));
        ASSERT_TRUE(assembler.append_block(wrong.block)) << wrong.why;
        const auto append = assembler.append_block_end(wrong.end);
        ASSERT_FALSE(append) << wrong.why;
        EXPECT_TRUE(append.error().is(ErrorCode::kBadRequest)) << wrong.why;
    }
}

TEST(AppendAssembler, RefusesWritersThatWereNotSetUp) {
    AppendAssembler assembler = set_up();
    EXPECT_FALSE(assembler.append_block({other_writer(), {}}));
    EXPECT_FALSE(assembler.append_block_end({other_writer(), 0, {}, 1, 1, 1}));
    EXPECT_EQ(assembler.find(other_writer()), nullptr);
}

TEST(AppendAssembler, RefusesOtherAppendFramesWhileABlockIsOpen) {
    AppendAssembler assembler = set_up();
    EXPECT_TRUE(assembler.padding());
    ASSERT_TRUE(assembler.append_block({writer(), {}}));
    EXPECT_TRUE(assembler.block_open());
    EXPECT_FALSE(assembler.padding());
    EXPECT_FALSE(assembler.append_block({writer(), {}}));
    EXPECT_FALSE(assembler.setup_append(SetupAppend{1, writer(), "s/t/0.#epoch.0", ""}));
}

TEST(AppendAssembler, TakesConditionalAppendsAsTheyAre) {
    AppendAssembler assembler = set_up();
    const Bytes event = hex_bytes("00000000 00000005 68656c6c6f");
    const Append one = assembler.conditional_append({writer(), 1, 100, event, 7}).value();
    EXPECT_EQ(one.data.joined().data(), event.data());
    EXPECT_EQ(one.data.size(), 13u);
    EXPECT_EQ(one.event_number, 1);
    EXPECT_EQ(one.event_count, 1);
    EXPECT_EQ(one.expected_offset, 100);
    EXPECT_EQ(one.request_id, 7);
    EXPECT_EQ(one.writer->segment, "s/t/0.#epoch.0");
    const Append two = assembler.conditional_block_end({writer(), 5, -1, hex_bytes("010203"), 8}).value();
    EXPECT_EQ(to_hex(two.data.joined()), "010203");
    EXPECT_EQ(two.expected_offset, -1);
    EXPECT_TRUE(assembler.conditional_block_end({writer(), 5, 0, {}, 8}).value().data.empty());
    // Numbers count together with those of other appends.
    EXPECT_FALSE(assembler.conditional_append({writer(), 4, 0, event, 7}));
    EXPECT_FALSE(assembler.append_block_end({writer(), 0, {}, 1, 4, 1}));
    EXPECT_FALSE(assembler.append_block_end({writer(), 0, {}, 1, 5, 1}).value().expected_offset.has_value());
    EXPECT_FALSE(assembler.conditional_append({other_writer(), 9, 0, event, 7}));
    ASSERT_TRUE(assembler.append_block({writer(), {}}));
    EXPECT_FALSE(assembler.conditional_append({writer(), 9, 0, event, 7}));
    EXPECT_FALSE(assembler.conditional_block_end({writer(), 9, 0, {}, 7}));
}

// A conversation of three appends, received with its end at every byte of it: what was whole by then
// is assembled, what was cut is a frame that is not there yet.
TEST(AppendAssembler, DoesNotDependOnWhereReceivedBytesEnd) {
    ByteBuffer all;
    encode(AppendBlock{writer(), hex_bytes("00000000 00000005 68656c6c6f fffffffe 00000009 00000000 00000006 77")}, all);
    encode(AppendBlockEnd{writer(), 13, Bytes::copy_of("orld!"), 2, 2, 1}, all);
    encode(KeepAlive{}, all);
    encode(AppendBlockEnd{writer(), 0, hex_bytes("00000000 00000000"), 1, 3, 1}, all);
    for (std::size_t end = 0; end <= all.size(); ++end) {
        AppendAssembler assembler = set_up();
        std::vector<Append> appends;
        std::size_t at = 0;
        // First what came before `end`, then all.
        for (const std::size_t received : {end, all.size()}) {
            while (received - at >= kFrameHeaderBytes) {
                const FrameHeader header = read_frame_header(all.view().subspan(at, kFrameHeaderBytes));
                const std::size_t whole = kFrameHeaderBytes + static_cast<std::size_t>(header.length);
                if (received - at < whole) break;
                if (header.type != FrameType::kKeepAlive) {
                    ASSERT_TRUE(take(assembler, to_hex(all.view().subspan(at, whole)), appends)) << end;
                }
                at += whole;
            }
        }
        ASSERT_EQ(appends.size(), 2u) << end;
        EXPECT_EQ(stored(appends), std::string{kStored} + "0000000000000000") << end;
    }
}

TEST(AppendAssembler, LetsEventNumbersRepeatButNotFall) {
    AppendAssembler assembler = set_up();
    EXPECT_TRUE(assembler.append_block_end({writer(), 0, {}, 1, 0, 1}));
    EXPECT_TRUE(assembler.append_block_end({writer(), 0, {}, 1, 10, 1}));
    EXPECT_TRUE(assembler.append_block_end({writer(), 0, {}, 1, 10, 1}));
    EXPECT_FALSE(assembler.append_block_end({writer(), 0, {}, 1, 9, 1}));
}

TEST(AppendAssembler, StartsOverWhenAWriterIsSetUpAgain) {
    AppendAssembler assembler = set_up();
    const Append before = assembler.append_block_end({writer(), 0, {}, 1, 10, 1}).value();
    const auto again = assembler.setup_append(SetupAppend{2, writer(), "s/t/9.#epoch.1", ""}).value();
    const Append after = assembler.append_block_end({writer(), 0, {}, 1, 1, 1}).value();
    EXPECT_EQ(after.writer, again);
    EXPECT_EQ(after.writer->segment, "s/t/9.#epoch.1");
    EXPECT_NE(before.writer, after.writer);
    EXPECT_EQ(before.writer->segment, "s/t/0.#epoch.0");
    EXPECT_EQ(assembler.writers(), 1u);
}

TEST(AppendAssembler, BoundsWritersAndNames) {
    AppendAssembler assembler;
    EXPECT_FALSE(assembler.setup_append(SetupAppend{1, writer(), std::string(kMaxSegmentNameBytes + 1, 'x'), ""}));
    testing::Dice dice{1};
    WriterId id;
    for (std::size_t i = 0; i < AppendAssembler::kMaxWriters; ++i) {
        for (std::byte& b : id.bytes) b = static_cast<std::byte>(dice.next());
        ASSERT_TRUE(assembler.setup_append(SetupAppend{1, id, "s/t/0.#epoch.0", ""}));
    }
    EXPECT_TRUE(assembler.setup_append(SetupAppend{1, id, "s/t/0.#epoch.0", ""}));
    EXPECT_FALSE(assembler.setup_append(SetupAppend{1, writer(), "s/t/0.#epoch.0", ""}));
}

}  // namespace
}  // namespace millrace::wire
