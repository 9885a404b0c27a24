// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/rocksdb/rocksdb_engine.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/keyvalue/rocksdb/engine_on.h"
#include "common/keyvalue/rocksdb/testing/fault_file_system.h"
#include "common/keyvalue/testing/conformance.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"

namespace millrace::keyvalue {
namespace {

class ScratchDirectory {
public:
    ScratchDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "millrace-keyvalue-XXXXXX").string();
        MR_CHECK(mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string below(const std::string& name) const {
        std::filesystem::create_directories(path_ / name);
        return (path_ / name).string();
    }

private:
    std::filesystem::path path_;
};

// RocksDB on the machine's own file system, or on one that can lose power.
class RocksHarness final : public Harness {
public:
    RocksHarness(std::uint64_t seed, bool faulty) : random_{seed} {
        runtime_.start_thread("mr-test");
        if (faulty) {
            disk_ = std::make_unique<FaultDisk>(seed, scratch_.below("graveyard"));
            boot();
        } else {
            engine_ = make_rocksdb_engine();
        }
    }

    Engine& engine() override { return *engine_; }
    Runtime runtime() override { return runtime_.bundle(); }
    std::string directory() override { return scratch_.below("data"); }
    void run(UniqueFunction<Task<void>()> body) override {
        block_on(runtime_.executor(), [body = std::move(body)]() mutable -> Task<bool> {
            co_await body();
            co_return true;
        });
    }
    bool crash_during(UniqueFunction<Task<void>()> body) override {
        if (!disk_) return false;
        disk_->die_in(random_.between(1, random_.one_in(2) ? 30 : 200));
        run(std::move(body));
        disk_->crash();
        boot();
        return true;
    }
    // A crash takes a second: so long RocksDB waits after a flush that failed.
    int steps() const override { return disk_ ? 25 : 300; }
    bool names_pid(const std::string& detail) override {
        return detail.find("process " + std::to_string(::getpid()) + ",") != std::string::npos;
    }

    FaultDisk& disk() { return *disk_; }

private:
    void boot() {
        // Those of before outlive their stores.
        environments_.push_back(rocksdb::NewCompositeEnv(make_fault_file_system(*disk_)));
        engine_ = make_rocksdb_engine_on(*environments_.back(), EngineOptions{});
    }

    SeededRandom random_;
    ScratchDirectory scratch_;
    AsioRuntime runtime_{AsioRuntimeOptions{.seed = 1}};
    std::unique_ptr<FaultDisk> disk_;
    std::vector<std::unique_ptr<rocksdb::Env>> environments_;
    std::shared_ptr<Engine> engine_;
};

INSTANTIATE_TEST_SUITE_P(RocksDb, KeyValueConformance,
                         testing::Values([](std::uint64_t seed) { return std::make_unique<RocksHarness>(seed, false); }));
INSTANTIATE_TEST_SUITE_P(RocksDbOnFaultDisk, KeyValueConformance,
                         testing::Values([](std::uint64_t seed) { return std::make_unique<RocksHarness>(seed, true); }));

struct RocksDbEngine : testing::Test {
    void open(StoreOptions options) {
        auto opened = try_open(std::move(options));
        ASSERT_TRUE(opened.ok()) << opened.error().to_string();
        store = std::move(opened).value();
    }
    Result<std::unique_ptr<Store>> try_open(StoreOptions options) {
        return run_in(harness, [this, options] { return harness.engine().open(harness.runtime(), options); });
    }
    StoreOptions options(bool log) {
        StoreOptions options;
        options.directory = harness.directory() + "/s";
        options.log = log;
        options.write_buffer_bytes = 64 * 1024;
        return options;
    }
    Result<void> put(const std::string& key, const std::string& value, Durability durability) {
        return run_in(harness, [&] {
            WriteBatch batch;
            batch.put(key, value);
            return store->write(std::move(batch), durability);
        });
    }
    Result<std::optional<std::string>> get(const std::string& key) {
        return run_in(harness, [&] { return store->get(key); });
    }
    void close() {
        if (store) close_in(harness, *store);
        store.reset();
    }
    ~RocksDbEngine() override { close(); }

