// SPDX-License-Identifier: Apache-2.0
#include "common/base/fifo.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <string>

namespace millrace {
namespace {

TEST(Fifo, IsADeque) {
    std::mt19937 chance{7};
    Fifo<std::string> fifo;
    std::deque<std::string> expected;
    for (int i = 0; i < 100'000; ++i) {
        // Long stretches of growth and of decline.
        if (chance() % 100 < (i / 10'000 % 2 == 0 ? 60u : 40u)) {
            const std::string value = std::to_string(i) + " and more than a string keeps inside";
            fifo.push_back(value);
            expected.push_back(value);
        } else if (!expected.empty()) {
            ASSERT_EQ(fifo.take_front(), expected.front());
            expected.pop_front();
        }
        ASSERT_EQ(fifo.size(), expected.size());
        if (expected.empty()) continue;
        ASSERT_EQ(fifo.front(), expected.front());
        ASSERT_EQ(fifo.back(), expected.back());
        const std::size_t some = chance() % expected.size();
        ASSERT_EQ(fifo[some], expected[some]);
    }
}

TEST(Fifo, KeepsItsMemoryWhileItIsInUse) {
    Fifo<int> fifo;
    for (int i = 0; i < 1'000'000; ++i) fifo.push_back(i);
    const std::size_t capacity = fifo.capacity();
    for (int i = 0; i < 999'999; ++i) fifo.pop_front();
    EXPECT_EQ(fifo.capacity(), capacity);
    EXPECT_EQ(fifo.front(), 999'999);
    fifo.pop_front();
    EXPECT_EQ(fifo.capacity(), 0u);
}

TEST(Fifo, KeepsALittleWhenItIsEmpty) {
    Fifo<int> fifo;
    fifo.push_back(1);
    fifo.pop_front();
    EXPECT_GT(fifo.capacity(), 0u);
}

TEST(Fifo, DestroysEachValueOnce) {
    const auto value = std::make_shared<int>(1);
    {
        Fifo<std::shared_ptr<int>> fifo;
        for (int i = 0; i < 100; ++i) fifo.push_back(value);
        EXPECT_EQ(value.use_count(), 101);
        for (int i = 0; i < 40; ++i) fifo.pop_front();
        EXPECT_EQ(value.use_count(), 61);
        for (int i = 0; i < 20; ++i) fifo.push_back(value);
        fifo.clear();
        EXPECT_EQ(value.use_count(), 1);
        fifo.push_back(value);
    }
    EXPECT_EQ(value.use_count(), 1);
}

}  // namespace
}  // namespace millrace
