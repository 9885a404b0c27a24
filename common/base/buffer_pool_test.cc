// SPDX-License-Identifier: Apache-2.0
#include "common/base/buffer_pool.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

namespace millrace {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

TEST(BufferPool, GivesTheSmallestClassThatIsLargeEnough) {
    for (const auto& [asked, given] : {std::pair<std::size_t, std::size_t>{1, 4096}, {4096, 4096}, {4097, 8192},
                                       {65'536, 65'536}, {65'537, 131'072}, {16 * kMiB, 16 * kMiB},
                                       {16 * kMiB + 1, 17 * kMiB}, {17 * kMiB, 17 * kMiB}}) {
        EXPECT_EQ(BufferPool::class_bytes(asked), given) << asked;
        BufferPool pool;
        EXPECT_EQ(pool.take(asked).size(), given);
    }
}

TEST(BufferPool, GivesMemoryAgainOnceItIsFree) {
    BufferPool pool;
    const std::byte* first = nullptr;
    {
        PooledBuffer buffer = pool.take(5000);
        first = buffer.data();
        const PooledBuffer other = pool.take(5000);
        EXPECT_NE(other.data(), first);
        EXPECT_EQ(pool.stats().taken_bytes, 2u * 8192);
    }
    EXPECT_EQ(pool.stats().taken_bytes, 0u);
    EXPECT_EQ(pool.stats().idle_bytes, 2u * 8192);
    const PooledBuffer again = pool.take(6000);
    EXPECT_EQ(pool.stats().made, 2u);
    EXPECT_EQ(pool.stats().reused, 1u);
}

TEST(BufferPool, ReturnsASharedBufferAfterItsLastSlice) {
    BufferPool pool;
    PooledBuffer buffer = pool.take(4096);
    buffer.data()[10] = std::byte{42};
    std::optional<Bytes> slice;
    {
        const Bytes all = std::move(buffer).share(20);
        EXPECT_FALSE(buffer);
        EXPECT_EQ(all.size(), 20u);
        slice = all.slice(10, 1);
    }
    EXPECT_EQ(pool.stats().taken_bytes, 4096u);
    EXPECT_EQ(slice->view()[0], std::byte{42});
    slice.reset();
    EXPECT_EQ(pool.stats().taken_bytes, 0u);
    EXPECT_EQ(pool.stats().idle_bytes, 4096u);
}

TEST(BufferPool, AlignsForDirectIoWhereAsked) {
    BufferPool pool{BufferPoolOptions{.alignment = 4096}};
    for (const std::size_t size : {std::size_t{1}, std::size_t{5000}, std::size_t{70'000}, 17 * kMiB}) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pool.take(size).data()) % 4096, 0u) << size;
    }
}

TEST(BufferPool, KeepsNoMoreIdleThanItsBound) {
    BufferPool pool{BufferPoolOptions{.idle_bytes_max = 3 * 4096}};
    {
        std::vector<PooledBuffer> buffers;
        for (int i = 0; i < 10; ++i) buffers.push_back(pool.take(1));
    }
    EXPECT_EQ(pool.stats().idle_bytes, 3u * 4096);
}

TEST(BufferPool, RefusesBeyondItsBoundAndFreesIdleMemoryOfOtherSizesFirst) {
    BufferPool pool{BufferPoolOptions{.bytes_max = 64 * 1024}};
    { const PooledBuffer large = pool.take(64 * 1024); }
    EXPECT_EQ(pool.stats().idle_bytes, 64u * 1024);
    std::vector<PooledBuffer> small;
    for (int i = 0; i < 16; ++i) {
        small.push_back(pool.take(4096));
        EXPECT_TRUE(small.back()) << i;
        EXPECT_LE(pool.stats().taken_bytes + pool.stats().idle_bytes, 64u * 1024);
    }
    EXPECT_FALSE(pool.take(1));
    small.pop_back();
    EXPECT_TRUE(pool.take(1));
}

TEST(BufferPool, MayEndBeforeItsBuffers) {
    std::optional<BufferPool> pool{std::in_place};
    PooledBuffer owned = pool->take(4096);
    Bytes shared = pool->take(4096).share(100);
    pool.reset();
    owned.data()[0] = std::byte{1};
    EXPECT_EQ(shared.size(), 100u);
}

// Slices of one thread's buffers end on another, which writes nothing but frees all.
TEST(BufferPool, TakesBackFromOtherThreads) {
    constexpr int kRounds = 2000;
    BufferPool pool{BufferPoolOptions{.idle_bytes_max = 64 * 4096}};
    std::vector<Bytes> handed;
    for (int round = 0; round < kRounds; ++round) {
        PooledBuffer buffer = pool.take(4096);
        buffer.data()[0] = static_cast<std::byte>(round);
        handed.push_back(std::move(buffer).share(1));
        if (handed.size() < 16) continue;
        std::size_t wrong = 0;
        const int first = round - 15;
        std::thread other{[&wrong, first, slices = std::exchange(handed, {})] {
            for (std::size_t i = 0; i < slices.size(); ++i) {
                wrong += slices[i].view()[0] == static_cast<std::byte>(static_cast<std::size_t>(first) + i) ? 0 : 1;
            }
        }};
        const PooledBuffer meanwhile = pool.take(4096);
        other.join();
        EXPECT_EQ(wrong, 0u);
    }
    handed.clear();
    EXPECT_EQ(pool.stats().taken_bytes, 0u);
    EXPECT_LE(pool.stats().idle_bytes, 64u * 4096);
    EXPECT_GT(pool.stats().reused, pool.stats().made);
}

TEST(BufferPoolDeathTest, RefusesSizesItHasNoClassFor) {
    BufferPool pool;
    EXPECT_DEATH((void)pool.take(0), "check failed");
    EXPECT_DEATH((void)pool.take(BufferPool::kLargestClass + 1), "check failed");
    PooledBuffer buffer = pool.take(1);
    EXPECT_DEATH((void)std::move(buffer).share(4097), "check failed");
}

}  // namespace
}  // namespace millrace