    std::vector<std::filesystem::path> files(const std::string& extension) {
        std::vector<std::filesystem::path> found;
        for (const auto& entry : std::filesystem::directory_iterator{options(true).directory + "/db"}) {
            if (entry.path().extension() == extension) found.push_back(entry.path());
        }
        std::sort(found.begin(), found.end());
        return found;
    }
    static void flip(const std::filesystem::path& path, std::uint64_t offset) {
        std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
        file.seekg(static_cast<std::streamoff>(offset));
        const char byte = static_cast<char>(file.get());
        file.seekp(static_cast<std::streamoff>(offset));
        file.put(static_cast<char>(byte ^ 0x40));
    }

    RocksHarness harness{1, true};
    std::unique_ptr<Store> store;
};

TEST_F(RocksDbEngine, LeavesWholeBatchesInOrderAfterACrash) {
    for (const bool log : {false, true}) {
        for (std::uint64_t seed = 100; seed < 104; ++seed) {
            RocksHarness crashing{seed, true};
            const auto wrong = run_history(crashing, HistoryOptions{.seed = seed, .log = log, .steps = crashing.steps()});
            ASSERT_FALSE(wrong) << "seed " << seed << (log ? " with" : " without") << " log: " << *wrong;
        }
    }
}

TEST_F(RocksDbEngine, DamageInWhatWasSyncedIsFoundATornEndIsNot) {
    open(options(true));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(put("k" + std::to_string(i), std::string(100, 'v'), Durability::kSynced).ok());
    close();
    const std::filesystem::path log = files(".log").back();
    const std::uint64_t size = std::filesystem::file_size(log);
    ASSERT_GT(size, 1000U);
    flip(log, 300);
    const auto refused = try_open(options(true));
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kCorrupt)) << refused.error().to_string();
    EXPECT_NE(refused.error().detail().find(log.string()), std::string::npos) << refused.error().detail();
    flip(log, 300);
    // Nobody can have been told of the last one, as far as the log says.
    flip(log, size - 50);
    open(options(true));
    EXPECT_EQ(*get("k8"), std::string(100, 'v'));
    EXPECT_EQ(*get("k9"), std::nullopt);
}

TEST_F(RocksDbEngine, UnsyncedBatchesMayTearWithoutBeingDamage) {
    open(options(true));
    ASSERT_TRUE(put("first", "", Durability::kSynced).ok());
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(put("k" + std::to_string(i), std::string(100, 'v'), Durability::kBuffered).ok());
    close();
    flip(files(".log").back(), 400);
    // close() synced them, but no record behind says so.
    open(options(true));
    EXPECT_EQ(*get("first"), "");
    EXPECT_EQ(*get("k9"), std::nullopt);
}

TEST_F(RocksDbEngine, AFailedSyncStopsTheStore) {
    open(options(true));
    ASSERT_TRUE(put("a", "1", Durability::kSynced).ok());
    harness.disk().fail_in(2, FaultDisk::Fault::kIo);  // the write, its sync
    const Result<void> failed = put("a", "2", Durability::kSynced);
    ASSERT_FALSE(failed.ok());
    EXPECT_TRUE(failed.error().is(ErrorCode::kIo)) << failed.error().to_string();
    EXPECT_EQ(failed.error().fate(), Fate::kUnknown);
    ASSERT_TRUE(store->stopped());
    EXPECT_TRUE(run_in(harness, [this]() -> Task<Result<bool>> { co_return (co_await store->failed()).is(ErrorCode::kIo); }).value());
    EXPECT_TRUE(put("a", "3", Durability::kSynced).error().is(ErrorCode::kUnavailable));
    EXPECT_TRUE(get("a").error().is(ErrorCode::kUnavailable));
    close();
    open(options(true));
    const auto found = get("a");
    ASSERT_TRUE(found.ok());
    EXPECT_TRUE(*found == "1" || *found == "2");
}

