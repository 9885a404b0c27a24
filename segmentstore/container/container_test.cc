// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/container_fixture.h"

namespace millrace::container {
namespace {

std::string random_text(std::size_t size, std::uint64_t seed) {
    SeededRandom random{seed};
    std::string text(size, '\0');
    random.fill({reinterpret_cast<std::byte*>(text.data()), text.size()});
    return text;
}

TEST_F(ContainerTest, LifecycleAnswersWithTheRightStatuses) {
    EXPECT_EQ(container->info(kName).status, Status::kNoSuchSegment);
    EXPECT_EQ(container->seal(kName).status, Status::kNoSuchSegment);
    EXPECT_EQ(container->remove(kName).status, Status::kNoSuchSegment);
    EXPECT_EQ(container->setup_append(kName, writer_id(1)).status, Status::kNoSuchSegment);
    create();
    EXPECT_EQ(container->create(kName, {}).status, Status::kAlreadyExists);
    EXPECT_EQ(container->create("", {}).status, Status::kInvalidArgument);
    EXPECT_EQ(container->create("a b", {}).status, Status::kInvalidArgument);
    EXPECT_EQ(container->create(std::string(kMaxSegmentNameBytes + 1, 'x'), {}).status, Status::kInvalidArgument);
    auto setup = container->setup_append(kName, writer_id(1));
    ASSERT_EQ(setup.status, Status::kOk);
    EXPECT_EQ(setup.last_event_number, kNoEventNumber);
    const AppendOutcome first = append(setup.handle, 0, "hello");
    ASSERT_EQ(first.status, Status::kOk);
    EXPECT_EQ(first.length_after, 5);
    ASSERT_TRUE(commits(first.depends_on));
    const InfoOutcome info = container->info(kName);
    EXPECT_EQ(info.length, 5);
    EXPECT_FALSE(info.sealed);
    EXPECT_EQ(info.last_modified_ms, world.clock().wall_now().time_since_epoch().count());
    EXPECT_EQ(read_all(), "hello");
    EXPECT_EQ(container->seal(kName).status, Status::kOk);
    EXPECT_EQ(container->seal(kName).status, Status::kSealed);
    EXPECT_TRUE(container->info(kName).sealed);
    EXPECT_EQ(append(setup.handle, 1, "x").status, Status::kSealed);
    EXPECT_EQ(container->setup_append(kName, writer_id(1)).last_event_number, 0);
    EXPECT_EQ(container->remove(kName).status, Status::kOk);
    EXPECT_EQ(container->remove(kName).status, Status::kNoSuchSegment);
    EXPECT_EQ(append(setup.handle, 1, "x").status, Status::kInvalidEventNumber);  // set up again meanwhile
    settle();
    EXPECT_EQ(container->info(kName).status, Status::kNoSuchSegment);
    EXPECT_EQ(container->counts().segments, 0u);
}

TEST_F(ContainerTest, EveryOutcomeDependsOnTheNewestOperationItSaw) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    log->hold(true);
    const Lsn appended = append(setup.handle, 1, "a").depends_on.lsn;
    EXPECT_FALSE(container->committed(appended));
    EXPECT_EQ(container->info(kName).depends_on, appended);
    EXPECT_EQ(container->setup_append(kName, writer_id(1)).depends_on, appended);
    EXPECT_EQ(container->create(kName, {}).depends_on, appended);
    EXPECT_EQ(append(container->setup_append(kName, writer_id(1)).handle, 1, "a").depends_on, appended);
    const Lsn sealed = container->seal(kName).depends_on.lsn;
    EXPECT_GT(sealed, appended);
    EXPECT_EQ(container->seal(kName).depends_on, sealed);
    const Lsn removed = container->remove(kName).depends_on.lsn;
    EXPECT_EQ(container->info(kName).status, Status::kNoSuchSegment);
    EXPECT_EQ(container->info(kName).depends_on, removed);
    EXPECT_EQ(container->seal(kName).depends_on, removed);
    EXPECT_EQ(container->setup_append(kName, writer_id(2)).depends_on, removed);
    settle();
    EXPECT_FALSE(container->committed(appended));
    log->hold(false);
    EXPECT_TRUE(commits(removed));
    EXPECT_TRUE(container->settled(container->info(kName).depends_on));
}

TEST_F(ContainerTest, ExactlyOnceThroughReconnects) {
    create();
    auto first = container->setup_append(kName, writer_id(1));
    EXPECT_EQ(append(first.handle, 5, "five").status, Status::kOk);
    EXPECT_EQ(append(first.handle, 5, "five").status, Status::kInvalidEventNumber);
    EXPECT_EQ(append(first.handle, 4, "four").status, Status::kInvalidEventNumber);
    EXPECT_EQ(append(first.handle, 9, "nine").status, Status::kOk);
    auto second = container->setup_append(kName, writer_id(1));
    EXPECT_EQ(second.last_event_number, 9);
    EXPECT_FALSE(container->owns(first.handle));
    EXPECT_TRUE(container->owns(second.handle));
    EXPECT_EQ(append(first.handle, 10, "late").status, Status::kInvalidEventNumber);
    EXPECT_EQ(append(second.handle, 10, "ten").status, Status::kOk);
    // Another writer and an empty append.
    auto other = container->setup_append(kName, writer_id(2));
    EXPECT_EQ(other.last_event_number, kNoEventNumber);
    const AppendOutcome empty = append(other.handle, 1, "");
    EXPECT_EQ(empty.status, Status::kOk);
    EXPECT_EQ(empty.length_after, 11);
    settle();
    EXPECT_EQ(container->setup_append(kName, writer_id(2)).last_event_number, 1);
    // An old handle that is released takes nothing away from the newer one.
    container->release(first.handle);
    EXPECT_TRUE(container->owns(second.handle));
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(container->setup_append(kName, writer_id(1)).last_event_number, 10);
    EXPECT_EQ(container->setup_append(kName, writer_id(2)).last_event_number, 1);
    EXPECT_EQ(read_all(), "fivenineten");
}

TEST_F(ContainerTest, AConditionalAppendNeedsTheLengthAndThenOnlyUsesItsNumber) {
    create();
    auto writer = container->setup_append(kName, writer_id(1)).handle;
    const std::vector<Bytes> data{Bytes::copy_of("data")};
    EXPECT_EQ(container->append(writer, EventNumbers::of_one_append(1, 1), data, 0).length_after, 4);
    const AppendOutcome late = container->append(writer, EventNumbers::of_one_append(2, 1), data, 0);
    EXPECT_EQ(late.status, Status::kConditionFailed);
    EXPECT_EQ(late.length_after, 4);
    EXPECT_EQ(late.depends_on, container->admitted());  // a refusal may not run ahead of the log either
    // The number was not used up, and comes before the condition.
    EXPECT_EQ(container->append(writer, EventNumbers::of_one_append(1, 1), data, 0).status, Status::kInvalidEventNumber);
    EXPECT_EQ(container->append(writer, EventNumbers::of_one_append(2, 1), data, 4).status, Status::kOk);
    ASSERT_TRUE(commits(container->admitted()));
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(container->setup_append(kName, writer_id(1)).last_event_number, 2);
    EXPECT_EQ(read_all(), "datadata");
}

TEST_F(ContainerTest, ATruncationHidesWhatIsBeforeItForEver) {
    create();
    auto writer = container->setup_append(kName, writer_id(1)).handle;
    for (int i = 1; i <= 10; ++i) EXPECT_EQ(append(writer, i, "0123456789").status, Status::kOk);
    EXPECT_EQ(container->truncate("no/such/0.#epoch.0", 0).status, Status::kNoSuchSegment);
    EXPECT_EQ(container->truncate(kName, 101).status, Status::kTruncated);
    EXPECT_EQ(container->truncate(kName, -1).status, Status::kTruncated);
    const TruncateOutcome truncated = container->truncate(kName, 35);
    EXPECT_EQ(truncated.status, Status::kOk);
    EXPECT_EQ(container->info(kName).start_offset, 35);
    ASSERT_TRUE(commits(truncated.depends_on));
    // Again is fine and costs nothing; back is not.
    const Lsn before = container->admitted();
    EXPECT_EQ(container->truncate(kName, 35).status, Status::kOk);
    EXPECT_EQ(container->admitted(), before);
    const TruncateOutcome back = container->truncate(kName, 34);
    EXPECT_EQ(back.status, Status::kTruncated);
    EXPECT_EQ(back.start_offset, 35);

    const ReadOutcome gone = read(34);
    EXPECT_EQ(gone.status, ReadStatus::kTruncated);
    EXPECT_EQ(gone.start_offset, 35);
    EXPECT_EQ(read_all(35).size(), 65u);
    const Outcome sealed = container->seal(kName);
    EXPECT_EQ(container->truncate(kName, 100).status, Status::kOk);  // sealed, and all of it
    ASSERT_TRUE(commits(container->admitted()));
    EXPECT_EQ(sealed.status, Status::kOk);

    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(container->info(kName).start_offset, 100);
    EXPECT_EQ(container->info(kName).length, 100);
    EXPECT_EQ(read(99).status, ReadStatus::kTruncated);
    EXPECT_TRUE(read(100).end_of_segment);
}

TEST_F(ContainerTest, AttributesAreComparedSetAndKept) {
    create();
    const AttributeId mark = writer_id(200);
    EXPECT_EQ(container->attribute(kName, mark).value, kNoAttributeValue);
    EXPECT_EQ(container->attribute("no/such/0.#epoch.0", mark).status, Status::kNoSuchSegment);
    EXPECT_EQ(container->set_attribute(kName, mark, 7, 6).status, Status::kConditionFailed);
    EXPECT_EQ(container->set_attribute(kName, mark, 7, kNoAttributeValue).status, Status::kOk);
    EXPECT_EQ(container->set_attribute(kName, mark, 9, 7).value, 9);
    const AttributeOutcome late = container->set_attribute(kName, mark, 10, 7);
    EXPECT_EQ(late.status, Status::kConditionFailed);
    EXPECT_EQ(late.value, 9);
    // A writer's last event number is an attribute as well.
    auto writer = container->setup_append(kName, writer_id(1)).handle;
    EXPECT_EQ(append(writer, 41, "x").status, Status::kOk);
    EXPECT_EQ(container->attribute(kName, writer_id(1)).value, 41);
    const Outcome sealed = container->seal(kName);
    EXPECT_EQ(container->set_attribute(kName, mark, 10, 9).status, Status::kSealed);
    ASSERT_TRUE(commits(sealed.depends_on));
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(container->attribute(kName, mark).value, 9);
    EXPECT_EQ(container->attribute(kName, writer_id(1)).value, 41);
}

TEST_F(ContainerTest, AWriterThatNeverWroteLeavesNothingBehind) {
    create();
    auto old_handle = container->setup_append(kName, writer_id(1)).handle;
    auto new_handle = container->setup_append(kName, writer_id(1)).handle;
    container->release(new_handle);
    EXPECT_FALSE(container->owns(old_handle));
    EXPECT_EQ(append(old_handle, 1, "x").status, Status::kInvalidEventNumber);
    container->release(old_handle);
}

TEST_F(ContainerTest, ALoneAppendCostsOneEntryAndManyShareOne) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    const std::size_t before = log->appends();
    ASSERT_TRUE(commits(append(setup.handle, 1, "one").depends_on));
    EXPECT_EQ(log->appends(), before + 1);
    log->hold(true);
    for (int i = 2; i < 1000; ++i) (void)append(setup.handle, i, "more");
    settle();
    log->hold(false);
    ASSERT_TRUE(commits(container->admitted()));
    EXPECT_LE(log->appends(), before + 3);
}

