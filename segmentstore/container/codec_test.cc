// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "common/runtime/random.h"
#include "segmentstore/container/data_cache.h"
#include "segmentstore/container/entry.h"
#include "segmentstore/container/extent_map.h"
#include "segmentstore/container/operation.h"

namespace millrace::container {
namespace {

WriterId test_writer(std::uint8_t n) {
    WriterId id;
    id.bytes[15] = std::byte{n};
    return id;
}

ByteBuffer whole_operation(const Operation& operation, std::string_view data = {}) {
    const std::vector<Bytes> pieces{Bytes::copy_of(data)};
    ByteBuffer bytes;
    encode_operation(operation, data.empty() ? std::span<const Bytes>{} : std::span<const Bytes>{pieces}, bytes);
    bytes.append(as_bytes(data));
    return bytes;
}

Bytes pattern(std::size_t size, std::uint64_t seed) {
    SeededRandom random{seed};
    ByteBuffer bytes;
    bytes.resize(size);
    random.fill(bytes.mutable_view());
    return Bytes{std::move(bytes)};
}

TEST(Operation, BytesAreThoseOfTheFormat) {
    // docs/formats/container.md has these examples.
    Operation create{0x0102030405060708, CreateSegment{SegmentKey{1}, "s/t/0.#epoch.0", {5, 1, 9}}};
    EXPECT_EQ(to_hex(whole_operation(create).view()),
              "01" "36000000" "621914bc" "0807060504030201" "0100000000000000" "05000000" "01" "0900000000000000"
              "0e00" "732f742f302e2365706f63682e30");
    Operation append{1, Append{SegmentKey{1}, 2, test_writer(7), 3, 4}};
    EXPECT_EQ(to_hex(whole_operation(append, "hi").view()),
              "02" "3f000000" "9b2581a2" "0100000000000000" "0100000000000000" "0200000000000000"
              "00000000000000000000000000000007" "0300000000000000" "04000000" "6869");
    EXPECT_EQ(whole_operation(append).size(), kAppendHeadBytes);
    const Operation truncate{1, TruncateSegment{SegmentKey{1}, 100}};
    EXPECT_EQ(to_hex(whole_operation(truncate).view()).substr(0, 10), "0521000000");
    EXPECT_EQ(to_hex(whole_operation(truncate).view()).substr(18), "0100000000000000" "0100000000000000" "6400000000000000");
    const Operation set{1, SetAttribute{SegmentKey{1}, test_writer(7), -2}};
    EXPECT_EQ(to_hex(whole_operation(set).view()).substr(0, 10), "0631000000");
    EXPECT_EQ(to_hex(whole_operation(set).view()).substr(18),
              "0100000000000000" "0100000000000000" "00000000000000000000000000000007" "feffffffffffffff");
}

TEST(Operation, RoundTripsAndDetectsEveryFlippedBit) {
    const std::vector<Operation> operations{
        {1, CreateSegment{SegmentKey{9}, "a/b/0.#epoch.0", {1, 2, 3}}},
        {2, Append{SegmentKey{9}, 100, test_writer(1), 17, 2}},
        {3, SealSegment{SegmentKey{9}, 102}},
        {4, DeleteSegment{SegmentKey{9}}},
        {5, TruncateSegment{SegmentKey{9}, 50}},
        {6, SetAttribute{SegmentKey{9}, test_writer(3), INT64_MIN}},
        {7, ObjectPlanned{{OwnerEpoch{3}, 4}, true}},
        {8, WindowTiered{{OwnerEpoch{3}, 5}, {log::Index{77}, Lsn{6}}, {{SegmentKey{9}, 0, 64, 10, 0xABCD}, {SegmentKey{9}, 10, 74, 1, 2}}}},
    };
    for (const Operation& operation : operations) {
        const bool is_append = std::holds_alternative<Append>(operation.what);
        ByteBuffer bytes = whole_operation(operation, is_append ? "some data" : "");
        const auto decoded = decode_operation(bytes.view());
        ASSERT_TRUE(decoded.ok()) << decoded.error().to_string();
        EXPECT_EQ(decoded->operation, operation);
        EXPECT_EQ(bytes.size() - decoded->data_begin, is_append ? 9u : 0u);
        for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
            bytes[bit / 8] ^= std::byte{1} << (bit % 8);
            EXPECT_FALSE(decode_operation(bytes.view()).ok()) << "bit " << bit;
            bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        }
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            EXPECT_FALSE(decode_operation(bytes.view().first(size)).ok());
        }
    }
}

