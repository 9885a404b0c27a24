// SPDX-License-Identifier: Apache-2.0
#include "common/wire/event.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/wire/testing/random_message.h"

namespace millrace::wire {
namespace {

ByteBuffer framed(const std::vector<std::string>& payloads) {
    ByteBuffer bytes;
    for (const std::string& payload : payloads) encode_event(as_bytes(payload), bytes);
    return bytes;
}

std::vector<std::string> texts(const std::vector<Bytes>& events) {
    std::vector<std::string> out;
    for (const Bytes& event : events) out.emplace_back(as_text(event));
    return out;
}

TEST(Event, HasItsGoldenBytes) {
    EXPECT_EQ(to_hex(framed({"hello"})), "000000000000000568656c6c6f");
    EXPECT_EQ(to_hex(event_header(0x01020304)), "0000000001020304");
}

const std::vector<std::string> kPayloads = {"hello", "", "world!", std::string(300, 'x'), "", "", "z"};

TEST(EventSplitter, FindsEventsInPiecesOfEverySize) {
    const ByteBuffer bytes = framed(kPayloads);
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
        EventSplitter splitter;
        std::vector<Bytes> events;
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            const std::size_t size = std::min(step, bytes.size() - at);
            ASSERT_TRUE(splitter.feed(Bytes::copy_of(bytes.view().subspan(at, size)), events));
            ASSERT_EQ(splitter.consumed_bytes() + splitter.pending_bytes(), at + size);
        }
        ASSERT_EQ(texts(events), kPayloads) << "in steps of " << step;
        EXPECT_EQ(splitter.consumed_bytes(), bytes.size());
        EXPECT_EQ(splitter.pending_bytes(), 0u);
    }
}

TEST(EventSplitter, FindsEventsWhereverTwoPiecesMeet) {
    const ByteBuffer bytes = framed(kPayloads);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        EventSplitter splitter;
        std::vector<Bytes> events;
        ASSERT_TRUE(splitter.feed(Bytes::copy_of(bytes.view().first(cut)), events));
        ASSERT_TRUE(splitter.feed({}, events));
        ASSERT_TRUE(splitter.feed(Bytes::copy_of(bytes.view().subspan(cut)), events));
        ASSERT_EQ(texts(events), kPayloads) << cut;
    }
}

TEST(EventSplitter, SharesThePiecesMemory) {
    const Bytes piece{framed({"hello", "world!"})};
    EventSplitter splitter;
    std::vector<Bytes> events;
    ASSERT_TRUE(splitter.feed(piece, events));
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[0].data(), piece.data() + 8);
    EXPECT_EQ(events[1].data(), piece.data() + 21);
}

TEST(EventSplitter, GivesEventsBeforeDamageAndThenStaysFailed) {
    ByteBuffer bytes = framed({"hello"});
    bytes.append(from_hex("00000001 00000000"));
    EventSplitter splitter;
    std::vector<Bytes> events;
    const auto fed = splitter.feed(Bytes{bytes}, events);
    ASSERT_FALSE(fed);
    EXPECT_TRUE(fed.error().is(ErrorCode::kCorrupt));
    EXPECT_EQ(fed.error().detail(), "no event starts at byte 13: type 1, length 0");
    EXPECT_EQ(texts(events), std::vector<std::string>{"hello"});
    EXPECT_FALSE(splitter.feed(Bytes{framed({"later"})}, events));
    EXPECT_EQ(events.size(), 1u);
}

TEST(EventSplitter, RefusesNegativeLengthsInOnePieceAndByteByByte) {
    const ByteBuffer bytes = from_hex("00000000 ffffffff");
    EventSplitter whole, dribbled;
    std::vector<Bytes> events;
    EXPECT_FALSE(whole.feed(Bytes{bytes}, events));
    for (std::size_t i = 0; i < 7; ++i) ASSERT_TRUE(dribbled.feed(Bytes::copy_of(bytes.view().subspan(i, 1)), events));
    EXPECT_FALSE(dribbled.feed(Bytes::copy_of(bytes.view().subspan(7, 1)), events));
    EXPECT_TRUE(events.empty());
}

TEST(EventSplitter, BoundsTheSizeOfEvents) {
    EventSplitter splitter{5};
    std::vector<Bytes> events;
    ASSERT_TRUE(splitter.feed(Bytes{framed({"12345"})}, events));
    const auto fed = splitter.feed(Bytes{framed({"123456"})}, events);
    ASSERT_FALSE(fed);
    EXPECT_TRUE(fed.error().is(ErrorCode::kTooLarge));
    EXPECT_EQ(events.size(), 1u);
}

TEST(EventSplitter, AgreesWithItselfOnRandomBytesHoweverCut) {
    testing::Dice dice{9};
    for (int i = 0; i < 2000; ++i) {
        ByteBuffer bytes;
        for (std::size_t n = dice.below(6); n > 0; --n) encode_event(dice.bytes(dice.below(40)), bytes);
        bytes.append(dice.bytes(dice.below(12)));
        EventSplitter whole{64}, cut{64};
        std::vector<Bytes> of_whole, of_cut;
        const bool whole_ok = whole.feed(Bytes{bytes}, of_whole).ok();
        bool cut_ok = true;
        for (std::size_t at = 0; at < bytes.size() && cut_ok;) {
            const std::size_t size = std::min(bytes.size() - at, 1 + dice.below(20));
            cut_ok = cut.feed(Bytes::copy_of(bytes.view().subspan(at, size)), of_cut).ok();
            at += size;
        }
        ASSERT_EQ(whole_ok, cut_ok);
        ASSERT_EQ(of_whole, of_cut);
        ASSERT_EQ(whole.consumed_bytes(), cut.consumed_bytes());
    }
}

}  // namespace
}  // namespace millrace::wire