TEST_F(ContainerTest, LargeAppendsSpanEntriesAndComeBackWhole) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    const std::string small = random_text(3000, 1);
    const std::string large = random_text(16 * 1024 * 1024 - 100, 2);
    const std::string middle = random_text(1024 * 1024, 3);
    (void)append(setup.handle, 1, small);
    (void)append(setup.handle, 2, large);
    (void)append(setup.handle, 3, small);
    (void)append(setup.handle, 4, middle);
    ASSERT_EQ(append(setup.handle, 5, small).status, Status::kOk);
    EXPECT_EQ(append(setup.handle, 6, std::string(17 * 1024 * 1024, 'x')).status, Status::kInvalidArgument);
    ASSERT_TRUE(commits(container->admitted()));
    const std::string all = small + large + small + middle + small;
    EXPECT_TRUE(read_all() == all);
    ASSERT_TRUE(crash().ok());
    EXPECT_TRUE(read_all() == all);
    EXPECT_TRUE(read_all(12345, kName, 10000) == all.substr(12345));
}

TEST_F(ContainerTest, ACrashBetweenTheEntriesOfOneAppendLeavesAllOrNothing) {
    create();
    const std::string before = "before";
    const std::string large = random_text(3 * 1024 * 1024 + 500, 4);
    {
        auto setup = container->setup_append(kName, writer_id(1));
        ASSERT_TRUE(commits(append(setup.handle, 1, before).depends_on));
    }
    const log::FakeLogDisk start = disk;
    for (std::size_t survivors = 0; survivors <= 4; ++survivors) {
        disk = start;
        ASSERT_TRUE(crash().ok());
        auto setup = container->setup_append(kName, writer_id(1));
        log->hold(true);
        ASSERT_EQ(append(setup.handle, 2, large).status, Status::kOk);
        settle();
        // The last part waits behind the full ones.
        ASSERT_EQ(log->unacknowledged().size(), 3u);
        if (survivors == 4) {
            log->hold(false);
            ASSERT_TRUE(commits(container->admitted()));
        }
        ASSERT_TRUE(crash(survivors).ok()) << survivors;
        const bool there = survivors == 4;
        EXPECT_EQ(container->info(kName).length, static_cast<std::int64_t>(before.size() + (there ? large.size() : 0)));
        setup = container->setup_append(kName, writer_id(1));
        EXPECT_EQ(setup.last_event_number, there ? 2 : 1);
        // The void part never comes back, whatever follows it.
        ASSERT_TRUE(commits(append(setup.handle, 7, "after").depends_on));
        const std::string expected = before + (there ? large : "") + "after";
        EXPECT_TRUE(read_all() == expected);
        ASSERT_TRUE(crash().ok());
        EXPECT_TRUE(read_all() == expected);
    }
}

