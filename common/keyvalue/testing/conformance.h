// SPDX-License-Identifier: Apache-2.0
//
// What every engine must do. A test program of an implementation includes this header once, instantiates the suite with
// a factory of its own, and may run histories with other seeds and faults:
//     INSTANTIATE_TEST_SUITE_P(RocksDb, KeyValueConformance, testing::Values(factory));
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/crc32c.h"
#include "common/keyvalue/testing/history.h"
#include "common/runtime/gate.h"

namespace millrace::keyvalue {

class KeyValueConformance : public testing::TestWithParam<HarnessFactory> {
protected:
    KeyValueConformance() : harness_{GetParam()(1)} {}
    ~KeyValueConformance() override { close(); }

    Harness& harness() { return *harness_; }
    // Runs a coroutine that returns a Result to its end.
    template <class F, class R = typename std::invoke_result_t<F&>::value_type>
    R run(F body) {
        return run_in(*harness_, std::move(body));
    }
    StoreOptions options(bool log = false) {
        StoreOptions options;
        options.directory = harness_->directory() + "/store";
        options.log = log;
        options.write_buffer_bytes = 256 * 1024;
        return options;
    }
    Result<std::unique_ptr<Store>> try_open(StoreOptions options) {
        return run([this, options] { return harness_->engine().open(harness_->runtime(), options); });
    }
    void open(bool log = false) { open(options(log)); }
    void open(StoreOptions options) {
        Result<std::unique_ptr<Store>> opened = try_open(std::move(options));
        ASSERT_TRUE(opened.ok()) << opened.error().to_string();
        store_ = std::move(opened).value();
    }
    void close() {
        if (store_) close_in(*harness_, *store_);
        store_.reset();
    }
    Store& store() { return *store_; }

    Result<void> write(WriteBatch batch, Durability durability = Durability::kBuffered) {
        return run([this, batch, durability] { return store_->write(batch, durability); });
    }
    Result<void> put(std::string key, std::string value) {
        WriteBatch batch;
        batch.put(key, value);
        return write(std::move(batch));
    }
    std::optional<std::string> get(std::string key) { return get(store(), key); }
    std::optional<std::string> get(Reader& reader, std::string key) {
        const auto found = run([&reader, key] { return reader.get(key); });
        EXPECT_TRUE(found.ok()) << found.error().to_string();
        return found.ok() ? *found : std::nullopt;
    }
    Result<Page> scan(std::string begin, std::string end, PageLimit limit = {}) {
        return run([this, begin, end, limit] { return store().scan(begin, end, limit); });
    }
    std::string keys(std::string begin, std::string end) {
        const Result<Page> page = scan(begin, end);
        EXPECT_TRUE(page.ok() && !page->next);
        std::string all;
        for (const Row& row : page->rows) all += row.key + " ";
        return all;
    }
    template <class T>
    static ErrorCode code(const Result<T>& result) {
        return result.ok() ? ErrorCode{} : result.error().code();
    }