TEST(ExtentMap, FindsEveryByteAcrossChunksAndMergesRunsOfOneEntry) {
    ExtentMap map;
    EXPECT_EQ(map.find(0), nullptr);
    std::int64_t offset = 0;
    for (std::uint64_t entry = 1; entry <= 3000; ++entry) {
        map.add(Extent::run(offset, log::Index{entry}, 8, 10));
        map.add(Extent::run(offset + 10, log::Index{entry}, 100, 5));
        offset += 15;
    }
    EXPECT_EQ(map.size(), 3000u);
    EXPECT_EQ(map.end(), 45000);
    for (std::int64_t at = 0; at < 45000; at += 7) {
        const Extent* extent = map.find(at);
        ASSERT_NE(extent, nullptr);
        EXPECT_EQ(extent->entry.number(), static_cast<std::uint64_t>(at / 15 + 1));
    }
    EXPECT_EQ(map.find(45000), nullptr);
    EXPECT_EQ(map.find(-1), nullptr);
    map.add(Extent::raw(45000, log::Index{3000}, 8, 1));
    EXPECT_EQ(map.size(), 3001u);
}

TEST(OperationAssembler, JoinsOperationsCutAtEveryByte) {
    ByteBuffer stream;
    const std::string data(100, 'x');
    const ByteBuffer first = whole_operation({1, Append{SegmentKey{1}, 0, test_writer(1), 1, 1}}, data);
    const ByteBuffer second = whole_operation({2, SealSegment{SegmentKey{1}, 100}});
    stream.append(first.view());
    stream.append(second.view());
    for (std::size_t cut = 1; cut < stream.size(); ++cut) {
        OperationAssembler assembler;
        std::vector<ReplayedOperation> out;
        const std::size_t continuing = cut < first.size() ? first.size() - cut
                                       : cut == first.size() ? 0
                                                             : stream.size() - cut;
        ByteBuffer one;
        encode_entry_header({true, 0}, one);
        one.append(stream.view().first(cut));
        ByteBuffer two;
        encode_entry_header({false, static_cast<std::uint32_t>(continuing)}, two);
        two.append(stream.view().subspan(cut));
        ASSERT_TRUE(assembler.feed(log::Index{1}, one.view(), out).ok()) << cut;
        const auto fed = assembler.feed(log::Index{2}, two.view(), out);
        ASSERT_TRUE(fed.ok()) << cut << ": " << fed.error().to_string();
        ASSERT_EQ(out.size(), 2u);
        EXPECT_EQ(out[0].data_bytes, data.size());
        EXPECT_FALSE(assembler.inside_operation());
        // The extents lead back to the data.
        std::vector<Extent> extents;
        append_extents(std::get<Append>(out[0].decoded.operation.what), out[0].parts, extents);
        std::string found;
        for (const Extent& extent : extents) {
            const Bytes body = Bytes::copy_of(extent.entry == log::Index{1} ? one.view() : two.view());
            ASSERT_TRUE(walk_run(extent, SegmentKey{1}, body, [&](std::int64_t, const Bytes& piece) {
                            found += as_text(piece.view());
                        }).ok());
        }
        EXPECT_EQ(found, data) << cut;
    }
}

TEST(OperationAssembler, AnEpochThatStartsVoidsWhatWasUnfinished) {
    const ByteBuffer whole = whole_operation({1, SealSegment{SegmentKey{1}, 0}});
    OperationAssembler assembler;
    std::vector<ReplayedOperation> out;
    ByteBuffer one;
    encode_entry_header({true, 0}, one);
    one.append(whole.view().first(12));
    ASSERT_TRUE(assembler.feed(log::Index{1}, one.view(), out).ok());
    EXPECT_TRUE(assembler.inside_operation());
    ByteBuffer two;
    encode_entry_header({true, 0}, two);
    two.append(whole.view());
    ASSERT_TRUE(assembler.feed(log::Index{2}, two.view(), out).ok());
    EXPECT_EQ(out.size(), 1u);
    EXPECT_EQ(assembler.void_operations(), 1u);
}

TEST(OperationAssembler, RefusesImpossibleEntriesNamingThem) {
    const ByteBuffer whole = whole_operation({1, SealSegment{SegmentKey{1}, 0}});
    const auto entry = [&](bool first, std::uint32_t continuing, ByteView bytes) {
        ByteBuffer body;
        encode_entry_header({first, continuing}, body);
        body.append(bytes);
        return body;
    };
    const auto refused = [](std::vector<ByteBuffer> entries) {
        OperationAssembler assembler;
        std::vector<ReplayedOperation> out;
        for (std::size_t i = 0; i + 1 < entries.size(); ++i) {
            EXPECT_TRUE(assembler.feed(log::Index{i + 1}, entries[i].view(), out).ok());
        }
        const auto fed = assembler.feed(log::Index{entries.size()}, entries.back().view(), out);
        EXPECT_FALSE(fed.ok());
        if (fed) return;
        EXPECT_NE(fed.error().detail().find("log entry " + std::to_string(entries.size())), std::string::npos)
            << fed.error().to_string();
    };
    refused({entry(false, 0, whole.view())});                                            // no epoch began
    refused({entry(true, 5, whole.view())});                                             // continues at a start
    refused({entry(true, 0, whole.view()), entry(false, 4, whole.view())});              // nothing to continue
    refused({entry(true, 0, whole.view().first(12)), entry(false, 0, whole.view())});    // not continued
    refused({entry(true, 0, whole.view().first(12)), entry(false, 20, whole.view())});   // wrong length
    refused({ByteBuffer(4)});                                                            // no header
    ByteBuffer newer = entry(true, 0, whole.view());
    newer[0] = std::byte{2};
    refused({newer});
    ByteBuffer unknown = entry(true, 0, whole.view());
    unknown[kEntryHeaderBytes] = std::byte{9};
    refused({unknown});
}