TEST_F(RocksDbEngine, AFailedFlushInTheBackgroundStopsTheStore) {
    open(options(false));
    ASSERT_TRUE(put("a", "1", Durability::kBuffered).ok());
    ASSERT_TRUE(run_in(harness, [this] { return store->flush(); }).ok());
    harness.disk().fail_in(1, FaultDisk::Fault::kNoSpace, true);
    // More than the buffer takes, until it is noticed.
    for (int i = 0; i < 10'000 && !store->stopped(); ++i) {
        if (!put("b" + std::to_string(i), std::string(4000, 'v'), Durability::kBuffered).ok()) break;
    }
    const Error why = run_in(harness, [this] { return store->failed(); });
    EXPECT_TRUE(why.is(ErrorCode::kNoSpace)) << why.to_string();
    EXPECT_TRUE(get("a").error().is(ErrorCode::kUnavailable));
    close();
    ASSERT_TRUE(harness.crash_during([]() -> Task<void> { co_return; }));
    open(options(false));
    EXPECT_EQ(*get("a"), "1");
}

TEST_F(RocksDbEngine, DamagedTablesAreNamed) {
    open(options(false));
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(put("k" + std::to_string(i), std::string(100, 'v'), Durability::kBuffered).ok());
    close();
    const auto tables = files(".sst");
    ASSERT_FALSE(tables.empty());
    // The largest; another one holds the format only, and without it the store would not even open.
    flip(*std::max_element(tables.begin(), tables.end(), [](const auto& a, const auto& b) {
             return std::filesystem::file_size(a) < std::filesystem::file_size(b);
         }), 20);
    open(options(false));
    const auto page = run_in(harness, [this] { return store->scan("", ""); });
    ASSERT_FALSE(page.ok());
    EXPECT_TRUE(page.error().is(ErrorCode::kCorrupt)) << page.error().to_string();
    EXPECT_NE(page.error().detail().find(".sst"), std::string::npos) << page.error().detail();
    close();
    StoreOptions looking = options(false);
    looking.read_only = true;
    open(looking);
    const auto damaged = run_in(harness, [this] { return store->verify(); });
    ASSERT_FALSE(damaged.ok());
    EXPECT_TRUE(damaged.error().is(ErrorCode::kCorrupt)) << damaged.error().to_string();
    EXPECT_NE(damaged.error().detail().find(".sst"), std::string::npos) << damaged.error().detail();
    close();
    for (const auto& table : tables) std::filesystem::remove(table);
    const auto refused = try_open(options(false));
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kCorrupt)) << refused.error().to_string();
    // RocksDB looks for it under an older extension at last, and says that one.
    EXPECT_TRUE(std::any_of(tables.begin(), tables.end(), [&](const auto& table) {
        return refused.error().detail().find("/" + table.stem().string() + ".") != std::string::npos;
    })) << refused.error().detail();
}

TEST_F(RocksDbEngine, RefusesADatabaseOfSomebodyElse) {
    std::filesystem::create_directories(options(true).directory);
    {
        rocksdb::DB* raw = nullptr;
        rocksdb::Options plain;
        plain.create_if_missing = true;
        ASSERT_TRUE(rocksdb::DB::Open(plain, options(true).directory + "/db", &raw).ok());
        const std::unique_ptr<rocksdb::DB> db{raw};
        ASSERT_TRUE(db->Put({}, "something", "else").ok());
    }
    const auto refused = try_open(options(true));
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kUnsupported)) << refused.error().to_string();
    EXPECT_NE(refused.error().detail().find(options(true).directory), std::string::npos);
}

TEST_F(RocksDbEngine, AWriteThatMustWaitBlocksNoThread) {
    open(options(false));
    harness.disk().hold(".sst");
    auto ended = std::make_shared<std::atomic<int>>(0);
    constexpr int kWrites = 200;
    spawn(harness.runtime().executor, [this, ended]() -> Task<void> {
        for (int i = 0; i < kWrites; ++i) {
            WriteBatch batch;
            batch.put("k" + std::to_string(i), std::string(4000, 'v'));
            if (!(co_await store->write(std::move(batch), Durability::kBuffered)).ok()) break;
            ++*ended;
        }
    });
    // Reads go on, on the same two threads, until the writer is seen to wait.
    std::uint64_t slowed = 0;
    while (slowed == 0) {
        const auto statistics = run_in(harness, [this] { return store->statistics(); });
        ASSERT_TRUE(statistics.ok());
        slowed = statistics->slowed_writes;
    }
    EXPECT_LT(ended->load(), kWrites);
    harness.disk().release();
    while (ended->load() < kWrites) ASSERT_TRUE(get("k0").ok());
    close();
}

}  // namespace
}  // namespace millrace::keyvalue
