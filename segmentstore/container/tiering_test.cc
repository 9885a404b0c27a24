// SPDX-License-Identifier: Apache-2.0
//
// The pure parts of tiering: where bytes lie, which objects are dead, the snapshot's bytes.
#include <gtest/gtest.h>

#include "common/base/crc32c.h"
#include "segmentstore/container/object_table.h"
#include "segmentstore/container/snapshot.h"
#include "segmentstore/container/tiered_map.h"

namespace millrace::container {
namespace {

ObjectId object_of(std::uint64_t sequence, std::uint64_t epoch = 3) { return {OwnerEpoch{epoch}, sequence}; }

TieredExtent extent_of(std::int64_t offset, std::uint32_t length) {
    return {object_of(1), offset, static_cast<std::uint64_t>(offset) + 64, length, 7};
}

TEST(TieredMap, FindsTheExtentOfEachByte) {
    TieredMap map;
    EXPECT_EQ(map.find(0), nullptr);
    map.add(extent_of(100, 10));
    map.add(extent_of(110, 1));
    EXPECT_EQ(map.find(99), nullptr);
    EXPECT_EQ(map.find(100)->offset, 100);
    EXPECT_EQ(map.find(109)->offset, 100);
    EXPECT_EQ(map.find(110)->offset, 110);
    EXPECT_EQ(map.find(111), nullptr);
    EXPECT_EQ(map.end(), 111);
}

TEST(TieredMap, DropsWholeExtentsOnlyAndKeepsItsEnd) {
    TieredMap map;
    map.add(extent_of(0, 10));
    map.add(extent_of(10, 10));
    EXPECT_TRUE(map.drop_before(9).empty());
    EXPECT_EQ(map.drop_before(10), std::vector{extent_of(0, 10)});
    EXPECT_NE(map.find(15), nullptr);
    EXPECT_EQ(map.drop_all(), std::vector{extent_of(10, 10)});
    EXPECT_EQ(map.end(), 20);
    map.add(extent_of(50, 1));  // what lies between was truncated
    EXPECT_EQ(map.end(), 51);
}

TEST(ObjectTable, AnObjectDiesWithItsLastExtentAndGoesOnceASnapshotProvesIt) {
    ObjectTable table;
    table.plan(object_of(1), false, Lsn{10});
    table.written(object_of(1), 2, Lsn{11});
    table.release(object_of(1), Lsn{20});
    EXPECT_TRUE(table.dead(Lsn{100}, object_of(9)).empty());
    table.release(object_of(1), Lsn{30});
    EXPECT_TRUE(table.dead(Lsn{29}, object_of(9)).empty());
    EXPECT_EQ(table.dead(Lsn{30}, object_of(9)), std::vector{object_of(1)});
    table.forget(object_of(1));
    EXPECT_EQ(table.find(object_of(1)), nullptr);
    table.release(object_of(1), Lsn{40});  // nothing to release any more
}

TEST(ObjectTable, AnObjectWithoutAnExtentInUseIsBornDead) {
    ObjectTable table;
    table.plan(object_of(1), false, Lsn{10});
    table.written(object_of(1), 0, Lsn{11});
    EXPECT_EQ(table.dead(Lsn{11}, object_of(9)), std::vector{object_of(1)});
}

TEST(ObjectTable, APlanGivesUpTheOneBefore) {
    ObjectTable table;
    table.plan(object_of(1), false, Lsn{10});
    table.plan(object_of(2), false, Lsn{12});
    table.plan(object_of(3), true, Lsn{13});
    EXPECT_EQ(table.dead(Lsn{12}, object_of(3)), std::vector{object_of(1)});
    EXPECT_EQ(table.find(object_of(2))->dead_since, Lsn{});
}

TEST(ObjectTable, AWindowWithoutAnObjectGivesUpTheOnePlannedForIt) {
    ObjectTable table;
    const ObjectId id{OwnerEpoch{3}, 1};
    table.plan(id, false, Lsn{10});
    table.none_written(Lsn{12});
    EXPECT_EQ(table.find(id)->dead_since, Lsn{12});
    // An older version may have used it all the same.
    table.written(id, 1, Lsn{14});
    EXPECT_EQ(table.find(id)->dead_since, Lsn{});
}

TEST(ObjectTable, ASnapshotReplacesThoseBeforeItButNeverTheAnchoredOne) {
    ObjectTable table;
    table.plan(object_of(1), true, Lsn{10});
    table.plan(object_of(2), true, Lsn{20});
    EXPECT_TRUE(table.dead(Lsn{20}, object_of(1)).empty());
    EXPECT_EQ(table.dead(Lsn{20}, object_of(2)), std::vector{object_of(1)});
}

TEST(ObjectTable, ANewOwnerGivesUpWhatEarlierOnesOnlyPlanned) {
    ObjectTable table;
    table.plan(object_of(1), true, Lsn{1});
    table.plan(object_of(2), false, Lsn{2});
    table.written(object_of(2), 1, Lsn{3});
    table.plan(object_of(3), false, Lsn{4});
    table.take_over(OwnerEpoch{4}, object_of(1), Lsn{5});
    EXPECT_EQ(table.dead(Lsn{5}, object_of(1)), std::vector{object_of(3)});
}

Snapshot example_snapshot() {
    Snapshot snapshot;
    snapshot.head = {Lsn{40}, {log::Index{7}, Lsn{38}}, 1234, 2, 1};
    SnapshotSegment first;
    first.key = SegmentKey{1};
    first.name = "s/t/0.#epoch.0";
    first.policy = {5, 1, 9};
    first.sealed = true;
    first.length = 30;
    first.start_offset = 4;
    first.last_modified_ms = 99;
    first.newest = Lsn{39};
    first.tiered_end = 30;
    first.attributes.emplace_back(AttributeId{}, -1);
    first.extents = {extent_of(0, 10), extent_of(10, 20)};
    SnapshotSegment second;
    second.key = SegmentKey{2};
    second.name = "s/t/1.#epoch.0";
    snapshot.segments = {first, second};
    snapshot.objects = {{object_of(1), false, true, 2, Lsn{}}};
    return snapshot;
}

ByteBuffer encoded(const Snapshot& snapshot) {
    ByteBuffer body;
    encode_snapshot_head(snapshot.head, body);
    for (const SnapshotSegment& segment : snapshot.segments) encode_snapshot_segment(segment, body);
    for (const ObjectTable::Object& object : snapshot.objects) encode_snapshot_object(object, body);
    return body;
}

TEST(Snapshot, ComesBackAsItWas) {
    const Snapshot snapshot = example_snapshot();
    const auto decoded = decode_snapshot(encoded(snapshot).view());
    ASSERT_TRUE(decoded.ok()) << decoded.error().to_string();
    EXPECT_EQ(decoded->head, snapshot.head);
    EXPECT_EQ(decoded->segments, snapshot.segments);
    EXPECT_EQ(decoded->objects, snapshot.objects);
}

TEST(Snapshot, BytesAreThoseOfTheFormat) {
    // docs/formats/snapshot.md has these examples.
    ByteBuffer head;
    encode_snapshot_head({Lsn{40}, {log::Index{7}, Lsn{38}}, 1234, 2, 1}, head);
    EXPECT_EQ(to_hex(head.view()), "01000000" "2800000000000000" "0700000000000000" "2600000000000000"
                                   "d204000000000000" "0200000000000000" "0100000000000000");
    ByteBuffer object;
    encode_snapshot_object({object_of(1), false, true, 2, Lsn{}}, object);
    EXPECT_EQ(to_hex(object.view()), "0300000000000000" "0100000000000000" "00" "01" "0200000000000000" "0000000000000000");
    EXPECT_EQ(to_hex(encode_anchor({object_of(9), Lsn{40}, 300, 0xAABBCCDD}).view()),
              "01" "0300000000000000" "0900000000000000" "2800000000000000" "2c01000000000000" "ddccbbaa");
    EXPECT_EQ(to_hex(encode_snapshot_end(300, 0xAABBCCDD).view()),
              "6d722d736e706e64" "01000000" "ddccbbaa" "2c01000000000000");
}

TEST(Snapshot, NoCutAndNoFlippedBitIsMoreThanAnErrorOrAnotherSnapshot) {
    const ByteBuffer whole = encoded(example_snapshot());
    for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(decode_snapshot(whole.view().first(size)).ok());
    ByteBuffer bytes = ByteBuffer{};
    bytes.append(whole.view());
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        (void)decode_snapshot(bytes.view());  // the body's checksum finds it; this must only not crash
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    }
    bytes.append(as_bytes("x"));
    EXPECT_FALSE(decode_snapshot(bytes.view()).ok());
}

TEST(Snapshot, SegmentsThatContradictThemselvesAreRefused) {
    Snapshot gap = example_snapshot();
    gap.segments[0].extents[1].offset = 11;
    EXPECT_EQ(decode_snapshot(encoded(gap).view()).error().code(), ErrorCode::kCorrupt);
    Snapshot start = example_snapshot();
    start.segments[0].start_offset = 31;
    EXPECT_EQ(decode_snapshot(encoded(start).view()).error().code(), ErrorCode::kCorrupt);
}

TEST(Snapshot, OneFormOfEachIsAccepted) {
    const ByteBuffer body = encoded(example_snapshot());
    constexpr std::size_t kSealedAt = 52 + 8 + 2 + 14 + 4 + 1 + 8;
    const std::size_t written_at = body.size() - 8 - 8 - 1;
    ASSERT_EQ(body[kSealedAt], std::byte{1});
    ASSERT_EQ(body[written_at], std::byte{1});
    for (const std::size_t at : {std::size_t{0}, kSealedAt, written_at, written_at - 1}) {
        ByteBuffer other;
        other.append(body.view());
        other[at] = at == 0 ? std::byte{0} : std::byte{2};  // the version, or what is true or false
        EXPECT_EQ(decode_snapshot(other.view()).error().code(), ErrorCode::kCorrupt) << at;
    }
}

TEST(Snapshot, NewerVersionsAreToldFromDamage) {
    ByteBuffer body = encoded(example_snapshot());
    body[0] = std::byte{2};
    EXPECT_EQ(decode_snapshot(body.view()).error().code(), ErrorCode::kUnsupported);
    ByteBuffer anchor;
    anchor.append(encode_anchor({object_of(9), Lsn{40}, 300, 1}).view());
    EXPECT_EQ(decode_anchor(anchor.view())->snapshot, object_of(9));
    anchor[0] = std::byte{2};
    EXPECT_EQ(decode_anchor(anchor.view()).error().code(), ErrorCode::kUnsupported);
    EXPECT_EQ(decode_anchor(anchor.view().first(5)).error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace millrace::container