TEST_F(ContainerTest, ARecreatedNameNeverMeetsOldBytes) {
    create();
    auto old_setup = container->setup_append(kName, writer_id(1));
    ASSERT_TRUE(commits(append(old_setup.handle, 3, "old bytes").depends_on));
    const auto waiting = start_read(9);
    log->hold(true);
    EXPECT_EQ(container->remove(kName).status, Status::kOk);
    EXPECT_EQ(container->create(kName, {}).status, Status::kOk);
    auto new_setup = container->setup_append(kName, writer_id(1));
    EXPECT_EQ(new_setup.last_event_number, kNoEventNumber);
    EXPECT_EQ(append(new_setup.handle, 1, "new and longer bytes").length_after, 20);
    EXPECT_EQ(append(old_setup.handle, 4, "x").status, Status::kNoSuchSegment);
    log->hold(false);
    settle();
    ASSERT_TRUE(waiting->outcome);
    EXPECT_EQ(waiting->outcome->status, ReadStatus::kNoSuchSegment);
    EXPECT_EQ(read_all(), "new and longer bytes");
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(), "new and longer bytes");
    EXPECT_EQ(container->setup_append(kName, writer_id(1)).last_event_number, 1);
}

TEST_F(ContainerTest, ReadersSeeCommittedBytesOnly) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    ASSERT_TRUE(commits(append(setup.handle, 1, "abc").depends_on));
    log->hold(true);
    (void)append(setup.handle, 2, "def");
    settle();
    const ReadOutcome outcome = read(1);
    EXPECT_EQ(outcome.data, Bytes::copy_of("bc"));
    EXPECT_TRUE(outcome.at_tail);
    const auto waiting = start_read(3);
    const auto beyond = start_read(5);
    EXPECT_FALSE(waiting->outcome);
    log->hold(false);
    settle();
    ASSERT_TRUE(waiting->outcome);
    EXPECT_EQ(waiting->outcome->data, Bytes::copy_of("def"));
    EXPECT_TRUE(waiting->outcome->at_tail);
    ASSERT_TRUE(beyond->outcome);
    EXPECT_EQ(beyond->outcome->data, Bytes::copy_of("f"));
    log->hold(true);
    EXPECT_EQ(container->create("scope/other/0.#epoch.0", {}).status, Status::kOk);
    const auto unborn = start_read(0, "scope/other/0.#epoch.0");
    EXPECT_FALSE(unborn->outcome);
    unborn->wait.cancel();
    settle();
    ASSERT_TRUE(unborn->outcome);
    EXPECT_EQ(unborn->outcome->status, ReadStatus::kCancelled);
    log->hold(false);
}

