// SPDX-License-Identifier: Apache-2.0
//
// Objects of segment data: their bytes, and what a reader makes of damaged ones.
#include <gtest/gtest.h>

#include <algorithm>

#include "common/base/crc32c.h"
#include "segmentstore/storage/file/file_storage.h"
#include "segmentstore/tiering/object_writer.h"
#include "tests/sim/world.h"

namespace millrace::tiering {
namespace {

constexpr storage::ObjectName kObject{ContainerId{3}, OwnerEpoch{18}, 26};

TEST(ObjectFormat, HasTheDocumentedBytes) {
    const ByteBuffer header = encode_object_header({ObjectKind::kSnapshot, kObject});
    ASSERT_EQ(header.size(), kObjectHeaderBytes);
    EXPECT_EQ(to_hex(header.view().first(36)),
              "6d722d6f626a6374" "01000000" "02000000" "03000000" "1200000000000000" "1a00000000000000");
    EXPECT_EQ(*decode_object_header(header.view()), (ObjectHeader{ObjectKind::kSnapshot, kObject}));

    const ObjectFooter footer{{{7, "s/t/0"}}, {{7, 100, 64, 2, 0xAABBCCDD}}};
    const ByteBuffer end = encode_object_end(footer, 66);
    EXPECT_EQ(to_hex(end.view().first(47)),
              "0700000000000000" "0500" "732f742f30"
              "0700000000000000" "6400000000000000" "4000000000000000" "02000000" "ddccbbaa");
    EXPECT_EQ(to_hex(end.view().subspan(47, 28)), "6d722d6f626a6e64" "01000000" "4200000000000000" "2f000000"
              + to_hex(end.view().subspan(71, 4)));
    const auto trailer = decode_object_trailer(end.view().last(kObjectTrailerBytes));
    ASSERT_TRUE(trailer.ok());
    EXPECT_EQ(trailer->segments, 1u);
    EXPECT_EQ(trailer->extents, 1u);
    EXPECT_EQ(*decode_object_footer(end.view().first(47), *trailer), footer);
}

TEST(ObjectFormat, EveryFlippedBitIsNoticed) {
    ByteBuffer header = encode_object_header({ObjectKind::kData, kObject});
    for (std::size_t bit = 0; bit < 40 * 8; ++bit) {  // the rest is padding
        header[bit / 8] ^= std::byte{1} << (bit % 8);
        EXPECT_FALSE(decode_object_header(header.view()).ok()) << bit;
        header[bit / 8] ^= std::byte{1} << (bit % 8);
    }
    ByteBuffer end = encode_object_end({{{7, "s/t/0"}, {9, "s/t/1"}}, {{7, 100, 64, 2, 1}, {9, 0, 66, 4, 2}}}, 70);
    const std::size_t footer_bytes = end.size() - kObjectTrailerBytes;
    for (std::size_t bit = 0; bit < (footer_bytes + 40) * 8; ++bit) {
        end[bit / 8] ^= std::byte{1} << (bit % 8);
        const auto trailer = decode_object_trailer(end.view().last(kObjectTrailerBytes));
        EXPECT_TRUE(!trailer || !decode_object_footer(end.view().first(footer_bytes), *trailer)) << bit;
        end[bit / 8] ^= std::byte{1} << (bit % 8);
    }
}

TEST(ObjectFormat, FootersThatContradictThemselvesAreRefused) {
    const auto refused = [](const ObjectFooter& footer, std::uint64_t footer_begin) {
        const ByteBuffer end = encode_object_end(footer, footer_begin);
        const auto trailer = decode_object_trailer(end.view().last(kObjectTrailerBytes));
        return !trailer || !decode_object_footer(end.view().first(end.size() - kObjectTrailerBytes), *trailer);
    };
    const StoredSegment segment{7, "s/t/0"};
    EXPECT_FALSE(refused({{segment}, {{7, 0, 64, 2, 1}}}, 66));
    EXPECT_TRUE(refused({{segment}, {{8, 0, 64, 2, 1}}}, 66));             // a segment that is not listed
    EXPECT_TRUE(refused({{segment}, {{7, -1, 64, 2, 1}}}, 66));            // before the segment's start
    EXPECT_TRUE(refused({{segment}, {{7, 0, 65, 2, 1}}}, 67));             // a gap
    EXPECT_TRUE(refused({{segment}, {{7, 0, 64, 2, 1}}}, 67));             // the footer elsewhere
    EXPECT_TRUE(refused({{segment}, {{7, 0, 64, 0, 1}}}, 64));             // nothing
    EXPECT_TRUE(refused({{segment}, {{7, 0, 64, 1024 * 1024 + 1, 1}}}, 64 + 1024 * 1024 + 1));
    EXPECT_TRUE(refused({{segment, {7, "twice"}}, {{7, 0, 64, 2, 1}}}, 66));
}

class DataObject : public ::testing::Test {
protected:
    DataObject() {
        world.run([&]() -> Task<void> {
            EXPECT_TRUE((co_await storage::FileStorage::format(node.runtime(), "/lts")).ok());
            auto opened = co_await storage::FileStorage::open(node.runtime(), "/lts");
            EXPECT_TRUE(opened.ok());
            storage = std::move(*opened);
        });
    }
    static ByteBuffer pattern(std::size_t size, int seed) {
        ByteBuffer bytes;
        bytes.resize(size);
        SeededRandom{static_cast<std::uint64_t>(seed)}.fill(bytes.mutable_view());
        return bytes;
    }

