// SPDX-License-Identifier: Apache-2.0
//
// A container that moves its bytes to long-term storage, step by step. Crashes between any two of the steps are the
// simulated workload's business.
#include <gtest/gtest.h>

#include "segmentstore/container/container_fixture.h"
#include "segmentstore/container/fake_storage.h"

namespace millrace::container {
namespace {

class ContainerTieringTest : public ContainerTest {
protected:
    void SetUp() override {
        options.storage = &storage;
        options.tiering.window_bytes = 4096;
        options.tiering.max_age = 1h;
        ASSERT_TRUE(open().ok());
        create();
        handle = std::move(container->setup_append(kName, writer_id(1)).handle);
    }
    void TearDown() override {
        storage.hold(false);
        ContainerTest::TearDown();
    }
    // Appends and waits; `expected` grows with it.
    void add(std::string_view data) {
        expected += data;
        const AppendOutcome outcome = append(handle, ++last_event, data);
        ASSERT_EQ(outcome.status, Status::kOk);
        ASSERT_TRUE(commits(outcome.depends_on));
    }
    bool snapshots(std::uint64_t count) {
        return world.run_until([this, count] { return container->counts().snapshots >= count; }, 60s);
    }
    std::string block(char letter) const { return std::string(5000, letter); }

    storage::FakeStorage storage;
    WriterHandle handle;
    std::int64_t last_event = 0;
    std::string expected;
};

TEST_F(ContainerTieringTest, AWindowGoesToStorageAndTheLogIsTruncatedBehindIt) {
    add(block('a'));
    add("b");
    ASSERT_TRUE(snapshots(1));
    EXPECT_EQ(storage.objects().size(), 2u) << "data and snapshot";
    EXPECT_GT(disk.first, log::Index{1});
    EXPECT_FALSE(disk.anchor.empty());
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(), expected);
    EXPECT_EQ(container->setup_append(kName, writer_id(1)).last_event_number, last_event);
}

TEST_F(ContainerTieringTest, WhatIsOldEnoughGoesThoughItIsLittle) {
    add("little");
    world.run_for(59min);
    EXPECT_EQ(container->counts().windows, 0u);
    world.run_for(2min);
    EXPECT_EQ(container->counts().windows, 1u);
    // And then nothing, however long nobody writes.
    const std::uint64_t snapshots_then = container->counts().snapshots;
    world.run_for(5h);
    EXPECT_EQ(container->counts().windows, 1u);
    EXPECT_EQ(container->counts().snapshots, snapshots_then);
}

TEST_F(ContainerTieringTest, WhenTheLogNeedsRoomItMovesWhateverThereIs) {
    add("little");
    const log::Index before = disk.first;
    container->tier_now();
    ASSERT_TRUE(snapshots(1));
    EXPECT_GT(disk.first, before);
    // What tiering itself has written since keeps the log as well, and goes when it is asked for again.
    const log::Index after = disk.first;
    world.run_for(10min);
    EXPECT_EQ(disk.first, after);
    container->tier_now();
    ASSERT_TRUE(snapshots(2));
    EXPECT_GT(disk.first, after);
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(), expected);
}

TEST(AdmissionCredits, LeaveRoomInTheLog) {
    AdmissionCredits credits{1000};
    std::uint64_t room = 500;
    credits.limit_log([&room] { return room; }, 200);
    EXPECT_TRUE(credits.available());
    credits.take(300);
    EXPECT_FALSE(credits.available());
    EXPECT_TRUE(credits.reserve_available());
    credits.take(100);
    EXPECT_FALSE(credits.reserve_available());
    room = 700;
    EXPECT_TRUE(credits.available());
    credits.give_back(400);
}

TEST_F(ContainerTieringTest, ATruncationWhileItsBytesAreWrittenLosesNothingElse) {
    storage.hold(true);
    for (char letter = 'a'; letter < 'h'; ++letter) add(std::string(600'000, letter));
    ASSERT_TRUE(world.run_until([this] { return storage.held() > 0; }, 10s));
    const std::int64_t start = 2'500'000;
    const TruncateOutcome truncated = container->truncate(kName, start);
    ASSERT_EQ(truncated.status, Status::kOk);
    ASSERT_TRUE(commits(truncated.depends_on));
    storage.hold(false);
    ASSERT_TRUE(world.run_until([this] { return container->counts().windows > 0; }, 10s));
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(start), expected.substr(start));
}

TEST_F(ContainerTieringTest, ADeletionWhileItsBytesAreWrittenLeavesNoObject) {
    storage.hold(true);
    add(block('a'));
    ASSERT_TRUE(world.run_until([this] { return storage.held() > 0; }, 10s));
    const Outcome removed = container->remove(kName);
    ASSERT_TRUE(commits(removed.depends_on));
    storage.hold(false);
    ASSERT_TRUE(snapshots(1));
    ASSERT_TRUE(world.run_until([this] { return storage.objects().size() == 1; }, 10s));  // the snapshot
}

TEST_F(ContainerTieringTest, AFailedSnapshotIsTriedAgainThoughNobodyWrites) {
    storage.refuse(3, 1);  // the data is accepted, the snapshot is not
    add(block('a'));
    ASSERT_TRUE(snapshots(1));
    EXPECT_EQ(container->counts().windows, 1u);
    EXPECT_GT(disk.first, log::Index{1});
}

TEST_F(ContainerTieringTest, AFailedObjectIsWrittenAnewUnderAnotherName) {
    storage.refuse(2);
    add(block('a'));
    ASSERT_TRUE(snapshots(1));
    EXPECT_EQ(container->counts().windows, 1u);
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(), expected);
}

TEST_F(ContainerTieringTest, StateInStorageWithoutThatStorageIsAnError) {
    add(block('a'));
    ASSERT_TRUE(snapshots(1));
    close();
    options.storage = nullptr;
    const Result<void> opened = open();
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), ErrorCode::kFailedPrecondition);
    EXPECT_NE(opened.error().detail().find("long-term storage"), std::string::npos);
}

TEST_F(ContainerTieringTest, ADamagedSnapshotIsToldAndNotUsed) {
    add(block('a'));
    ASSERT_TRUE(snapshots(1));
    close();
    disk.anchor = Bytes::copy_of(std::string(disk.anchor.size(), '\x01'));
    const Result<void> opened = open();
    ASSERT_FALSE(opened.ok());
}

}  // namespace
}  // namespace millrace::container