TEST_F(ContainerTest, ReadsEndAsTheProtocolSays) {
    EXPECT_EQ(read(0).status, ReadStatus::kNoSuchSegment);
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    ASSERT_TRUE(commits(append(setup.handle, 1, "0123456789").depends_on));
    EXPECT_EQ(read(-1).status, ReadStatus::kIllegalOffset);
    EXPECT_EQ(read(0, 4).data, Bytes::copy_of("0123"));
    EXPECT_FALSE(read(0, 4).at_tail);
    const auto at_end = start_read(10);
    const auto beyond = start_read(12);
    ASSERT_TRUE(commits(container->seal(kName).depends_on));
    settle();
    ASSERT_TRUE(at_end->outcome && beyond->outcome);
    EXPECT_EQ(at_end->outcome->status, ReadStatus::kSealedWhileWaiting);
    EXPECT_EQ(beyond->outcome->status, ReadStatus::kSealedWhileWaiting);
    EXPECT_EQ(read(10).status, ReadStatus::kData);
    EXPECT_TRUE(read(10).end_of_segment);
    EXPECT_TRUE(read(10).data.empty());
    EXPECT_TRUE(read(5).end_of_segment);
    EXPECT_FALSE(read(5).at_tail);
    EXPECT_FALSE(read(5, 2).end_of_segment);
    EXPECT_EQ(read(11).status, ReadStatus::kIllegalOffset);
    create("scope/gone/0.#epoch.0");
    const auto deleted = start_read(0, "scope/gone/0.#epoch.0");
    ASSERT_TRUE(commits(container->remove("scope/gone/0.#epoch.0").depends_on));
    settle();
    ASSERT_TRUE(deleted->outcome);
    EXPECT_EQ(deleted->outcome->status, ReadStatus::kNoSuchSegment);
    create("scope/open/0.#epoch.0");
    const auto open_at_close = start_read(0, "scope/open/0.#epoch.0");
    close();
    ASSERT_TRUE(open_at_close->outcome);
    EXPECT_EQ(open_at_close->outcome->status, ReadStatus::kStopped);
}

