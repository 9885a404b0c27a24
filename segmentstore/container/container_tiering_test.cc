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

TEST_F(ContainerTieringTest, WhatTheCacheWillNotKeepMovesBeforeItsWindowIsFull) {
    close();
    options.tiering.window_bytes = 1 << 30;
    ASSERT_TRUE(open().ok());
    DataCache& cache = *caches.back();
    const std::size_t replay_reads = log->reads();
    handle = std::move(container->setup_append(kName, writer_id(1)).handle);
    const std::size_t share = cache.budget() / 4;
    const std::string piece(1 << 20, 'p');
    while (expected.size() + piece.size() < share) add(piece);
    world.run_for(1s);
    EXPECT_EQ(container->counts().windows, 0u);
    add(piece);
    ASSERT_TRUE(snapshots(1));
    EXPECT_EQ(container->counts().windows, 1u);
    EXPECT_EQ(log->reads(), replay_reads) << "all of it came from memory";
    // What others gather counts, and the least of all has time.
    expected.clear();
    cache.gathered(0, 4 * share);
    for (int i = 0; i < 3; ++i) add(piece);
    world.run_for(1s);
    EXPECT_EQ(container->counts().windows, 1u);
    cache.gathered(4 * share, 0);
}

TEST(DataCache, IsBackloggedWhileWhatMovesIsMoreThanItKeeps) {
    DataCache cache{16 << 20};
    const MonotonicTime now{1s};
    const std::uint64_t more = 13 << 20, less = 12 << 20, difference = 1 << 20;
    cache.gathered(0, more);
    EXPECT_FALSE(cache.backlogged(now, 0)) << "nothing moves";
    {
        DataCache::Move move{cache, now};
        EXPECT_TRUE(cache.backlogged(now, 0));
        EXPECT_FALSE(cache.backlogged(now + 2s, 0)) << "nor does it with a storage that hangs";
        move.moved(0, now + 2s);
        EXPECT_TRUE(cache.backlogged(now + 3s, 0));
        cache.gathered(more, less);
        EXPECT_FALSE(cache.backlogged(now + 3s, 0));
        EXPECT_TRUE(cache.backlogged(now + 3s, difference)) << "what has been admitted comes, too";
        cache.gathered(less, more);
        EXPECT_TRUE(cache.backlogged(now + 3s, 0));
        move.moved(difference, now + 3s);
        EXPECT_FALSE(cache.backlogged(now + 3s, 0)) << "what has been handed over is not waited for twice";
    }
    EXPECT_FALSE(cache.backlogged(now + 3s, 0));
    {
        const DataCache::Move next{cache, now};
        EXPECT_TRUE(cache.backlogged(now, 0)) << "a move that ended without its window has moved nothing";
    }
    cache.gathered(more, 0);
}

TEST_F(ContainerTieringTest, AWindowGoesWithPausesUnlessItIsAskedFor) {
    close();
    options.tiering.window_bytes = 4 << 20;
    ASSERT_TRUE(open().ok());
    handle = std::move(container->setup_append(kName, writer_id(1)).handle);
    const std::string piece(1 << 20, 'p');
    for (int i = 0; i < 4; ++i) add(piece);
    world.run_for(150ms);
    EXPECT_EQ(container->counts().windows, 0u);
    world.run_for(600ms);
    EXPECT_EQ(container->counts().windows, 1u);
    for (int i = 0; i < 4; ++i) add(piece);
    world.run_for(50ms);
    EXPECT_EQ(container->counts().windows, 1u);
    container->tier_now();
    world.run_for(50ms);
    EXPECT_GE(container->counts().windows, 2u) << "also when it is asked for in the middle";
}

