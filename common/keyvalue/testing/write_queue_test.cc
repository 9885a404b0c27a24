// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/write_queue.h"

#include <gtest/gtest.h>

#include "common/runtime/gate.h"
#include "tests/sim/world.h"

namespace millrace::keyvalue {
namespace {

WriteBatch batch_of(std::string_view key, std::size_t value_bytes = 0) {
    WriteBatch batch;
    batch.put(key, std::string(value_bytes, 'v'));
    return batch;
}

TEST(EndOfPrefix, IsAboveAllThatBeginWithIt) {
    EXPECT_EQ(end_of_prefix("ab"), "ac");
    EXPECT_EQ(end_of_prefix("a\xff\xff"), "b");
    EXPECT_EQ(end_of_prefix("\xff"), "");
    EXPECT_EQ(end_of_prefix(""), "");
}

TEST(WriteBatch, KeepsItsChangesInOrder) {
    WriteBatch batch;
    batch.put("a", "1");
    batch.remove("b");
    batch.remove_range("c", "d");
    batch.remove_range("d", "d");
    WriteBatch more;
    more.put("e", "");
    batch.append(more);
    std::string seen;
    batch.for_each([&seen](WriteBatch::Kind kind, std::string_view key, std::string_view value) {
        seen += std::to_string(static_cast<int>(kind));
        seen.append(key).append("=").append(value).append(" ");
    });
    EXPECT_EQ(seen, "0a=1 1b= 2c=d 0e= ");
    EXPECT_EQ(batch.count(), 4U);
    EXPECT_EQ(batch.bytes(), 6U);
}

struct QueueTest : testing::Test {
    sim::World world{1};
    sim::Node& node = world.add_node("n");
    std::vector<std::size_t> groups;
    bool synced = false;
    OneShot<bool> go;
    Gate gate;
    WriteQueue queue{node.runtime().executor, [this](std::shared_ptr<const WriteQueue::Group> group) -> Task<Result<void>> {
                         groups.push_back(group->batches.size());
                         synced = group->synced;
                         if (groups.size() == 1) (void)co_await go.wait();
                         co_return ok();
                     }};

    void write(WriteBatch batch, Durability durability, std::shared_ptr<std::vector<ErrorCode>> results) {
        gate.spawn(node.runtime().executor, [this, batch = std::move(batch), durability, results]() mutable -> Task<void> {
            const Result<void> result = co_await queue.write(std::move(batch), durability);
            results->push_back(result.ok() ? ErrorCode{} : result.error().code());
        });
    }
    void finish() {
        go.set(true);
        world.run([this] { return gate.close(); });
    }
};

TEST_F(QueueTest, WhatWaitsGoesDownTogether) {
    const auto results = std::make_shared<std::vector<ErrorCode>>();
    write(batch_of("a"), Durability::kBuffered, results);
    ASSERT_TRUE(world.run_until([this] { return groups.size() == 1; }, std::chrono::seconds{1}));
    for (int i = 0; i < 5; ++i) write(batch_of("b"), i == 2 ? Durability::kSynced : Durability::kBuffered, results);
    finish();
    EXPECT_EQ(groups, (std::vector<std::size_t>{1, 5}));
    EXPECT_TRUE(synced);
    EXPECT_EQ(results->size(), 6U);
    EXPECT_EQ(queue.batches(), 6U);
}

TEST_F(QueueTest, SettledMeansAllBefore) {
    const auto results = std::make_shared<std::vector<ErrorCode>>();
    write(batch_of("a"), Durability::kBuffered, results);
    write(batch_of("b"), Durability::kBuffered, results);
    ASSERT_TRUE(world.run_until([this] { return groups.size() == 1; }, std::chrono::seconds{1}));
    auto settled = std::make_shared<bool>(false);
    gate.spawn(node.runtime().executor, [this, settled]() -> Task<void> {
        co_await queue.settled();
        *settled = true;
    });
    world.run_for(std::chrono::seconds{1});
    EXPECT_FALSE(*settled);
    finish();
    EXPECT_TRUE(*settled);
}

TEST_F(QueueTest, RefusesWhenTooMuchWaits) {
    const auto results = std::make_shared<std::vector<ErrorCode>>();
    write(batch_of("a"), Durability::kBuffered, results);
    ASSERT_TRUE(world.run_until([this] { return groups.size() == 1; }, std::chrono::seconds{1}));
    WriteBatch large;
    for (int i = 0; i < 5; ++i) large.put(std::to_string(i), std::string(kValueBytesMax, 'v'));
    write(std::move(large), Durability::kBuffered, results);  // alone, whatever its size
    write(batch_of("b"), Durability::kBuffered, results);
    world.run_for(std::chrono::milliseconds{1});
    EXPECT_EQ(*results, std::vector<ErrorCode>{ErrorCode::kUnavailable});
    finish();
    EXPECT_EQ(results->size(), 3U);
    EXPECT_EQ(queue.batches(), 2U);
}

}  // namespace
}  // namespace millrace::keyvalue