TEST_F(ContainerTest, ColdReadsJoinManyAppendsOfManySegments) {
    const std::vector<std::string> names{"s/a/0.#epoch.0", "s/b/0.#epoch.0", "s/c/0.#epoch.0"};
    std::vector<WriterHandle> handles;
    std::vector<std::string> expected(names.size());
    for (const std::string& name : names) {
        create(name);
        handles.push_back(container->setup_append(name, writer_id(1)).handle);
    }
    SeededRandom random{42};
    for (int i = 1; i <= 5000; ++i) {
        const std::size_t s = random.between(0, names.size());
        const std::string data = random_text(random.one_in(20) ? random.between(0, 20000) : random.between(0, 200),
                                             static_cast<std::uint64_t>(i));
        ASSERT_EQ(append(handles[s], i, data).status, Status::kOk);
        expected[s] += data;
        if (random.one_in(50)) settle();
    }
    ASSERT_TRUE(commits(container->admitted()));
    for (std::size_t s = 0; s < names.size(); ++s) EXPECT_TRUE(read_all(0, names[s]) == expected[s]);
    ASSERT_TRUE(crash().ok());
    const std::size_t reads_before = log->reads();
    for (std::size_t s = 0; s < names.size(); ++s) EXPECT_TRUE(read_all(0, names[s]) == expected[s]);
    // Entries read back are kept for the neighbours.
    EXPECT_LE(log->reads() - reads_before, disk.entries.size());
    for (int i = 0; i < 300; ++i) {
        const std::size_t s = random.between(0, names.size());
        const std::size_t from = random.between(0, expected[s].size());
        const std::size_t length = random.between(1, 50000);
        const ReadOutcome outcome = read(static_cast<std::int64_t>(from), length, names[s]);
        ASSERT_EQ(outcome.status, ReadStatus::kData);
        EXPECT_EQ(as_text(outcome.data.view()), std::string_view{expected[s]}.substr(from, length));
    }
}

