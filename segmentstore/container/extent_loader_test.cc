// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/extent_loader.h"

#include <gtest/gtest.h>

#include <string>

#include "common/base/crc32c.h"
#include "segmentstore/container/fake_storage.h"
#include "tests/sim/world.h"

namespace millrace::container {
namespace {

using namespace std::chrono_literals;

constexpr ContainerId kContainer{3};
constexpr ObjectId kObject{OwnerEpoch{2}, 7};
constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::size_t kExtents = 40;

// One segment of 40 extents of 1 MiB, all in one object.
class ExtentLoaderTest : public ::testing::Test {
protected:
    ExtentLoaderTest() {
        ByteBuffer object;
        for (std::size_t i = 0; i < kExtents; ++i) {
            const std::string bytes(kMiB, static_cast<char>('a' + i % 26));
            map.add({kObject, static_cast<std::int64_t>(i * kMiB), i * kMiB, kMiB, crc32c(as_bytes(bytes))});
            object.append(as_bytes(bytes));
        }
        storage.put({kContainer, kObject.epoch, kObject.sequence}, Bytes{std::move(object)});
    }
    ~ExtentLoaderTest() override {
        storage.hold_reads(false);
        (void)world.run([&]() -> Task<Result<void>> {
            co_await gate.close();
            co_return ok();
        });
    }

    const TieredExtent& extent(std::size_t number) const { return map.extents()[number]; }
    // Begins to load it, and answers where the result will be.
    std::shared_ptr<std::optional<Result<Bytes>>> begin(std::size_t number) {
        auto result = std::make_shared<std::optional<Result<Bytes>>>();
        gate.spawn(node.runtime().executor, [this, number, result]() -> Task<void> {
            result->emplace(co_await loader.load(map, extent(number)));
        });
        settle();
        return result;
    }
    Bytes load(std::size_t number) {
        const auto result = begin(number);
        if (!*result || !**result) return {};
        return (*result)->value();
    }
    // Everything that can happen by itself has happened.
    void settle() { world.run_for(1ms); }

    sim::World world{1};
    sim::Node& node = world.add_node("a");
    storage::FakeStorage storage;
    TieredMap map;
    DataCache cache{256 * kMiB};
    Gate gate;
    ExtentLoader loader{node.runtime().executor, kContainer, cache, &storage, gate};
};

TEST_F(ExtentLoaderTest, WhoReadsOnFindsWhatFollowsInMemory) {
    EXPECT_EQ(load(0).view().front(), std::byte{'a'});
    EXPECT_EQ(storage.reads(), 4u) << "the first, and three ahead";
    for (std::size_t i = 1; i < 20; ++i) {
        storage.hold_reads(true);
        EXPECT_EQ(load(i).view().front(), static_cast<std::byte>('a' + i)) << "nothing had to be waited for";
        storage.hold_reads(false);
        settle();
    }
    EXPECT_EQ(storage.reads(), 23u) << "each once";
}

TEST_F(ExtentLoaderTest, WhoReadsHereAndThereGetsNothingElse) {
    for (const std::size_t number : {20u, 5u, 30u, 11u}) EXPECT_FALSE(load(number).empty());
    EXPECT_EQ(storage.reads(), 4u);
    EXPECT_FALSE(load(12).empty());
    EXPECT_EQ(storage.reads(), 8u) << "now he reads on";
}

TEST_F(ExtentLoaderTest, TheReaderComesBeforeWhatIsReadAheadAndSharesIt) {
    storage.hold_reads(true);
    const auto first = begin(0);
    EXPECT_EQ(storage.reads_under_way(), 4u);
    const auto second = begin(1);
    const auto again = begin(0);
    EXPECT_EQ(storage.reads_under_way(), 4u) << "the second is one of those ahead";
    EXPECT_FALSE(*first || *second || *again);
    storage.hold_reads(false);
    settle();
    ASSERT_TRUE(*first && *second && *again);
    EXPECT_EQ((*second)->value().view().front(), std::byte{'b'});
    EXPECT_EQ((*again)->value().view().data(), (*first)->value().view().data());
}

TEST_F(ExtentLoaderTest, WhatIsReadAheadOfManyIsBounded) {
    storage.hold_reads(true);
    for (std::size_t i = 0; i < kExtents / 4; ++i) {
        // Each begins where somebody has read before.
        cache.keep_read({kContainer, kObject.epoch, kObject.sequence, extent(4 * i).position}, Bytes::copy_of(as_bytes("x")));
    }
    std::size_t readers = 0;
    for (std::size_t i = 0; i < kExtents / 4; ++i, ++readers) (void)begin(4 * i + 1);
    EXPECT_EQ(storage.reads_under_way(), readers + 16) << "half of 32 MiB";
    storage.hold_reads(false);
    settle();
    EXPECT_FALSE(cache.share_for_ahead(1)) << "all of it is kept for readers that have not come";
    EXPECT_FALSE(load(2).empty());
    EXPECT_TRUE(cache.share_for_ahead(kMiB));
}

TEST_F(ExtentLoaderTest, OfSmallExtentsOnlyAFewAreReadAhead) {
    map = {};
    const std::uint32_t crc = crc32c(as_bytes(std::string(100, 'a')));
    for (std::size_t i = 0; i < 10'000; ++i) map.add({kObject, static_cast<std::int64_t>(i * 100), i * 100, 100, crc});
    storage.hold_reads(true);
    (void)begin(0);
    EXPECT_EQ(storage.reads_under_way(), 1 + ExtentLoader::kAheadExtents);
}

TEST_F(ExtentLoaderTest, DamageAheadHarmsOnlyWhoReadsIt) {
    TieredMap damaged;
    for (std::size_t i = 0; i < kExtents; ++i) {
        TieredExtent each = extent(i);
        if (i == 2) each.crc ^= 1;
        damaged.add(each);
    }
    map = damaged;
    EXPECT_FALSE(load(0).empty());
    EXPECT_FALSE(load(1).empty());
    const auto third = begin(2);
    ASSERT_TRUE(*third);
    EXPECT_TRUE((*third)->error().is(ErrorCode::kCorrupt)) << (*third)->error().to_string();
    EXPECT_FALSE(load(3).empty());
}

TEST_F(ExtentLoaderTest, WithoutAStorageThereIsNothingToLoad) {
    ExtentLoader none{node.runtime().executor, kContainer, cache, nullptr, gate};
    const Result<Bytes> result = world.run([&] { return none.load(map, extent(0)); });
    EXPECT_TRUE(result.error().is(ErrorCode::kUnavailable));
}

}  // namespace
}  // namespace millrace::container
