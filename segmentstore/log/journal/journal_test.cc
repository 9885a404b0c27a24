// SPDX-License-Identifier: Apache-2.0
//
// The journal, scene by scene, on a simulated disk.
#include <gtest/gtest.h>

#include <map>

#include <algorithm>

#include "common/base/crc32c.h"
#include "segmentstore/log/journal/format.h"
#include "segmentstore/log/journal/journal.h"
#include "tests/sim/world.h"

namespace millrace::log {
namespace {

using namespace std::chrono_literals;
constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr ContainerId kLog{5};

ByteBuffer filled(std::size_t size, char value) {
    ByteBuffer bytes;
    bytes.resize(size);
    std::fill(bytes.begin(), bytes.end(), static_cast<std::byte>(value));
    return bytes;
}

class JournalTest : public ::testing::Test {
protected:
    JournalTest() {
        options.directory = "/data/journal";
        options.file_bytes = kMiB;
        options.keep_free_bytes = 0;
    }
    ~JournalTest() override { close(); }

    Result<void> open(sim::Node& at) {
        close();
        auto opened = world.run([&] { return Journal::open(at.runtime(), options); });
        if (!opened) return std::move(opened).error();
        journal = std::move(*opened);
        return ok();
    }
    Result<void> open() { return open(node); }
    Result<void> open_log() {
        MR_TRY_VOID(open());
        MR_TRY(log, world.run([&] { return journal->take_over(kLog); }));
        return ok();
    }
    void close() {
        if (log) world.run([&] { return log->close(); });
        log.reset();
        if (journal) world.run([&] { return journal->close(); });
        journal.reset();
    }
    Result<Index> append(std::size_t size, char value) {
        return world.run([&] { return log->append({Bytes{filled(size, value)}}); });
    }
    // Appends all at once, so that they share batches.
    std::vector<Result<Index>> append_together(std::vector<std::size_t> sizes) {
        auto results = std::make_shared<std::vector<Result<Index>>>();
        for (const std::size_t size : sizes) {
            world.spawn([this, size, results]() -> Task<void> {
                results->push_back(co_await log->append({Bytes{filled(size, 'x')}}));
            });
        }
        EXPECT_TRUE(world.run_until([&] { return results->size() == sizes.size(); }, 1min));
        return *results;
    }
    Result<void> truncate(std::uint64_t first_needed, std::string anchor) {
        return world.run([&] { return log->truncate(Index{first_needed}, Bytes::copy_of(anchor)); });
    }
    Result<Bytes> read(std::uint64_t index, std::size_t offset = 0, std::size_t length = 2 * kMiB) {
        return world.run([&] { return log->read(Index{index}, offset, length); });
    }
    void expect_entry(std::uint64_t index, std::size_t size, char value) {
        const auto bytes = read(index);
        ASSERT_TRUE(bytes.ok()) << bytes.error().to_string();
        EXPECT_TRUE(std::ranges::equal(bytes->view(), filled(size, value))) << "entry " << index;
    }
    std::vector<std::string> files() {
        std::vector<std::string> names;
        for (const std::string& path : node.disk().files()) {
            if (path.starts_with("/data/journal/")) names.push_back(path.substr(14));
        }
        return names;
    }
    static std::string path(std::uint64_t seq) { return "/data/journal/" + file_name(seq); }
    // The power fails while nothing is under way.
    void restart() {
        node.crash();
        close();
    }
    void expect_corrupt(const std::vector<std::string>& words) {
        const auto opened = open();
        ASSERT_FALSE(opened.ok());
        EXPECT_TRUE(opened.error().is(ErrorCode::kCorrupt)) << opened.error().to_string();
        for (const std::string& word : words) {
            EXPECT_NE(opened.error().detail().find(word), std::string::npos)
                << opened.error().detail();
        }
    }