TEST_F(ContainerTest, AnUnreadableEntryFailsTheReadAndNothingElse) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    ASSERT_TRUE(commits(append(setup.handle, 1, "abc").depends_on));
    ASSERT_TRUE(crash().ok());
    log->set_read_error(true);
    const ReadOutcome outcome = read(0);
    EXPECT_EQ(outcome.status, ReadStatus::kFailed);
    ASSERT_TRUE(outcome.error);
    EXPECT_TRUE(outcome.error->is(ErrorCode::kCorrupt));
    setup = container->setup_append(kName, writer_id(1));
    ASSERT_TRUE(commits(append(setup.handle, 2, "def").depends_on));
    EXPECT_EQ(read(3).data, Bytes::copy_of("def"));
}

class Listener final : public CommitListener {
public:
    bool on_committed(ContainerId, Lsn lsn) override {
        committed = lsn;
        return true;
    }
    void on_full(ContainerId) override { ++full; }
    void on_stopped(ContainerId) override { ++stopped; }

    Lsn committed;
    int full = 0;
    int stopped = 0;
};

TEST_F(ContainerTest, AFullDiskRefusesNewAppendsKeepsOrderAndComesBack) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    ASSERT_TRUE(commits(append(setup.handle, 1, "kept").depends_on));
    Listener listener;
    container->add_listener(listener);
    log->set_full(true);
    std::string expected = "kept";
    Lsn last;
    for (int i = 2; i <= 40; ++i) {
        const std::string data = random_text(200'000, static_cast<std::uint64_t>(i));
        const AppendOutcome outcome = append(setup.handle, i, data);
        ASSERT_EQ(outcome.status, Status::kOk);
        expected += data;
        last = outcome.depends_on.lsn;
    }
    ASSERT_TRUE(world.run_until([&] { return container->full(); }, 1s));
    EXPECT_FALSE(container->refuses());  // it may be a hiccup
    EXPECT_EQ(append(setup.handle, 41, "refused").status, Status::kFull);
    EXPECT_EQ(container->create("s/n/0.#epoch.0", {}).status, Status::kFull);
    EXPECT_EQ(container->seal(kName).status, Status::kFull);
    world.run_for(3s);
    EXPECT_TRUE(container->full());
    EXPECT_TRUE(container->refuses());
    EXPECT_EQ(listener.full, 0);
    world.run_for(3s);
    EXPECT_EQ(listener.full, 1);
    EXPECT_FALSE(container->committed(last));
    EXPECT_EQ(read(0).data, Bytes::copy_of("kept"));
    EXPECT_EQ(container->info(kName).length, 4);
    EXPECT_TRUE(container->settled(container->info(kName).depends_on));
    EXPECT_FALSE(container->settled(container->setup_append(kName, writer_id(9)).depends_on));
    log->set_full(false);
    ASSERT_TRUE(commits(last));
    EXPECT_FALSE(container->full() || container->refuses());
    EXPECT_EQ(append(setup.handle, 42, "again").status, Status::kOk);
    settle();
    EXPECT_TRUE(read_all() == expected + "again");
    container->remove_listener(listener);
    ASSERT_TRUE(crash().ok());
    EXPECT_TRUE(read_all() == expected + "again");
    // And close() ends although the disk is full.
    log->set_full(true);
    setup = container->setup_append(kName, writer_id(1));
    ASSERT_EQ(append(setup.handle, 50, "lost").status, Status::kOk);
    close();
    EXPECT_EQ(credits.taken(), 0u);
}

TEST_F(ContainerTest, NothingOvertakesAnEntryThatWasRefused) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    log->hold(true);
    ASSERT_EQ(append(setup.handle, 1, "first").status, Status::kOk);
    settle();
    ASSERT_EQ(log->waiting(), 1u);
    // The next entry is about to be sent when the first is refused, and would find room.
    ASSERT_EQ(append(setup.handle, 2, "second").status, Status::kOk);
    log->refuse_waiting();
    log->hold(false);
    ASSERT_TRUE(commits(container->admitted()));
    EXPECT_FALSE(failure);
    EXPECT_EQ(read_all(), "firstsecond");
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(), "firstsecond");
}