    // All of a pin's files, into a new directory.
    void copy(PinnedFiles& pin, const std::string& to) {
        const Result<void> copied = run([this, &pin, to]() -> Task<Result<void>> {
            MR_CO_TRY(const std::unique_ptr<Restore> restore, co_await harness_->engine().restore(harness_->runtime(), to));
            for (std::size_t i = 0; i < pin.files().size(); ++i) {
                constexpr std::size_t kPieceBytes = 1000;
                std::uint32_t checksum = 0;
                std::uint64_t at = 0;
                for (;;) {
                    MR_CO_TRY(const Bytes piece, co_await pin.read(i, at, kPieceBytes));
                    checksum = crc32c(piece.view(), checksum);
                    at += piece.size();
                    MR_CO_TRY_VOID(co_await restore->write(pin.files()[i].name, piece));
                    if (piece.size() < kPieceBytes) break;
                }
                EXPECT_EQ(at, pin.files()[i].size) << pin.files()[i].name;
                EXPECT_EQ(checksum, pin.files()[i].crc32c) << pin.files()[i].name;
            }
            co_return co_await restore->finish();
        });
        ASSERT_TRUE(copied.ok()) << copied.error().to_string();
    }
    std::unique_ptr<PinnedFiles> pin() {
        Result<std::unique_ptr<PinnedFiles>> pin = run([this] { return store().pin_files(); });
        EXPECT_TRUE(pin.ok()) << pin.error().to_string();
        return pin.ok() ? std::move(pin).value() : nullptr;
    }

private:
    std::unique_ptr<Harness> harness_;
    std::unique_ptr<Store> store_;
};

TEST_P(KeyValueConformance, ReadsBackWhatWasWritten) {
    open();
    const std::string odd{"\x00\xff\x01", 3};
    ASSERT_TRUE(put("a", "1").ok());
    ASSERT_TRUE(put(odd, std::string{"\x00", 1}).ok());
    ASSERT_TRUE(put("", "of the empty key").ok());
    ASSERT_TRUE(put("empty", "").ok());
    EXPECT_EQ(get("a"), "1");
    EXPECT_EQ(get(odd), (std::string{"\x00", 1}));
    EXPECT_EQ(get(""), "of the empty key");
    EXPECT_EQ(get("empty"), "");
    EXPECT_EQ(get("b"), std::nullopt);
}

TEST_P(KeyValueConformance, LaterChangesOfABatchWin) {
    open();
    WriteBatch batch;
    batch.put("a", "1");
    batch.remove("a");
    batch.put("b", "1");
    batch.put("b", "2");
    batch.put("c1", "x");
    batch.put("c2", "x");
    batch.remove_range("c", "d");
    batch.put("c2", "again");
    batch.remove("never there");
    ASSERT_TRUE(write(std::move(batch)).ok());
    EXPECT_EQ(keys("", ""), "b c2 ");
    EXPECT_EQ(get("b"), "2");
    EXPECT_EQ(get("c2"), "again");
}

TEST_P(KeyValueConformance, RemovesRangesWithAndWithoutAnEnd) {
    open();
    WriteBatch batch;
    for (const char* key : {"a", "b", "ba", "c", "\xff\xff"}) batch.put(key, "");
    ASSERT_TRUE(write(batch).ok());
    WriteBatch some;
    some.remove_range("b", "c");
    some.remove_range("z", "a");  // empty
    ASSERT_TRUE(write(some).ok());
    EXPECT_EQ(keys("", ""), "a c \xff\xff ");
    WriteBatch rest;
    rest.remove_range("b", "");
    ASSERT_TRUE(write(rest).ok());
    EXPECT_EQ(keys("", ""), "a ");
}

TEST_P(KeyValueConformance, ScansInOrderByPages) {
    open();
    WriteBatch batch;
    for (int i = 0; i < 100; ++i) batch.put("k" + std::to_string(1000 + i), std::string(10, 'v'));
    batch.put("j", "");
    batch.put("l", "");
    ASSERT_TRUE(write(std::move(batch)).ok());
    std::string begin = "k";
    std::vector<std::size_t> pages;
    int next = 1000;
    for (;;) {
        const Result<Page> page = scan(begin, end_of_prefix("k"), PageLimit{.rows = 30, .bytes = 1 << 20});
        ASSERT_TRUE(page.ok());
        pages.push_back(page->rows.size());
        for (const Row& row : page->rows) EXPECT_EQ(row.key, "k" + std::to_string(next++));
        if (!page->next) break;
        begin = *page->next;
    }
    EXPECT_EQ(pages, (std::vector<std::size_t>{30, 30, 30, 10}));
    // 15 bytes a row.
    EXPECT_EQ(scan("k", "l", PageLimit{.rows = 1000, .bytes = 45})->rows.size(), 3U);
    EXPECT_EQ(scan("k", "l", PageLimit{.rows = 1000, .bytes = 1})->rows.size(), 1U);
    EXPECT_EQ(scan("k1100", "l")->rows.size(), 0U);
    EXPECT_EQ(scan("l", "k")->rows.size(), 0U);
    EXPECT_EQ(code(scan("k", "l", PageLimit{.rows = 0, .bytes = 1})), ErrorCode::kInvalidArgument);
}

TEST_P(KeyValueConformance, GetsManyKeysAtOnce) {
    open();
    ASSERT_TRUE(put("a", "1").ok());
    ASSERT_TRUE(put("c", "3").ok());
    const auto found = run([this] { return store().multi_get({"c", "b", "a", "c"}); });
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(*found, (std::vector<std::optional<std::string>>{"3", std::nullopt, "1", "3"}));
    EXPECT_EQ(run([this] { return store().multi_get({}); })->size(), 0U);
    EXPECT_EQ(code(run([this] { return store().multi_get(std::vector<std::string>(kMultiGetKeysMax + 1)); })),
              ErrorCode::kTooLarge);
}

TEST_P(KeyValueConformance, ASnapshotStaysAsItWas) {
    open();
    ASSERT_TRUE(put("a", "1").ok());
    auto snapshot = run([this] { return store().snapshot(); });
    ASSERT_TRUE(snapshot.ok());
    ASSERT_TRUE(put("a", "2").ok());
    ASSERT_TRUE(put("b", "2").ok());
    ASSERT_TRUE(run([this] { return store().flush(); }).ok());
    ASSERT_TRUE(run([this] { return store().compact(); }).ok());
    EXPECT_TRUE(run([this] { return store().verify(); }).ok());
    EXPECT_EQ(get(**snapshot, "a"), "1");
    EXPECT_EQ(get(**snapshot, "b"), std::nullopt);
    EXPECT_EQ(run([&] { return (*snapshot)->scan("", "", {}); })->rows, (std::vector<Row>{{"a", "1"}}));
    EXPECT_EQ(get("a"), "2");
    close();
    EXPECT_EQ(code(run([&] { return (*snapshot)->get("a"); })), ErrorCode::kClosed);
}

TEST_P(KeyValueConformance, RefusesWhatIsTooLarge) {
    open();
    EXPECT_EQ(code(put(std::string(kKeyBytesMax + 1, 'k'), "")), ErrorCode::kTooLarge);
    EXPECT_EQ(code(put("k", std::string(kValueBytesMax + 1, 'v'))), ErrorCode::kTooLarge);
    EXPECT_TRUE(put(std::string(kKeyBytesMax, 'k'), std::string(kValueBytesMax, 'v')).ok());
    EXPECT_EQ(code(run([this] { return store().get(std::string(kKeyBytesMax + 1, 'k')); })), ErrorCode::kTooLarge);
}

TEST_P(KeyValueConformance, WithoutALogSyncedWritesAreRefused) {
    open();
    WriteBatch batch;
    batch.put("a", "");
    EXPECT_EQ(code(write(batch, Durability::kSynced)), ErrorCode::kInvalidArgument);
    EXPECT_EQ(get("a"), std::nullopt);
}

TEST_P(KeyValueConformance, ConcurrentWritesTakeEffectInTheOrderOfTheCalls) {
    for (const bool log : {false, true}) {
        open(log);
        constexpr int kWriters = 200;
        auto failures = std::make_shared<int>(0);
        const Result<bool> ended = run([this, log, failures]() -> Task<Result<bool>> {
            Gate writers;
            for (int i = 0; i < kWriters; ++i) {
                writers.spawn(harness().runtime().executor, [this, log, failures, i]() -> Task<void> {
                    WriteBatch batch;
                    batch.put("newest", std::to_string(i));
                    batch.put("w" + std::to_string(i), "");
                    if (!(co_await store().write(batch, log ? Durability::kSynced : Durability::kBuffered)).ok()) ++*failures;
                });
            }
            co_await writers.close();
            co_return true;
        });
        ASSERT_TRUE(ended.ok());
        EXPECT_EQ(*failures, 0);
        EXPECT_EQ(get("newest"), std::to_string(kWriters - 1));
        const Result<Statistics> statistics = run([this] { return store().statistics(); });
        ASSERT_TRUE(statistics.ok());
        EXPECT_EQ(statistics->batches, static_cast<std::uint64_t>(kWriters));
        EXPECT_LT(statistics->groups, static_cast<std::uint64_t>(kWriters / 2)) << "they share syncs";
        close();
    }
}

TEST_P(KeyValueConformance, AnEmptyBatchIsAWriteToo) {
    open(true);
    EXPECT_TRUE(write(WriteBatch{}, Durability::kSynced).ok());
    ASSERT_TRUE(put("a", "1").ok());
    EXPECT_TRUE(write(WriteBatch{}, Durability::kSynced).ok());
    if (harness().crash_during([]() -> Task<void> { co_return; })) {
        close();
        open(true);
        EXPECT_EQ(get("a"), "1");
    }
}

TEST_P(KeyValueConformance, KeepsEverythingOverCloseAndOpen) {
    for (const bool log : {false, true}) {
        open(log);
        ASSERT_TRUE(put(log ? "a" : "b", "1").ok());
        close();
        open(log);
        EXPECT_EQ(get(log ? "a" : "b"), "1");
        close();
    }
}

TEST_P(KeyValueConformance, AnOpenDirectoryIsInUse) {
    open();
    const auto second = try_open(options());
    ASSERT_EQ(code(second), ErrorCode::kInUse);
    EXPECT_NE(second.error().detail().find(options().directory), std::string::npos) << second.error().detail();
    EXPECT_TRUE(harness().names_pid(second.error().detail())) << second.error().detail();
    EXPECT_EQ(code(run([this] { return harness().engine().destroy(harness().runtime(), options().directory); })),
              ErrorCode::kInUse);
    close();
    open();
}

TEST_P(KeyValueConformance, ReadOnlyStoresTakeNoWrites) {
    StoreOptions reading = options();
    reading.read_only = true;
    EXPECT_EQ(code(try_open(reading)), ErrorCode::kNotFound);
    open();
    ASSERT_TRUE(put("a", "1").ok());
    close();
    open(reading);
    EXPECT_EQ(get("a"), "1");
    EXPECT_EQ(code(put("a", "2")), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(run([this] { return store().flush(); }).ok());
    close();
}

TEST_P(KeyValueConformance, AClosedStoreSaysSo) {
    open();
    close_in(harness(), store());
    EXPECT_EQ(code(put("a", "1")), ErrorCode::kClosed);
    EXPECT_EQ(code(run([this] { return store().get("a"); })), ErrorCode::kClosed);
    EXPECT_EQ(code(run([this] { return store().flush(); })), ErrorCode::kClosed);
    EXPECT_EQ(code(run([this] { return store().snapshot(); })), ErrorCode::kClosed);
    const Result<bool> failed = run([this]() -> Task<Result<bool>> { co_return (co_await store().failed()).is(ErrorCode::kClosed); });
    EXPECT_TRUE(failed.ok() && *failed);
    EXPECT_FALSE(store().stopped());
}

TEST_P(KeyValueConformance, RefusesWritesWhileTheDiskIsNearlyFull) {
    StoreOptions much = options();
    much.keep_free_bytes = UINT64_MAX;
    open(much);
    const Result<void> refused = put("a", "1");
    ASSERT_EQ(code(refused), ErrorCode::kNoSpace);
    EXPECT_EQ(refused.error().fate(), Fate::kNotApplied);
    EXPECT_FALSE(store().stopped());
    EXPECT_EQ(get("a"), std::nullopt);
    close();
}

TEST_P(KeyValueConformance, PinnedFilesMakeTheSameStoreElsewhere) {
    open();
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(put("k" + std::to_string(i), std::string(3000, static_cast<char>('a' + i))).ok());
        if (i % 5 == 0) ASSERT_TRUE(run([this] { return store().flush(); }).ok());
    }
    auto first = pin();
    ASSERT_TRUE(first);
    // What is written, removed and compacted since does not touch them.
    WriteBatch wipe;
    wipe.remove_range("", "");
    wipe.put("new", "");
    ASSERT_TRUE(write(std::move(wipe)).ok());
    ASSERT_TRUE(run([this] { return store().compact(); }).ok());
    EXPECT_EQ(keys("", ""), "new ");
    copy(*first, harness().directory() + "/copy");
    first.reset();
    close();
    StoreOptions copied = options();
    copied.directory = harness().directory() + "/copy";
    open(copied);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(get("k" + std::to_string(i)), std::string(3000, static_cast<char>('a' + i)));
    ASSERT_TRUE(put("more", "").ok());
    close();
}

TEST_P(KeyValueConformance, PinsShareFilesThatDidNotChange) {
    open();
    ASSERT_TRUE(put("a", "1").ok());
    auto first = pin();
    ASSERT_TRUE(put("b", "1").ok());
    auto second = pin();
    ASSERT_TRUE(first && second);
    std::size_t shared = 0;
    for (const PinnedFiles::File& file : first->files()) {
        for (const PinnedFiles::File& other : second->files()) {
            if (file.shareable && other.shareable && file.name == other.name) {
                EXPECT_EQ(file.crc32c, other.crc32c);
                EXPECT_EQ(file.size, other.size);
                ++shared;
            }
        }
    }
    EXPECT_GE(shared, 1U);
    close();
    EXPECT_EQ(code(run([&] { return first->read(0, 0, 10); })), ErrorCode::kClosed);
}

TEST_P(KeyValueConformance, ARestoreIsNothingBeforeItsEnd) {
    open();
    ASSERT_TRUE(put("a", "1").ok());
    const auto pinned = pin();
    ASSERT_TRUE(pinned);
    const std::string to = harness().directory() + "/copy";
    EXPECT_EQ(code(run([&] { return harness().engine().restore(harness().runtime(), options().directory); })),
              ErrorCode::kInUse);
    {
        auto restore = run([&] { return harness().engine().restore(harness().runtime(), to); });
        ASSERT_TRUE(restore.ok());
        EXPECT_EQ(code(run([&] { return (*restore)->write("../evil", Bytes{}); })), ErrorCode::kInvalidArgument);
        const auto piece = run([&] { return pinned->read(0, 0, 10); });
        ASSERT_TRUE(piece.ok());
        EXPECT_TRUE(run([&] { return (*restore)->write(pinned->files()[0].name, *piece); }).ok());
    }
    StoreOptions there = options();
    there.directory = to;
    there.read_only = true;
    EXPECT_EQ(code(try_open(there)), ErrorCode::kNotFound);
    copy(*pinned, to);
    EXPECT_EQ(code(run([&] { return harness().engine().restore(harness().runtime(), to); })), ErrorCode::kAlreadyExists);
    close();
    open(there);
    EXPECT_EQ(get("a"), "1");
    close();
}

TEST_P(KeyValueConformance, DestroyLeavesNothing) {
    const auto destroy = [this] {
        return run([this] { return harness().engine().destroy(harness().runtime(), options().directory); });
    };
    EXPECT_TRUE(destroy().ok()) << "nothing there";
    open();
    ASSERT_TRUE(put("a", "1").ok());
    close();
    ASSERT_TRUE(destroy().ok());
    open();
    EXPECT_EQ(keys("", ""), "");
    close();
}

TEST_P(KeyValueConformance, FollowsTheModelOnRandomHistories) {
    close();
    for (const bool log : {false, true}) {
        for (std::uint64_t seed = 1; seed <= 6; ++seed) {
            const auto harness = GetParam()(seed);
            const auto wrong = run_history(*harness, HistoryOptions{.seed = seed, .log = log, .steps = harness->steps()});
            ASSERT_FALSE(wrong) << "seed " << seed << (log ? " with" : " without") << " log: " << *wrong;
        }
    }
}

}  // namespace millrace::keyvalue