    sim::World world{1};
    sim::Node& node = world.add_node("a");
    std::unique_ptr<storage::FileStorage> storage;
};

TEST_F(DataObject, GivesBackWhatWasPutIn) {
    const ByteBuffer first = pattern(2'500'000, 1);
    const ByteBuffer second = pattern(10, 2);
    world.run([&]() -> Task<void> {
        auto writer = co_await DataObjectWriter::create(*storage, kObject);
        EXPECT_TRUE(writer.ok());
        std::vector<Bytes> pieces{Bytes::copy_of(first.view().first(100)), Bytes::copy_of(first.view().subspan(100, 1'999'900))};
        EXPECT_TRUE((co_await (*writer)->add(7, "s/t/0", 1000, std::move(pieces))).ok());
        std::vector<Bytes> more{Bytes::copy_of(first.view().subspan(2'000'000))};
        EXPECT_TRUE((co_await (*writer)->add(7, "s/t/0", 2'001'000, std::move(more))).ok());
        std::vector<Bytes> other{Bytes::copy_of(second.view())};
        EXPECT_TRUE((co_await (*writer)->add(9, "s/t/1", 0, std::move(other))).ok());
        const auto footer = co_await (*writer)->finish();
        EXPECT_TRUE(footer.ok());
        EXPECT_EQ(footer->segments.size(), 2u);
        EXPECT_EQ(footer->extents.size(), 4u);  // three of at most 1 MiB, one small

        const auto read = co_await read_footer(*storage, kObject);
        EXPECT_TRUE(read.ok()) << read.error().to_string();
        EXPECT_EQ(*read, *footer);
        ByteBuffer joined;
        for (const StoredExtent& extent : footer->extents) {
            const auto bytes = co_await read_extent(*storage, kObject, extent);
            EXPECT_TRUE(bytes.ok());
            if (extent.segment == 7) {
                EXPECT_EQ(extent.offset, 1000 + static_cast<std::int64_t>(joined.size()));
                joined.append(bytes->view());
            } else {
                EXPECT_TRUE(std::ranges::equal(bytes->view(), second));
            }
        }
        EXPECT_TRUE(std::ranges::equal(joined, first));
    });
}

TEST_F(DataObject, DamageIsNoticedAndNamed) {
    ObjectFooter footer;
    world.run([&]() -> Task<void> {
        auto writer = co_await DataObjectWriter::create(*storage, kObject);
        std::vector<Bytes> pieces{Bytes{pattern(10'000, 3)}};
        EXPECT_TRUE((co_await (*writer)->add(7, "s/t/0", 0, std::move(pieces))).ok());
        footer = *co_await (*writer)->finish();
    });
    const std::string path = "/lts/" + kObject.to_string();
    const auto image = node.disk().contents(path);
    const auto check = [&](std::string_view word) {
        world.run([&]() -> Task<void> {
            const auto listed = co_await read_footer(*storage, kObject);
            const auto bytes = co_await read_extent(*storage, kObject, footer.extents.front());
            EXPECT_TRUE(!listed || !bytes);
            const Error& error = !listed ? listed.error() : bytes.error();
            EXPECT_TRUE(error.is(ErrorCode::kCorrupt)) << error.to_string();
            EXPECT_NE(error.detail().find(kObject.to_string()), std::string::npos) << error.detail();
            EXPECT_NE(error.detail().find(word), std::string::npos) << error.detail();
        });
    };
    for (const auto& [offset, word] : {std::pair{5ul, "header"}, {5'000ul, "checksum"}, {10'070ul, "footer"},
                                       {image.size() - 60, "trailer"}}) {
        node.disk().overwrite(path, 0, image.view());
        node.disk().flip(path, offset, 4);
        check(word);
    }
    node.disk().overwrite(path, 0, image.view());
    node.disk().cut(path, 6'000);
    check("object");
}

}  // namespace
}  // namespace millrace::tiering