TEST_F(ContainerTest, AFailedLogStopsEverythingButReads) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    ASSERT_TRUE(commits(append(setup.handle, 1, "safe").depends_on));
    Listener listener;
    container->add_listener(listener);
    const AppendOutcome doomed = append(setup.handle, 2, "doomed");
    log->fail();
    ASSERT_TRUE(world.run_until([&] { return failure.has_value(); }, 1s));
    EXPECT_TRUE(failure->is(ErrorCode::kIo));
    EXPECT_NE(failure->detail().find("container 5"), std::string::npos);
    EXPECT_EQ(listener.stopped, 1);
    EXPECT_FALSE(container->settled(doomed.depends_on));
    EXPECT_EQ(append(setup.handle, 3, "x").status, Status::kStopped);
    EXPECT_EQ(container->info(kName).status, Status::kStopped);
    EXPECT_EQ(read(0).data, Bytes::copy_of("safe"));
    Container* const stopped = container.get();
    EXPECT_FALSE(world.run([stopped, doomed] { return stopped->wait_settled(doomed.depends_on); }));
}

TEST_F(ContainerTest, CreditsCountWhatIsNotCommitted) {
    create();
    EXPECT_EQ(credits.taken(), 0u);
    log->hold(true);
    auto setup = container->setup_append(kName, writer_id(1));
    const std::string data(10 * 1024 * 1024, 'x');
    for (int i = 1; i <= 6; ++i) (void)append(setup.handle, i, data);
    EXPECT_TRUE(credits.available());
    (void)append(setup.handle, 7, data);
    EXPECT_FALSE(credits.available());
    EXPECT_TRUE(credits.reserve_available());
    log->hold(false);
    ASSERT_TRUE(commits(container->admitted()));
    EXPECT_EQ(credits.taken(), 0u);
}

TEST_F(ContainerTest, CloseCommitsWhatWasAdmitted) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    for (int i = 1; i <= 100; ++i) ASSERT_EQ(append(setup.handle, i, "x").status, Status::kOk);
    close();
    ASSERT_TRUE(open().ok());
    EXPECT_EQ(read_all(), std::string(100, 'x'));
}

TEST_F(ContainerTest, CloseEndsReadsOfASegmentWhoseNameIsTakenAgain) {
    create();
    const auto waiting = start_read(0);
    log->set_full(true);
    ASSERT_EQ(container->remove(kName).status, Status::kOk);
    ASSERT_EQ(container->create(kName, {}).status, Status::kOk);
    ASSERT_TRUE(world.run_until([&] { return container->full(); }, 1s));
    EXPECT_FALSE(waiting->outcome);
    close();
    settle();
    ASSERT_TRUE(waiting->outcome);
    EXPECT_EQ(waiting->outcome->status, ReadStatus::kStopped);
}

TEST_F(ContainerTest, DamageStopsRecoveryAndNamesTheEntry) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    for (int i = 1; i <= 5; ++i) ASSERT_TRUE(commits(append(setup.handle, i, "event").depends_on));
    ASSERT_EQ(disk.entries.size(), 6u);
    const std::vector<Bytes> good = disk.entries;
    const auto refused = [&](const std::string& why) {
        const auto opened = crash();
        EXPECT_FALSE(opened.ok()) << why;
        if (opened) return;
        EXPECT_TRUE(opened.error().is(ErrorCode::kCorrupt)) << opened.error().to_string();
        EXPECT_NE(opened.error().detail().find("container 5: log entry 4"), std::string::npos)
            << why << ": " << opened.error().to_string();
    };
    ByteBuffer flipped;
    flipped.append(good[3].view());
    flipped.back() ^= std::byte{1};
    disk.entries[3] = Bytes{std::move(flipped)};
    refused("a flipped bit");
    disk.entries = good;
    disk.entries[3] = good[4];
    refused("a missing entry");
    disk.entries = good;
    disk.entries.insert(disk.entries.begin() + 3, good[2]);
    refused("a doubled entry");
    disk.entries = good;
    disk.entries[3] = good[0];
    refused("a creation in the wrong place");
    disk.entries = good;
    ASSERT_TRUE(crash().ok());
    EXPECT_EQ(read_all(), "eventeventeventeventevent");
}