TEST(OperationAssembler, SurvivesRandomBytes) {
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        SeededRandom random{seed};
        ByteBuffer body;
        encode_entry_header({true, 0}, body);
        body.append(whole_operation({1, Append{SegmentKey{1}, 0, test_writer(1), 1, 1}}, "abcdef").view());
        body.append(whole_operation({1, CreateSegment{SegmentKey{1}, "name", {}}}).view());
        const std::uint64_t flips = random.between(1, 5);
        for (std::uint64_t i = 0; i < flips; ++i) {
            body[random.between(0, body.size())] ^= std::byte{static_cast<std::uint8_t>(random.between(1, 256))};
        }
        if (random.one_in(3)) body.resize(random.between(1, body.size()));
        OperationAssembler assembler;
        std::vector<ReplayedOperation> out;
        (void)assembler.feed(log::Index{1}, body.view(), out);
        (void)walk_run(Extent::run(0, log::Index{1}, 8, 6), SegmentKey{1}, Bytes{body}, [](std::int64_t, const Bytes&) {});
    }
}

TEST(DataCache, KeepsTheNewestBytesWithinItsBudget) {
    DataCache cache{1024 * 1024};
    {
        SegmentCache first{cache};
        SegmentCache second{cache};
        std::int64_t at = 0;
        ByteBuffer all;
        for (int i = 0; i < 3000; ++i) {
            const Bytes piece = pattern(1000, static_cast<std::uint64_t>(i));
            first.append(at, piece);
            second.append(at, piece);
            all.append(piece.view());
            at += 1000;
            ASSERT_LE(cache.bytes(), cache.budget());
        }
        EXPECT_TRUE(first.find(0, 10).empty());
        EXPECT_TRUE(first.find(at, 10).empty());
        EXPECT_FALSE(first.find(at - 1, 10).empty());
        // From the first byte that is still there, everything is there, and right.
        std::int64_t from = at - 1;
        while (from > 0 && !first.find(from - 1, 1).empty()) --from;
        EXPECT_LT(from, at - 200'000);
        while (from < at) {
            const Bytes found = first.find(from, 100'000);
            ASSERT_FALSE(found.empty());
            EXPECT_EQ(found, Bytes::copy_of(all.view().subspan(static_cast<std::size_t>(from), found.size())));
            from += static_cast<std::int64_t>(found.size());
        }
        // Too large ones are not kept.
        const Bytes large = pattern(256 * 1024, 7);
        first.append(at, large);
        EXPECT_EQ(first.find(at, 100), large.slice(0, 100));
        at += static_cast<std::int64_t>(large.size());
        first.append(at, pattern(300 * 1024, 8));
        EXPECT_TRUE(first.find(at, 1).empty());
        at += 300 * 1024;
        first.append(at, pattern(10, 9));
        EXPECT_EQ(first.find(at, 100), pattern(10, 9));
    }
    EXPECT_EQ(cache.bytes(), 0u);
}

TEST(DataCache, KeepsNothingThatItWasGivenASliceOf) {
    DataCache cache{8 * 1024 * 1024};
    SegmentCache segment{cache};
    auto received = std::make_shared<ByteBuffer>(std::size_t{1} << 20, std::byte{7});
    const std::weak_ptr<ByteBuffer> alive = received;
    segment.append(0, Bytes{received, received->view()});
    received.reset();
    EXPECT_TRUE(alive.expired());
    EXPECT_EQ(segment.find(1'000'000, 1).view()[0], std::byte{7});
}

TEST(DataCache, EntriesGoBeforeBlocksAndLeastRecentlyUsedFirst) {
    DataCache cache{1024 * 1024};
    const ContainerId log{3};
    for (std::uint64_t i = 1; i <= 4; ++i) cache.keep_read({log, OwnerEpoch{}, i, 0}, pattern(60 * 1024, i));
    EXPECT_FALSE(cache.find_read({log, OwnerEpoch{}, 1, 0}).empty());
    cache.keep_read({log, OwnerEpoch{}, 5, 0}, pattern(60 * 1024, 5));  // a quarter of the budget holds four
    EXPECT_TRUE(cache.find_read({log, OwnerEpoch{}, 2, 0}).empty());
    EXPECT_EQ(cache.find_read({log, OwnerEpoch{}, 1, 0}), pattern(60 * 1024, 1));
    EXPECT_TRUE(cache.find_read({ContainerId{4}, OwnerEpoch{}, 1, 0}).empty());
    SegmentCache segment{cache};
    for (std::int64_t i = 0; i < 4; ++i) segment.append(i * 250'000, pattern(250'000, 1));
    EXPECT_LE(cache.bytes(), cache.budget());
    EXPECT_TRUE(cache.find_read({log, OwnerEpoch{}, 1, 0}).empty());
}

}  // namespace
}  // namespace millrace::container