    sim::World world{1};
    sim::Node& node = world.add_node("a");
    JournalOptions options;
    std::unique_ptr<Journal> journal;
    std::unique_ptr<DurableLog> log;
};

TEST_F(JournalTest, KeepsEntriesAcrossRestarts) {
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->first(), Index{1});
    EXPECT_EQ(log->next(), Index{1});
    EXPECT_EQ(log->epoch(), OwnerEpoch{1});
    EXPECT_EQ(*append(100, 'a'), Index{1});
    EXPECT_EQ(*append(100'000, 'b'), Index{2});
    EXPECT_EQ(log->next(), Index{3});
    expect_entry(2, 100'000, 'b');

    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->epoch(), OwnerEpoch{2});
    EXPECT_EQ(log->next(), Index{3});
    expect_entry(1, 100, 'a');
    expect_entry(2, 100'000, 'b');
    EXPECT_EQ(*append(1, 'c'), Index{3});

    restart();
    ASSERT_TRUE(open_log().ok());
    expect_entry(3, 1, 'c');
}

TEST_F(JournalTest, StoresTheGatheredPiecesOfAnEntry) {
    ASSERT_TRUE(open_log().ok());
    const std::vector<Bytes> pieces{Bytes::copy_of("one "), Bytes{}, Bytes::copy_of("two "),
                                    Bytes::copy_of("three")};
    ASSERT_TRUE(world.run([&] { return log->append(pieces); }).ok());
    EXPECT_EQ(as_text(read(1)->view()), "one two three");
    EXPECT_EQ(as_text(read(1, 4, 3)->view()), "two");
    EXPECT_EQ(as_text(read(1, 8, 100)->view()), "three");
    EXPECT_TRUE(read(1, 100, 100)->empty());
    EXPECT_TRUE(read(0).error().is(ErrorCode::kNotFound));
    EXPECT_TRUE(read(2).error().is(ErrorCode::kNotFound));
}

TEST_F(JournalTest, RefusesEntriesOutOfBoundsAndStaysOpen) {
    options.file_bytes = 8 * kMiB;
    ASSERT_TRUE(open_log().ok());
    EXPECT_TRUE(append(0, 'a').error().is(ErrorCode::kTooLarge));
    EXPECT_TRUE(append(DurableLog::kMaxEntryBytes + 1, 'a').error().is(ErrorCode::kTooLarge));
    EXPECT_EQ(*append(DurableLog::kMaxEntryBytes, 'a'), Index{1});
    expect_entry(1, DurableLog::kMaxEntryBytes, 'a');
}

TEST_F(JournalTest, RefusesOptionsThatMakeNoSense) {
    options.file_bytes = 1000;
    EXPECT_TRUE(open().error().is(ErrorCode::kInvalidArgument));
    options.file_bytes = kMiB + 1;
    EXPECT_TRUE(open().error().is(ErrorCode::kInvalidArgument));
}

TEST_F(JournalTest, TakesEachLogOverOncePerProcess) {
    ASSERT_TRUE(open_log().ok());
    const auto again = world.run([&] { return journal->take_over(kLog); });
    ASSERT_FALSE(again.ok());
    EXPECT_TRUE(again.error().is(ErrorCode::kFailedPrecondition));
}

TEST_F(JournalTest, SharesBatchesAmongTakeOversAndAppends) {
    ASSERT_TRUE(open().ok());
    std::vector<std::unique_ptr<DurableLog>> logs;
    for (std::uint32_t id = 0; id < 16; ++id) {
        world.spawn([this, id, &logs]() -> Task<void> {
            auto taken = co_await journal->take_over(ContainerId{id});
            EXPECT_TRUE(taken.ok());
            if (taken) logs.push_back(std::move(*taken));
        });
    }
    ASSERT_TRUE(world.run_until([&] { return logs.size() == 16; }, 1min));
    EXPECT_LE(journal->stats().batches, 4u);
    for (auto& owned : logs) world.run([&] { return owned->close(); });
    logs.clear();

    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->epoch(), OwnerEpoch{2});
    const std::uint64_t before = journal->stats().batches;
    const auto results = append_together(std::vector<std::size_t>(50, 100));
    for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(*results[i], Index{i + 1});
    EXPECT_LE(journal->stats().batches - before, 3u);
    EXPECT_EQ(journal->stats().entries, 50u);
    EXPECT_EQ(journal->stats().entry_bytes, 5000u);
}

TEST_F(JournalTest, WritesOneWitnessWhenIdle) {
    ASSERT_TRUE(open_log().ok());
    ASSERT_TRUE(append(10, 'a').ok());
    const std::uint64_t before = journal->stats().batches;
    world.run_for(1s);
    EXPECT_EQ(journal->stats().batches, before + 1);
    world.run_for(1min);
    EXPECT_EQ(journal->stats().batches, before + 1);
}

TEST_F(JournalTest, GoesOnInTheNextFile) {
    ASSERT_TRUE(open_log().ok());
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(append(100'000, static_cast<char>('a' + i % 26)).ok());
    EXPECT_GE(journal->stats().files, 4u);
    for (int i = 0; i < 40; ++i)
        expect_entry(static_cast<std::uint64_t>(i) + 1, 100'000, static_cast<char>('a' + i % 26));
    restart();
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->next(), Index{41});
    for (int i = 0; i < 40; ++i)
        expect_entry(static_cast<std::uint64_t>(i) + 1, 100'000, static_cast<char>('a' + i % 26));
}

// A witness is written without a sync. The next file lists it as part of the old one, so that it must
// not be lost once that list is durable.
TEST_F(JournalTest, AWitnessIsDurableBeforeTheNextFileListsIt) {
    ASSERT_TRUE(open_log().ok());
    constexpr std::uint64_t kEntries = 24;  // about four a file
    for (std::uint64_t i = 0; i < kEntries; ++i) {
        ASSERT_TRUE(append(200 * 1024, static_cast<char>('a' + i)).ok());
        world.run_for(50ms);
    }
    restart();
    ASSERT_TRUE(open_log().ok());
    for (std::uint64_t i = 0; i < kEntries; ++i) expect_entry(i + 1, 200 * 1024, static_cast<char>('a' + i));
}

TEST_F(JournalTest, GivesBackTheSpaceThatRestartsLeftUnused) {
    options.file_bytes = 8 * kMiB;
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(open_log().ok());
        ASSERT_TRUE(append(1000, 'a').ok());
        restart();
    }
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->next(), Index{11});
    EXPECT_LT(node.disk().used_bytes(), 9 * kMiB);
}

TEST_F(JournalTest, AnswersNoSpaceAndGoesOnWhenThereIsSomeAgain) {
    node.disk().options().capacity_bytes = 3 * kMiB + kMiB / 2;
    ASSERT_TRUE(open_log().ok());
    std::uint64_t stored = 0;
    for (;;) {
        const auto index = append(100'000, 'a');
        if (!index) {
            EXPECT_TRUE(index.error().is(ErrorCode::kNoSpace));
            EXPECT_EQ(index.error().fate(), Fate::kNotApplied);
            EXPECT_NE(index.error().detail().find("free bytes"), std::string::npos)
                << index.error().detail();
            break;
        }
        ASSERT_EQ(index->number(), ++stored);
        ASSERT_LT(stored, 100u);
    }
    EXPECT_GT(stored, 20u);
    EXPECT_TRUE(journal->stats().full);
    EXPECT_FALSE(journal->stats().failed);
    // Several at once, all refused, and reads go on.
    for (const auto& refused : append_together({100'000, 100'000, 10}))
        EXPECT_TRUE(refused.error().is(ErrorCode::kNoSpace));
    expect_entry(stored, 100'000, 'a');

    node.disk().options().capacity_bytes = 1ull << 40;
    EXPECT_EQ(append(100'000, 'b')->number(), stored + 1);
    EXPECT_FALSE(journal->stats().full);
    restart();
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->next().number(), stored + 2);
    expect_entry(stored + 1, 100'000, 'b');
}

TEST_F(JournalTest, StartsOnAFullDisk) {
    options.file_bytes = 8 * kMiB;
    node.disk().options().capacity_bytes = 9 * kMiB;
    ASSERT_TRUE(open_log().ok());
    while (append(100'000, 'a').ok()) {
    }
    const std::uint64_t next = log->next().number();
    restart();
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->next().number(), next);
    expect_entry(1, 100'000, 'a');
    EXPECT_EQ(log->epoch(), OwnerEpoch{2});
}

TEST_F(JournalTest, KeepsToItsTotal) {
    options.total_bytes_max = 2 * kMiB;
    ASSERT_TRUE(open_log().ok());
    Result<Index> last = append(100'000, 'a');
    while (last.ok()) last = append(100'000, 'a');
    EXPECT_TRUE(last.error().is(ErrorCode::kNoSpace));
    EXPECT_LE(node.disk().used_bytes(), 2 * kMiB);
}

TEST_F(JournalTest, ATruncationAndItsAnchorSurviveARestart) {
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->anchor().size(), 0u);
    for (const char value : {'a', 'b', 'c'}) ASSERT_TRUE(append(100, value).ok());
    ASSERT_TRUE(truncate(3, "where the snapshot is").ok());
    EXPECT_EQ(log->first(), Index{3});
    EXPECT_EQ(as_text(log->anchor().view()), "where the snapshot is");
    EXPECT_TRUE(read(2).error().is(ErrorCode::kNotFound));
    expect_entry(3, 100, 'c');

    restart();
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->first(), Index{3});
    EXPECT_EQ(log->next(), Index{4});
    EXPECT_EQ(as_text(log->anchor().view()), "where the snapshot is");
    EXPECT_TRUE(read(2).error().is(ErrorCode::kNotFound));
    expect_entry(3, 100, 'c');

    // All of it, and the numbers go on.
    ASSERT_TRUE(truncate(4, "").ok());
    restart();
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->first(), Index{4});
    EXPECT_EQ(log->anchor().size(), 0u);
    EXPECT_EQ(*append(100, 'd'), Index{4});
}

TEST_F(JournalTest, RefusesTruncationsOutOfBounds) {
    ASSERT_TRUE(open_log().ok());
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(100, 'a').ok());
    ASSERT_TRUE(truncate(2, "x").ok());
    EXPECT_TRUE(truncate(1, "y").error().is(ErrorCode::kInvalidArgument));
    EXPECT_TRUE(truncate(5, "y").error().is(ErrorCode::kInvalidArgument));
    EXPECT_TRUE(truncate(3, std::string(257, 'y')).error().is(ErrorCode::kTooLarge));
    EXPECT_EQ(log->first(), Index{2});
    EXPECT_EQ(as_text(log->anchor().view()), "x");
    EXPECT_TRUE(append(100, 'b').ok());
}

TEST_F(JournalTest, FilesThatNothingNeedsGetAnotherLife) {
    ASSERT_TRUE(open_log().ok());
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 12; ++i) ASSERT_TRUE(append(100'000, 'a').ok());
        ASSERT_TRUE(truncate(log->next().number(), "round").ok());
        world.run_for(1s);
    }
    EXPECT_GE(journal->stats().recycled, 5u);
    EXPECT_LE(files().size(), 4u);
    ASSERT_TRUE(append(100, 'z').ok());
    const std::uint64_t last = log->next().number() - 1;
    restart();
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->first(), Index{last});
    expect_entry(last, 100, 'z');
}

TEST_F(JournalTest, AFullJournalTakesTruncationsAndGoesOn) {
    options.total_bytes_max = 3 * kMiB;
    ASSERT_TRUE(open_log().ok());
    Result<Index> appended = append(100'000, 'a');
    for (int i = 0; i < 100 && appended; ++i) appended = append(100'000, 'a');
    ASSERT_TRUE(appended.error().is(ErrorCode::kNoSpace));
    EXPECT_TRUE(journal->stats().full);
    ASSERT_TRUE(truncate(log->next().number(), "made room").ok());
    world.run_for(1s);
    EXPECT_TRUE(append(100'000, 'b').ok());
    EXPECT_FALSE(journal->stats().full);
    EXPECT_LE(node.disk().used_bytes(), options.total_bytes_max);
}

TEST_F(JournalTest, TellsWhatFitsAndWhenThereIsMore) {
    options.total_bytes_max = 3 * kMiB;
    int more = 0;
    options.more_room = [&more] { ++more; };
    ASSERT_TRUE(open_log().ok());
    const std::uint64_t at_first = journal->room();
    EXPECT_LE(at_first, 3 * kMiB);
    EXPECT_GT(at_first, 2 * kMiB);
    for (int i = 0; i < 18; ++i) ASSERT_TRUE(append(100'000, 'a').ok());
    const std::uint64_t later = journal->room();
    EXPECT_LE(later, at_first - 1'800'000);
    ASSERT_TRUE(truncate(log->next().number(), "made room").ok());
    world.run_for(1s);
    EXPECT_GT(more, 0);
    EXPECT_GT(journal->room(), later + kMiB / 2);
}

TEST_F(JournalTest, KnowsWhatTheDiskTakesAndLooksAgainWhileItIsFull) {
    int more = 0;
    options.more_room = [&more] { ++more; };
    ASSERT_TRUE(open_log().ok());
    EXPECT_GT(journal->disk_room(), 100 * kMiB);
    node.disk().fill_up();
    // Beyond the point where the next file is begun.
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(append(100'000, 'a').ok());
    world.run_for(1s);
    const std::uint64_t left = journal->disk_room();
    EXPECT_LT(left, kMiB);
    EXPECT_GT(left, kMiB / 4);
    world.run_for(5s);
    EXPECT_EQ(more, 0);
    node.disk().make_room();
    world.run_for(2s);
    EXPECT_EQ(more, 1);
    EXPECT_GT(journal->disk_room(), 100 * kMiB);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(append(100'000, 'b').ok());
}

TEST_F(JournalTest, DoesNotLookForSpaceWhenItsOwnLimitIsReached) {
    options.total_bytes_max = 2 * kMiB;
    int more = 0;
    options.more_room = [&more] { ++more; };
    ASSERT_TRUE(open_log().ok());
    for (int i = 0; i < 15; ++i) ASSERT_TRUE(append(100'000, 'a').ok());
    world.run_for(10s);
    EXPECT_EQ(more, 0);
}

TEST_F(JournalTest, AsksTheLogsThatHoldOldFilesToBeTruncated) {
    options.crowded_bytes = 4 * kMiB;
    std::map<std::uint32_t, int> asked;
    options.crowded = [&asked](ContainerId id) { ++asked[id.number()]; };
    ASSERT_TRUE(open_log().ok());
    auto idle = world.run([&] { return journal->take_over(ContainerId{kLog.number() + 1}); });
    ASSERT_TRUE(idle.ok());
    // Next to nothing, in the oldest file.
    ASSERT_TRUE(world.run([&] { return (*idle)->append({Bytes{filled(10, 'i')}}); }).ok());
    for (int i = 0; i < 25; ++i) {
        ASSERT_TRUE(append(100'000, 'a').ok());
        ASSERT_TRUE(truncate(log->next().number(), "").ok());
    }
    EXPECT_TRUE(asked.empty());
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(100'000, 'a').ok());
    EXPECT_GT(asked[kLog.number() + 1], 0);
    world.run([&] { return (*idle)->close(); });
}

TEST_F(JournalTest, AFailedSyncIsFinal) {
    ASSERT_TRUE(open_log().ok());
    ASSERT_TRUE(append(100, 'a').ok());
    node.disk().faults().fail_sync_in = 1;
    const auto failed = append(100, 'b');
    ASSERT_FALSE(failed.ok());
    EXPECT_TRUE(failed.error().is(ErrorCode::kIo));
    EXPECT_EQ(failed.error().fate(), Fate::kUnknown);
    EXPECT_TRUE(journal->stats().failed);
    // The disk would work again; nobody asks it.
    const auto later = append(100, 'c');
    EXPECT_TRUE(later.error().is(ErrorCode::kClosed));
    EXPECT_EQ(later.error().fate(), Fate::kNotApplied);
    expect_entry(1, 100, 'a');

    restart();
    ASSERT_TRUE(open_log().ok());
    EXPECT_GE(log->next(), Index{2});
    EXPECT_LE(log->next(), Index{3});
    expect_entry(1, 100, 'a');
}

TEST_F(JournalTest, AFailedWriteIsFinal) {
    ASSERT_TRUE(open_log().ok());
    node.disk().faults().fail_write_in = 1;
    const auto failed = append_together({100, 100, 100});
    for (const auto& result : failed) EXPECT_FALSE(result.ok());
    EXPECT_TRUE(journal->stats().failed);
}

// Whether it happened shows when the power fails: until then the file may seem to be whole.
TEST_F(JournalTest, AFileWhoseCutFailedIsNotUsedAgain) {
    options.file_bytes = 4 * kMiB;
    for (int life = 0; life < 30; ++life) {
        ASSERT_TRUE(open_log().ok()) << "life " << life;
        for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(10'000, 'a').ok());
        restart();
        // Four changes make the first file, the fifth cuts the one before it.
        node.disk().faults().fail_write_in = 5;
        ASSERT_TRUE(open_log().ok()) << "life " << life;
        ASSERT_EQ(node.disk().faults().fail_write_in, 0u);
        ASSERT_TRUE(truncate(log->next().number(), "").ok());
        world.run_for(1s);
        EXPECT_EQ(journal->stats().recycled, 0u);
        restart();
    }
}

TEST_F(JournalTest, AFailedReadFailsThatReadOnly) {
    ASSERT_TRUE(open_log().ok());
    ASSERT_TRUE(append(100, 'a').ok());
    node.disk().faults().fail_read_in = 1;
    EXPECT_TRUE(read(1).error().is(ErrorCode::kIo));
    expect_entry(1, 100, 'a');
    EXPECT_TRUE(append(100, 'b').ok());
}

TEST_F(JournalTest, AReadNoticesFlippedBits) {
    ASSERT_TRUE(open_log().ok());
    ASSERT_TRUE(append(50'000, 'a').ok());
    const auto bytes = node.disk().contents(path(1));
    const auto at = static_cast<std::uint64_t>(
        std::find(bytes.begin() + 8192, bytes.end(), std::byte{'a'}) - bytes.begin());
    node.disk().flip(path(1), at + 40'000, 1);
    // Also when the part asked for is not the damaged one.
    const auto part = read(1, 0, 10);
    ASSERT_FALSE(part.ok());
    EXPECT_TRUE(part.error().is(ErrorCode::kCorrupt));
    EXPECT_NE(part.error().detail().find(path(1)), std::string::npos);
    EXPECT_NE(part.error().detail().find("offset " + std::to_string(at)), std::string::npos)
        << part.error().detail();
}

// Three entries of several blocks each, in file 1, proven by what follows; then a restart in peace.
class DamagedJournalTest : public JournalTest {
protected:
    DamagedJournalTest() {
        EXPECT_TRUE(open_log().ok());
        for (const char value : {'a', 'b', 'c'}) EXPECT_TRUE(append(10'000, value).ok());
        world.run_for(1s);
        close();
        node.crash();
        image = node.disk().image();
    }
    // The others are there, and the log goes on.
    void expect_damaged_entry(std::uint64_t index, const std::string& path, std::uint64_t offset) {
        ASSERT_TRUE(open_log().ok());
        const auto damaged = world.run([&] { return log->read(Index{index}, 0, 10'000); });
        ASSERT_FALSE(damaged.ok());
        EXPECT_TRUE(damaged.error().is(ErrorCode::kCorrupt)) << damaged.error().to_string();
        EXPECT_NE(damaged.error().detail().find(path), std::string::npos) << damaged.error().detail();
        EXPECT_NE(damaged.error().detail().find("offset " + std::to_string(offset)), std::string::npos) << damaged.error().detail();
        for (std::uint64_t i = 1; i <= 3; ++i) {
            if (i != index) expect_entry(i, 10'000, static_cast<char>('a' + i - 1));
        }
        EXPECT_EQ(*append(100, 'd'), Index{4});
        close();
    }
    // Where the batch of entry `value` begins.
    std::uint64_t batch_of(char value) {
        const auto bytes = node.disk().contents(path(1));
        const auto body = filled(100, value);
        const auto found = std::search(bytes.begin(), bytes.end(), body.begin(), body.end());
        EXPECT_NE(found, bytes.end());
        return align_down(static_cast<std::size_t>(found - bytes.begin()));
    }
    std::shared_ptr<const sim::SimDisk::Image> image;
};

TEST_F(DamagedJournalTest, DamageInTheMiddleNamesFileAndOffset) {
    const std::uint64_t begin = batch_of('a');
    const std::uint64_t end = batch_of('b') + 64 + 32 + 10'000;  // all but the last padding
    const std::uint64_t b = batch_of('b');
    std::size_t tried = 0;
    for (std::uint64_t at = begin; at < end; at += at % 4096 < 128 ? 3 : 611) {
        const bool padding = at < b ? at >= begin + 96 + 10'000 : false;
        if (padding) continue;
        node.disk().load(*image);
        node.disk().flip(path(1), at, static_cast<std::uint8_t>(1u << (at % 8)));
        const std::uint64_t batch = at < b ? begin : b;
        if (at < batch + 96) expect_corrupt({path(1), "offset " + std::to_string(batch)});
        else expect_damaged_entry(at < b ? 1 : 2, path(1), batch + 96);
        ++tried;
        if (HasFailure()) FAIL() << "flipped at " << at;
    }
    EXPECT_GT(tried, 90u);
}

TEST_F(DamagedJournalTest, AWholeBatchOfZerosInTheMiddleIsDamage) {
    const std::uint64_t at = batch_of('b');
    node.disk().overwrite(path(1), at, filled(12 * 1024, 0).view());
    expect_corrupt({path(1), "offset " + std::to_string(at)});
}

TEST_F(DamagedJournalTest, DamageOfTheLastBatchThatHasAWitnessIsDamage) {
    const std::uint64_t at = batch_of('c');
    node.disk().flip(path(1), at + 5000, 4);
    expect_damaged_entry(3, path(1), at + 96);
    node.disk().load(*image);
    node.disk().flip(path(1), at + 70, 4);
    expect_corrupt({path(1), "offset " + std::to_string(at), "proves"});
}

TEST_F(DamagedJournalTest, DamageOfOneLogsEntryIsNoOtherLogs) {
    ASSERT_TRUE(open_log().ok());
    auto other = std::move(*world.run([&] { return journal->take_over(ContainerId{8}); }));
    EXPECT_TRUE(world.run([&] { return other->append({Bytes{filled(100, 'o')}}); }).ok());
    world.run([&] { return other->close(); });
    close();
    node.crash();
    node.disk().flip(path(1), batch_of('b') + 5000, 4);
    ASSERT_TRUE(open_log().ok());
    EXPECT_FALSE(world.run([&] { return log->read(Index{2}, 0, 10'000); }).ok());
    other = std::move(*world.run([&] { return journal->take_over(ContainerId{8}); }));
    EXPECT_EQ(*world.run([&] { return other->read(Index{1}, 0, 100); }), Bytes{filled(100, 'o')});
    // Garbage may be as damaged as it likes.
    ASSERT_TRUE(truncate(3, "").ok());
    world.run([&] { return other->close(); });
    restart();
    ASSERT_TRUE(open_log().ok());
    expect_entry(3, 10'000, 'c');
}

TEST_F(DamagedJournalTest, DamageOfABatchWithoutAWitnessIsATornTail) {
    const std::uint64_t witness = batch_of('c') + 12 * 1024;
    node.disk().overwrite(path(1), witness, filled(4096, 0).view());
    node.disk().flip(path(1), batch_of('c') + 5000, 4);
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->next(), Index{3});
    expect_entry(1, 10'000, 'a');
    expect_entry(2, 10'000, 'b');
    // What takes its place does so in a new file, and the torn one is not looked at again.
    EXPECT_EQ(*append(100, 'd'), Index{3});
    restart();
    ASSERT_TRUE(open_log().ok());
    expect_entry(3, 100, 'd');
}

TEST_F(DamagedJournalTest, GarbageBehindTheTailIsDropped) {
    const std::uint64_t tail = batch_of('c') + 16 * 1024;
    ByteBuffer garbage = filled(100'000, 0);
    world.random().fill(garbage.mutable_view());
    node.disk().overwrite(path(1), tail, garbage.view());
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->next(), Index{4});
    expect_entry(3, 10'000, 'c');
}

TEST_F(DamagedJournalTest, DamageOfAFileHeaderIsNamed) {
    for (const std::uint64_t at : {0, 9, 13, 20, 33, 41, 60, 2000, 4095}) {
        node.disk().load(*image);
        node.disk().flip(path(1), at, 16);
        expect_corrupt({path(1), "offset 0"});
    }
}

TEST_F(DamagedJournalTest, DamageOfTheFirstBatchIsDamage) {
    node.disk().flip(path(1), 4096 + 8, 1);
    expect_corrupt({path(1), "offset 4096"});
}

TEST_F(DamagedJournalTest, ATruncatedFileIsNoticed) {
    node.disk().cut(path(1), batch_of('c'));
    expect_corrupt({path(1), "ends here"});
    node.disk().load(*image);
    node.disk().cut(path(1), 4096);
    expect_corrupt({path(1)});
    node.disk().load(*image);
    node.disk().cut(path(1), 0);
    expect_corrupt({path(1)});
}

// Files 1 to 4 or so, all in use.
class ManyFilesTest : public JournalTest {
protected:
    ManyFilesTest() {
        EXPECT_TRUE(open_log().ok());
        for (int i = 0; i < 35; ++i) EXPECT_TRUE(append(100'000, 'a').ok());
        world.run_for(1s);
        restart();
        image = node.disk().image();
        EXPECT_GE(files().size(), 4u);
    }
    std::shared_ptr<const sim::SimDisk::Image> image;
};

TEST_F(ManyFilesTest, AMissingFileIsNoticed) {
    for (const std::string& name : files()) {
        node.disk().load(*image);
        // The last one may be prepared and empty: then nothing is lost with it.
        if (name == files().back() &&
            node.disk().contents("/data/journal/" + name)[4096] == std::byte{0})
            continue;
        node.disk().remove("/data/journal/" + name);
        const auto opened = open();
        ASSERT_FALSE(opened.ok()) << name;
        EXPECT_TRUE(opened.error().is(ErrorCode::kCorrupt));
        EXPECT_NE(opened.error().detail().find("missing"), std::string::npos)
            << opened.error().detail();
    }
}

TEST_F(ManyFilesTest, TheLossOfTheNewestFilesIsNoticed) {
    const auto names = files();
    for (std::size_t i = 2; i < names.size(); ++i) node.disk().remove("/data/journal/" + names[i]);
    expect_corrupt({path(2), "missing"});
}

TEST_F(ManyFilesTest, DamageOfTheNewestFilesFirstBatchIsKnownFromTheMarkBeforeIt) {
    // Without what comes behind it, files 1 and 2 are all that there ever was.
    const auto names = files();
    for (std::size_t i = 2; i < names.size(); ++i) node.disk().remove("/data/journal/" + names[i]);
    node.disk().overwrite(path(2), 4096, filled(1020 * 1024, 0).view());
    expect_corrupt({path(2) + " is damaged at offset 4096", path(1)});
}

TEST_F(ManyFilesTest, SwappedFilesAreNoticed) {
    node.disk().swap(path(2), path(3));
    expect_corrupt({path(2), file_name(3)});
}

TEST_F(ManyFilesTest, AShortenedOldFileIsNoticed) {
    node.disk().cut(path(2), 512 * 1024);
    expect_corrupt({path(2), "ends here"});
}

TEST_F(ManyFilesTest, DamageInAnOldFileNamesIt) {
    // The first bytes of a batch.
    const auto bytes = node.disk().contents(path(2));
    const auto magic = as_bytes("MRBH");
    const auto found = std::search(bytes.begin() + 500'000, bytes.end(), magic.begin(), magic.end());
    ASSERT_NE(found, bytes.end());
    node.disk().flip(path(2), static_cast<std::uint64_t>(found - bytes.begin()), 1);
    expect_corrupt({path(2), "newer file proves"});
}

TEST_F(ManyFilesTest, AFileOfAnotherStoreIsNoticed) {
    sim::Node& other = world.add_node("b");
    ASSERT_TRUE(open(other).ok());
    log = std::move(*world.run([&] { return journal->take_over(kLog); }));
    for (int i = 0; i < 25; ++i) ASSERT_TRUE(append(100'000, 'z').ok());
    close();
    const ByteBuffer foreign = other.disk().contents(path(2));
    node.disk().overwrite(path(2), 0, foreign.view());
    expect_corrupt({"another store"});
}

TEST_F(ManyFilesTest, AnOlderCopyOfAFileIsNoticed) {
    // The header is right, the batches at the end are not there yet.
    node.disk().overwrite(path(2), 600 * 1024, filled(424 * 1024, 0).view());
    expect_corrupt({path(2), "newer file proves"});
}

TEST_F(JournalTest, ANewerFormatIsRefusedByName) {
    ASSERT_TRUE(open_log().ok());
    close();
    FileHeader header =
        *decode_file_header(node.disk().contents(path(1)).view().first(kBlockBytes));
    ByteBuffer block = filled(kBlockBytes, 0);
    encode_file_header(header, block.mutable_view());
    block[8] = std::byte{9};
    std::memset(block.data() + 12, 0, 4);
    const std::uint32_t crc = crc32c(block.view());
    std::memcpy(block.data() + 12, &crc, 4);
    node.disk().overwrite(path(1), 0, block.view());
    const auto opened = open();
    ASSERT_FALSE(opened.ok());
    EXPECT_TRUE(opened.error().is(ErrorCode::kUnsupported)) << opened.error().to_string();
    EXPECT_NE(opened.error().detail().find("version 9"), std::string::npos);
    EXPECT_NE(opened.error().detail().find(path(1)), std::string::npos);
}

// A start that dies before its first batch leaves an empty file, and it may still be there when the
// start after it has made its own.
TEST_F(JournalTest, SurvivesTheLeftoversOfAFirstStart) {
    ASSERT_TRUE(open_log().ok());
    ASSERT_TRUE(append(10, 'a').ok());
    close();
    ByteBuffer empty = node.disk().contents(path(1));
    std::fill(empty.begin() + kBlockBytes, empty.end(), std::byte{0});
    node.disk().overwrite(path(1), 0, empty.view());
    ASSERT_TRUE(open_log().ok());
    EXPECT_EQ(log->next(), Index{1});
    EXPECT_EQ(files(), std::vector<std::string>{file_name(2)});
    ASSERT_TRUE(append(10, 'b').ok());
    // The removal is not durable yet.
    node.crash();
    close();
    ASSERT_TRUE(open_log().ok());
    expect_entry(1, 10, 'b');
}

TEST_F(JournalTest, LeavesForeignFilesAlone) {
    ASSERT_TRUE(world
                    .run([r = node.runtime()]() -> Task<Result<void>> {
                        MR_CO_TRY_VOID(co_await r.disk.create_directories("/data/journal"));
                        MR_CO_TRY(auto file,
                                  co_await r.disk.open("/data/journal/README",
                                                       OpenOptions{.mode = OpenMode::kCreate}));
                        co_return ok();
                    })
                    .ok());
    ASSERT_TRUE(open_log().ok());
    ASSERT_TRUE(open_log().ok());
    const auto names = files();
    EXPECT_NE(std::find(names.begin(), names.end(), "README"), names.end());
}

TEST_F(JournalTest, EndsCallsThatComeAfterClose) {
    ASSERT_TRUE(open_log().ok());
    ASSERT_TRUE(append(10, 'a').ok());
    world.run([&] { return journal->close(); });
    EXPECT_TRUE(append(10, 'b').error().is(ErrorCode::kClosed));
    EXPECT_TRUE(read(1).error().is(ErrorCode::kClosed));
    EXPECT_TRUE(world.run([&] { return journal->take_over(ContainerId{9}); })
                    .error()
                    .is(ErrorCode::kClosed));
}

TEST_F(JournalTest, CloseFinishesWhatIsQueued) {
    ASSERT_TRUE(open_log().ok());
    auto done = std::make_shared<std::size_t>(0);
    for (int i = 0; i < 30; ++i) {
        world.spawn([this, done]() -> Task<void> {
            const auto index = co_await log->append({Bytes{filled(30'000, 'q')}});
            if (index.ok()) ++*done;
        });
    }
    world.run_until([&] { return journal->stats().batches > 3; }, 1s);
    world.run([&] { return journal->close(); });
    EXPECT_EQ(*done, 30u);
}

TEST_F(JournalTest, BoundsItsQueue) {
    options.queue_bytes_max = 250'000;
    ASSERT_TRUE(open_log().ok());
    std::size_t refused = 0;
    for (const auto& result : append_together(std::vector<std::size_t>(10, 100'000))) {
        if (!result) {
            EXPECT_TRUE(result.error().is(ErrorCode::kTooLarge));
            ++refused;
        }
    }
    EXPECT_GT(refused, 0u);
    EXPECT_TRUE(append(100, 'a').ok());
}

}  // namespace
}  // namespace millrace::log