TEST(DataCache, LetsWhatMovesPauseWhileThereIsRoom) {
    DataCache cache{16 << 20};
    cache.gathered(0, 4 << 20);
    DataCache::Move move{cache, MonotonicTime{1s}};
    EXPECT_FALSE(move.is_urgent());
    EXPECT_EQ(move.pause(256 << 10), 15'625us) << "a sixteenth of the time for a sixteenth of what is gathered";
    EXPECT_EQ(move.pause(4 << 20), DataCache::kPauseMax);
    {
        const DataCache::Move other{cache, MonotonicTime{1s}};
        EXPECT_EQ(move.pause(128 << 10), 15'625us) << "two share the disk";
    }
    cache.gathered(4 << 20, 8 << 20);
    EXPECT_TRUE(move.is_urgent());
    cache.gathered(8 << 20, 2 << 20);
    EXPECT_TRUE(move.is_urgent()) << "a bulk load does not begin to pause with each window";
    cache.gathered(2 << 20, 1 << 20);
    EXPECT_FALSE(move.is_urgent());
    cache.gathered(1 << 20, 0);
    EXPECT_EQ(move.pause(1), 0us);
}

TEST(DataCache, OfWhatIsInLongTermStorageTheOldestGoes) {
    DataCache cache{4 << 20};
    SegmentCache segment{cache};
    const Bytes block = Bytes::copy_of(as_bytes(std::string(SegmentCache::kMaxBlock, 'x')));
    const auto size = static_cast<std::int64_t>(block.size());
    const std::int64_t blocks = (4 << 20) / size;
    const auto key = [](std::uint64_t number) { return DataCache::ReadKey{ContainerId{1}, OwnerEpoch{}, number}; };
    cache.keep_read(key(1), block);
    for (std::int64_t i = 0; i < blocks - 1; ++i) segment.append(i * size, block);
    segment.moved_before(2 * size);
    // It is full. What was read before those blocks moved goes first, what was read after them stays.
    cache.keep_read(key(2), block);
    EXPECT_FALSE(cache.has_read(key(1)));
    EXPECT_EQ(segment.find(0, 1).size(), 1u);
    for (std::int64_t i = blocks - 1; i < blocks + 1; ++i) segment.append(i * size, block);
    EXPECT_TRUE(cache.has_read(key(2)));
    EXPECT_TRUE(segment.find(size, 1).empty());
    // What has not moved would have to be read from the log.
    segment.append((blocks + 1) * size, block);
    EXPECT_FALSE(cache.has_read(key(2)));
    EXPECT_EQ(segment.find(2 * size, 1).size(), 1u);
}

TEST(DataCache, GivesUpWhatHasMovedBeforeWhatIsOlder) {
    DataCache cache{1 << 20};
    SegmentCache waits{cache}, moves{cache};
    const Bytes block = Bytes::copy_of(as_bytes(std::string(SegmentCache::kMaxBlock, 'x')));
    const auto size = static_cast<std::int64_t>(block.size());
    waits.append(0, block);
    for (int i = 0; i < 3; ++i) moves.append(i * size, block);
    moves.moved_before(2 * size + size / 2);  // not the last block, which is not wholly before it
    waits.append(size, block);
    waits.append(2 * size, block);
    EXPECT_EQ(waits.find(0, 1).size(), 1u);
    EXPECT_TRUE(moves.find(0, 1).empty() && moves.find(size, 1).empty());
    EXPECT_EQ(moves.find(2 * size, 1).size(), 1u);
    // Nothing has moved: the oldest goes.
    waits.append(3 * size, block);
    EXPECT_TRUE(waits.find(0, 1).empty());
    EXPECT_EQ(moves.find(2 * size, 1).size(), 1u);
    waits.moved_before(4 * size);
    waits.drop_before(2 * size);
    moves.clear();
    EXPECT_EQ(cache.bytes(), 2 * SegmentCache::kMaxBlock);
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

TEST_F(ContainerTieringTest, AnObjectOfUnknownFateGoesThoughNothingIsWrittenInItsPlace) {
    storage.deny(1);
    add(block('a'));
    ASSERT_TRUE(world.run_until([this] { return storage.objects().size() == 1; }, 10s));
    ASSERT_TRUE(commits(container->remove(kName).depends_on));
    ASSERT_TRUE(snapshots(1));
    ASSERT_TRUE(world.run_until([this] { return storage.objects().size() == 1; }, 10s));
    EXPECT_EQ(storage.objects().begin()->first.sequence, container->anchored_snapshot()->sequence);
}

class SharedTieringTest : public ContainerTieringTest {
protected:
    SharedTieringTest() { disk.exclusive = false; }
};

TEST_F(SharedTieringTest, WhoWasReplacedMakesNoObjectVisible) {
    storage.hold(true);
    add(block('a'));
    ASSERT_TRUE(world.run_until([this] { return storage.held() > 0; }, 10s));
    log->set_fenced(true);
    storage.hold(false);
    world.run_for(1min);
    EXPECT_TRUE(container->stopped());
    EXPECT_TRUE(storage.objects().empty());
}

TEST_F(SharedTieringTest, WhatASuccessorTookAwayWhileItWasReadIsNoDamage) {
    add(block('a'));
    ASSERT_TRUE(snapshots(1));
    close();
    const storage::ObjectName snapshot = storage.objects().rbegin()->first;
    ASSERT_TRUE(world.run([&] { return storage.remove(snapshot); }).ok());
    const auto damaged = open();
    ASSERT_FALSE(damaged.ok());
    EXPECT_TRUE(damaged.error().is(ErrorCode::kCorrupt)) << damaged.error().to_string();
    close();
    disk.fenced = true;
    const auto replaced = open();
    ASSERT_FALSE(replaced.ok());
    EXPECT_TRUE(replaced.error().is(ErrorCode::kFenced)) << replaced.error().to_string();
}

TEST_F(SharedTieringTest, WhatAnEarlierOwnerWritesLateIsRemovedAllTheSame) {
    storage.hold(true);
    add(block('a'));
    ASSERT_TRUE(world.run_until([this] { return storage.held() > 0; }, 10s));
    const OwnerEpoch before = log->epoch();
    log->set_fenced(true);
    storage.hold(false);
    settle();
    ASSERT_TRUE(crash().ok());
    ASSERT_TRUE(snapshots(1));
    settle();
    const std::size_t in_use = storage.objects().size();
    const storage::ObjectName late{options.id, before, 1};
    ASSERT_FALSE(storage.objects().contains(late));
    storage.put(late, Bytes::copy_of("late"));
    ASSERT_NE(container->objects().find({late.epoch, late.sequence}), nullptr);
    world.run_for(options.tiering.late_objects + 1s);
    EXPECT_EQ(storage.objects().size(), in_use);
    EXPECT_EQ(container->objects().find({late.epoch, late.sequence}), nullptr);
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

TEST_F(ContainerTieringTest, ABusyLogHasEndsForItsWindows) {
    options.tiering.window_bytes = 1024 * 1024;
    ASSERT_TRUE(crash().ok());
    handle = std::move(container->setup_append(kName, writer_id(1)).handle);
    // All is queued before anything is sent, so each entry is full and ends somewhere inside an append.
    log->hold(true);
    Lsn last;
    for (int i = 0; i < 100; ++i) {
        const AppendOutcome outcome = append(handle, ++last_event, std::string(300'000, 'x'));
        ASSERT_EQ(outcome.status, Status::kOk);
        last = outcome.depends_on.lsn;
    }
    log->hold(false);
    ASSERT_TRUE(commits(last));
    ASSERT_TRUE(world.run_until([this] { return container->counts().windows >= 5; }, 60s)) << "of 30 MB";
}

TEST_F(ContainerTieringTest, ASegmentTruncatedToItsEndBeforeItWasTieredTakesAppendsAfterARestart) {
    add("never tiered");
    const TruncateOutcome truncated = container->truncate(kName, static_cast<std::int64_t>(expected.size()));
    ASSERT_EQ(truncated.status, Status::kOk);
    ASSERT_TRUE(commits(truncated.depends_on));
    container->tier_now();
    ASSERT_TRUE(snapshots(1));
    ASSERT_TRUE(crash().ok());
    handle = std::move(container->setup_append(kName, writer_id(1)).handle);
    const std::size_t start = expected.size();
    add("and on");
    EXPECT_EQ(read_all(static_cast<std::int64_t>(start)), "and on");
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(static_cast<std::int64_t>(start)), "and on");
}

TEST_F(ContainerTieringTest, SuchASegmentTakesAnEmptyAppendAsWell) {
    add("never tiered");
    const TruncateOutcome truncated = container->truncate(kName, static_cast<std::int64_t>(expected.size()));
    ASSERT_TRUE(commits(truncated.depends_on));
    container->tier_now();
    ASSERT_TRUE(snapshots(1));
    ASSERT_TRUE(crash().ok());
    handle = std::move(container->setup_append(kName, writer_id(1)).handle);
    add("");
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(container->setup_append(kName, writer_id(1)).last_event_number, last_event);
    const std::size_t start = expected.size();
    handle = std::move(container->setup_append(kName, writer_id(1)).handle);
    add("and on");
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(static_cast<std::int64_t>(start)), "and on");
}

TEST_F(ContainerTieringTest, AStorageThatIsAwayIsTriedForLongWithoutFillingTheLog) {
    storage.away(true);
    add(block('a'));
    world.run_for(5s);
    const Lsn planned = container->committed();
    const std::size_t tried = storage.tried();
    world.run_for(1h);
    EXPECT_GT(storage.tried(), tried + 50);
    EXPECT_EQ(container->committed(), planned);
    EXPECT_NE(container->tiering_trouble().find("away"), std::string::npos);
    storage.away(false);
    ASSERT_TRUE(snapshots(1));
    EXPECT_EQ(container->tiering_trouble(), "");
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(), expected);
}

TEST_F(ContainerTieringTest, AStorageThatHangsIsToldOf) {
    storage.hold(true);
    add(block('a'));
    world.run_for(29s);
    EXPECT_EQ(container->tiering_trouble(), "");
    world.run_for(31s);
    EXPECT_NE(container->tiering_trouble().find("no answer for"), std::string::npos) << container->tiering_trouble();
    add("goes on");
    storage.hold(false);
    ASSERT_TRUE(snapshots(1));
    EXPECT_EQ(container->tiering_trouble(), "");
    EXPECT_EQ(read_all(), expected);
}

TEST_F(ContainerTieringTest, AFullStorageIsFreedByWhatSegmentsGiveUp) {
    add(block('a'));
    ASSERT_TRUE(snapshots(1));
    const auto data_objects = [this] {
        return std::ranges::count_if(storage.objects(), [](const auto& one) { return one.second.size() > 4096; });
    };
    ASSERT_EQ(data_objects(), 1);
    storage.room(4096);  // a snapshot fits, a window does not
    add(block('b'));
    world.run_for(60s);
    ASSERT_EQ(data_objects(), 1);
    const TruncateOutcome truncated = container->truncate(kName, 5000);
    ASSERT_EQ(truncated.status, Status::kOk);
    ASSERT_TRUE(world.run_until([&] { return data_objects() == 0; }, 120s));
    storage.room(1 << 20);
    ASSERT_TRUE(world.run_until([&] { return data_objects() == 1; }, 120s));
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(5000), expected.substr(5000));
}

TEST_F(ContainerTieringTest, WhoAsksForRoomGetsItThoughTheFirstTryFails) {
    add("little");
    storage.away(true);
    container->tier_now();
    world.run_for(5s);
    storage.away(false);
    EXPECT_TRUE(snapshots(1)) << "long before it is old enough";
}

TEST_F(ContainerTieringTest, ManyDeadObjectsGoInTheEnd) {
    for (int i = 0; i < 100; ++i) {
        add(block('a'));
        ASSERT_TRUE(snapshots(static_cast<std::uint64_t>(i) + 1));
    }
    ASSERT_GE(storage.objects().size(), 100u);
    ASSERT_EQ(container->remove(kName).status, Status::kOk);
    create("scope/stream/1.#epoch.0");
    container->tier_now();
    EXPECT_TRUE(world.run_until([this] { return storage.objects().size() == 1; }, 60s)) << storage.objects().size();
}

}  // namespace
}  // namespace millrace::container