// A log that somebody else may take over.
class SharedContainerTest : public ContainerTest {
protected:
    SharedContainerTest() { disk.exclusive = false; }
};

TEST_F(ContainerTest, AsksForNoProofOfALogThatIsItsOwn) {
    create();
    EXPECT_TRUE(container->settled(container->info(kName).depends_on));
    EXPECT_EQ(container->info("scope/none/0.#epoch.0").depends_on, Dependency{});
    settle();
    EXPECT_EQ(log->confirmations(), 0u);
}

TEST_F(SharedContainerTest, ProvesWhatItTellsFromMemory) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    ASSERT_TRUE(commits(append(setup.handle, 1, "a").depends_on));
    ASSERT_TRUE(commits(setup.depends_on));
    log->hold_confirmations(true);
    const std::vector<Bytes> data{Bytes::copy_of("data")};
    const std::vector<Dependency> facts{
        container->info(kName).depends_on,
        container->info("scope/none/0.#epoch.0").depends_on,
        container->create(kName, {}).depends_on,
        container->seal("scope/none/0.#epoch.0").depends_on,
        container->remove("scope/none/0.#epoch.0").depends_on,
        container->truncate("scope/none/0.#epoch.0", 1).depends_on,
        container->truncate(kName, 0).depends_on,
        container->truncate(kName, 9).depends_on,
        container->attribute(kName, writer_id(1)).depends_on,
        container->attribute("scope/none/0.#epoch.0", writer_id(1)).depends_on,
        container->set_attribute(kName, writer_id(7), 1, 9).depends_on,
        container->setup_append(kName, writer_id(2)).depends_on,
        container->setup_append("scope/none/0.#epoch.0", writer_id(2)).depends_on,
        container->append(setup.handle, EventNumbers::of_one_append(1, 1), data).depends_on,
        container->append(setup.handle, EventNumbers::of_one_append(2, 1), data, 0).depends_on,
        read(0, 1, "scope/none/0.#epoch.0").depends_on,
    };
    settle();
    for (const Dependency& fact : facts) EXPECT_FALSE(container->settled(fact));
    // One check for all of them; what is committed needs none.
    EXPECT_TRUE(commits(append(setup.handle, 2, "b").depends_on));
    EXPECT_EQ(as_text(read(0).data.view()), "ab");
    log->hold_confirmations(false);
    for (const Dependency& fact : facts) EXPECT_TRUE(commits(fact));
    EXPECT_LE(log->confirmations(), 3u);
}

TEST_F(SharedContainerTest, ACheckThatWasUnderWayProvesNothingToWhoAskedLater) {
    create();
    log->hold_confirmations(true);
    const Dependency early = container->info(kName).depends_on;
    settle();
    const Dependency late = container->info(kName).depends_on;
    EXPECT_NE(early, late);
    log->hold_confirmations(false);
    EXPECT_TRUE(commits(late));
}

TEST_F(SharedContainerTest, WithoutProofFactsWaitAndAppendsDoNot) {
    create();
    auto setup = container->setup_append(kName, writer_id(1));
    log->set_unproven(true);
    const Dependency fact = container->info(kName).depends_on;
    EXPECT_TRUE(commits(append(setup.handle, 1, "a").depends_on));
    world.run_for(10s);
    EXPECT_FALSE(container->settled(fact) || container->stopped());
    log->set_unproven(false);
    EXPECT_TRUE(commits(fact));
}

TEST_F(SharedContainerTest, StopsWhenItWasReplaced) {
    create();
    Listener listener;
    container->add_listener(listener);
    log->set_fenced(true);
    const Dependency fact = container->info(kName).depends_on;
    EXPECT_FALSE(commits(fact));
    EXPECT_TRUE(container->stopped());
    EXPECT_EQ(listener.stopped, 1);
    ASSERT_TRUE(failure);
    EXPECT_TRUE(failure->is(ErrorCode::kFenced));
    Container* const stopped = container.get();
    EXPECT_FALSE(world.run([stopped, fact] { return stopped->wait_settled(fact); }));
}

}  // namespace
}  // namespace millrace::container
