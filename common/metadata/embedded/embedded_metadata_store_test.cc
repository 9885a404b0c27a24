// SPDX-License-Identifier: Apache-2.0
//
// The embedded store on the engine of simulations, whose process can crash at any moment and whose disk can fail, and on
// the real one.
#include "common/metadata/embedded/embedded_metadata_store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/keyvalue/rocksdb/rocksdb_engine.h"
#include "common/keyvalue/testing/fake_engine.h"
#include "common/metadata/embedded/rows.h"
#include "common/metadata/embedded/testing/slow_engine.h"
#include "common/metadata/testing/conformance.h"
#include "tests/sim/world.h"

namespace millrace::metadata {
namespace {

class ScratchDirectory {
public:
    ScratchDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "millrace-metadata-XXXXXX").string();
        MR_CHECK(mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string below(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

using Opened = Result<std::unique_ptr<EmbeddedMetadataStore>>;

// A process with a store, which can be opened again.
class Machine {
public:
    Machine(std::uint64_t seed, std::shared_ptr<keyvalue::Engine> engine, std::string directory)
        : world_{seed}, node_{world_.add_node("n")}, engine_{std::move(engine)}, options_{.directory = std::move(directory)} {}
    ~Machine() { close(); }

    Opened open() {
        return world_.run([this]() -> Task<Opened> {
            co_return co_await EmbeddedMetadataStore::open(node_.runtime(), engine_, options_);
        });
    }
    void start() {
        Opened opened = open();
        if (!opened) ADD_FAILURE() << opened.error().to_string();
        MR_CHECK(opened.ok());
        store = std::move(*opened);
    }
    void close() {
        if (!store) return;
        world_.run([this]() -> Task<void> { co_await store->close(); });
        store.reset();
    }
    Result<ChangeId> create(std::string path, std::string value = "") {
        return world_.run([this, path, value]() -> Task<Result<ChangeId>> { co_return co_await store->create(path, value); });
    }
    Result<Node> get(std::string path) {
        return world_.run([this, path]() -> Task<Result<Node>> { co_return co_await store->get(path); });
    }

    sim::World& world() { return world_; }
    sim::Node& node() { return node_; }
    keyvalue::Engine& engine() { return *engine_; }
    EmbeddedOptions& options() { return options_; }

    std::unique_ptr<EmbeddedMetadataStore> store;

private:
    sim::World world_;
    sim::Node& node_;
    const std::shared_ptr<keyvalue::Engine> engine_;
    EmbeddedOptions options_;
};

class MachineHarness : public ConformanceHarness {
public:
    MachineHarness(std::uint64_t seed, std::shared_ptr<keyvalue::Engine> engine, std::string directory)
        : machine_{seed, std::move(engine), std::move(directory)} {
        machine_.start();
    }

    MetadataStore& store() override { return *machine_.store; }
    Executor executor() override { return machine_.node().runtime().executor; }
    Clock& clock() override { return machine_.world().clock(); }
    void run(UniqueFunction<Task<void>()> body) override { machine_.world().run(std::move(body)); }
    bool reopen() override {
        machine_.close();
        machine_.start();
        return true;
    }

private:
    Machine machine_;
};

class RocksDbHarness final : private ScratchDirectory, public MachineHarness {
public:
    RocksDbHarness() : MachineHarness{1, keyvalue::make_rocksdb_engine(), below("metadata")} {}
};

const HarnessFactory kOnFake{"OnFakeEngine", [](std::uint64_t seed) {
                                 return std::make_unique<MachineHarness>(seed, keyvalue::make_fake_engine(), "/metadata");
                             }};
const HarnessFactory kOnSlowEngine{"OnSlowEngine", [](std::uint64_t seed) {
                                       auto engine = std::make_shared<keyvalue::SlowEngine>(keyvalue::make_fake_engine());
                                       return std::make_unique<MachineHarness>(seed, std::move(engine), "/metadata");
                                   }};
const HarnessFactory kOnRocksDb{"OnRocksDb", [](std::uint64_t) { return std::make_unique<RocksDbHarness>(); }};

INSTANTIATE_TEST_SUITE_P(Embedded, MetadataConformance, testing::Values(kOnFake, kOnSlowEngine, kOnRocksDb), factory_name);
INSTANTIATE_TEST_SUITE_P(Embedded, MetadataHistories, testing::Values(kOnFake, kOnSlowEngine, kOnRocksDb), factory_name);

// ---- Crashes and failing disks ----

// What several writers at once had completed, and whether a later process finds it.
struct Ledger {
    static constexpr int kWriters = 4;
    std::map<int, ChangeId> acknowledged;  // by number
    std::set<int> refused;                 // certainly not applied
    int begun = 0;
    int writing = kWriters;
};

// Each change leaves a node of its own and sets two others to its number.
Task<void> write_ledger(MetadataStore& store, std::shared_ptr<Ledger> ledger, int most) {
    while (ledger->begun < most) {
        const int number = ledger->begun++;
        std::vector<Operation> operations;
        operations.emplace_back(Create{"/log/" + std::to_string(number), std::to_string(number)});
        operations.emplace_back(Set{"/one", std::to_string(number)});
        operations.emplace_back(Set{"/two", std::to_string(number)});
        if (number % 5 == 0) operations.emplace_back(Create{"/log/e" + std::to_string(number), "", Lifetime::kEphemeral});
        const Result<ChangeId> done = co_await store.multi(std::move(operations));
        if (done) ledger->acknowledged[number] = *done;
        else if (done.error().fate() == Fate::kNotApplied) ledger->refused.insert(number);
        if (store.state() == SessionState::kExpired) break;
    }
    --ledger->writing;
}

Task<void> begin_ledger(MetadataStore& store) {
    for (const char* path : {"/log", "/one", "/two"}) EXPECT_TRUE((co_await store.create(path, "")).ok());
}

Task<void> check_ledger(MetadataStore& store, const Ledger& ledger) {
    const Result<Names> names = co_await store.children("/log");
    EXPECT_TRUE(names.ok());
    if (!names.ok()) co_return;
    const std::set<std::string> found{names->begin(), names->end()};
    ChangeId newest;
    std::string last;
    for (const std::string& name : found) {
        EXPECT_FALSE(name.starts_with('e')) << "an ephemeral node of a session that ended";
        const Result<Node> node = co_await store.get("/log/" + name);
        EXPECT_TRUE(node.ok() && node->value == name);
        if (node.ok() && node->stat.created > newest) {
            newest = node->stat.created;
            last = name;
        }
    }
    for (const auto& [number, id] : ledger.acknowledged) {
        const Result<Node> node = co_await store.get("/log/" + std::to_string(number));
        EXPECT_TRUE(node.ok()) << number << " was acknowledged";
        if (node.ok()) EXPECT_EQ(node->stat.created, id);
    }
    for (const int number : ledger.refused) EXPECT_FALSE(found.contains(std::to_string(number)));
    const Result<Node> one = co_await store.get("/one");
    const Result<Node> two = co_await store.get("/two");
    EXPECT_TRUE(one.ok() && two.ok());
    EXPECT_EQ(one->value, last);
    EXPECT_EQ(two->value, last);
    const Result<ChangeId> later = co_await store.set("/one", "later", one->stat.version);
    EXPECT_TRUE(later.ok() && *later > newest);
}

class EmbeddedCrash : public sim::SeededTest {};

// Goal: after a crash at any moment everything that was acknowledged is there, and nothing in part.
TEST_P(EmbeddedCrash, LosesNothingAcknowledgedAndTearsNothing) {
    Machine machine{seed(), keyvalue::make_fake_engine(), "/metadata"};
    machine.start();
    machine.world().run([&machine]() -> Task<void> { co_await begin_ledger(*machine.store); });
    for (int round = 0; round < 3; ++round) {
        const auto ledger = std::make_shared<Ledger>();
        for (int i = 0; i < Ledger::kWriters; ++i) {
            machine.world().spawn_on(machine.node(), [store = machine.store.get(), ledger]() -> Task<void> {
                co_await write_ledger(*store, ledger, 200);
            });
        }
        machine.world().run_for(std::chrono::microseconds{machine.world().random().between(0, 50'000)});
        machine.node().crash();
        ASSERT_TRUE(machine.world().run_until([ledger] { return ledger->writing == 0; }, std::chrono::hours{1}));
        machine.close();
        machine.start();
        machine.world().run([&machine, ledger]() -> Task<void> {
            co_await check_ledger(*machine.store, *ledger);
            const Result<Names> names = co_await machine.store->children("/log");
            for (const std::string& name : *names) EXPECT_TRUE((co_await machine.store->remove("/log/" + name)).ok());
            for (const char* path : {"/one", "/two"}) {
                EXPECT_TRUE((co_await machine.store->set(path, "", kAnyVersion)).ok());
            }
        });
        if (HasFailure()) break;
    }
}

// Goal: a disk that fails ends the session, and what was said of each change stays true.
TEST_P(EmbeddedCrash, AFailedWriteEndsTheSession) {
    expect_error_lines("metadata store stopped");
    Machine machine{seed(), keyvalue::make_fake_engine(), "/metadata"};
    machine.start();
    machine.world().run([&machine]() -> Task<void> { co_await begin_ledger(*machine.store); });
    const auto ledger = std::make_shared<Ledger>();
    const auto lost = std::make_shared<bool>(false);
    const auto failed = std::make_shared<bool>(false);
    machine.world().run([&machine, lost]() -> Task<void> {
        EXPECT_TRUE((co_await machine.store->stat("/never", {Freshness::kSession, [lost](const WatchEvent& event) {
                                                                  *lost = event.kind == EventKind::kSessionLost;
                                                              }})).ok());
    });
    machine.world().spawn_on(machine.node(), [store = machine.store.get(), failed]() -> Task<void> {
        *failed = !(co_await store->failed()).is(ErrorCode::kClosed);
    });
    machine.node().disk().faults().fail_sync_in = machine.world().random().between(1, 60);
    for (int i = 0; i < Ledger::kWriters; ++i) {
        machine.world().spawn_on(machine.node(), [store = machine.store.get(), ledger]() -> Task<void> {
            co_await write_ledger(*store, ledger, 900);
        });
    }
    ASSERT_TRUE(machine.world().run_until([ledger] { return ledger->writing == 0; }, std::chrono::hours{1}));
    machine.node().disk().faults() = {};
    EXPECT_TRUE(machine.store->stopped());
    EXPECT_EQ(machine.store->state(), SessionState::kExpired);
    EXPECT_TRUE(machine.world().run_until([failed] { return *failed; }, std::chrono::hours{1}));
    EXPECT_TRUE(*lost);
    EXPECT_TRUE(machine.get("/one").error().is(ErrorCode::kClosed));
    EXPECT_TRUE(machine.create("/x").error().is(ErrorCode::kClosed));
    machine.close();
    machine.start();
    machine.world().run([&machine, ledger]() -> Task<void> { co_await check_ledger(*machine.store, *ledger); });
}

INSTANTIATE_TEST_SUITE_P(Seeds, EmbeddedCrash, sim::seeds(), sim::seed_name);

// ---- Opening ----

TEST(EmbeddedMetadataStore, RefusesChangesOnAFullDiskAndKeepsReading) {
    Machine machine{1, keyvalue::make_fake_engine(), "/metadata"};
    machine.start();
    ASSERT_TRUE(machine.create("/there", "value").ok());
    machine.close();
    machine.options().keep_free_bytes = UINT64_MAX;
    machine.start();
    const Result<ChangeId> refused = machine.create("/refused");
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kNoSpace)) << refused.error().to_string();
    EXPECT_EQ(refused.error().fate(), Fate::kNotApplied);
    EXPECT_EQ(machine.get("/there")->value, "value");
    EXPECT_FALSE(machine.store->stopped());
    machine.close();
    machine.options().keep_free_bytes = 0;
    machine.start();
    EXPECT_TRUE(machine.create("/refused").ok()) << "it was not there, and there is space again";
}

TEST(EmbeddedMetadataStore, SaysInUseWhenTheDirectoryIsOpen) {
    ScratchDirectory scratch;
    for (const auto& [engine, directory] : {std::pair{keyvalue::make_rocksdb_engine(), scratch.below("m")},
                                            std::pair{keyvalue::make_fake_engine(), std::string{"/m"}}}) {
        Machine machine{1, engine, directory};
        machine.start();
        const Opened second = machine.open();
        ASSERT_FALSE(second.ok());
        EXPECT_TRUE(second.error().is(ErrorCode::kInUse)) << second.error().to_string();
    }
}

TEST(EmbeddedMetadataStore, NamesTheDirectoryThatCannotBeOpened) {
    ScratchDirectory scratch;
    std::ofstream{scratch.below("file")} << "not a directory";
    Machine machine{1, keyvalue::make_rocksdb_engine(), scratch.below("file")};
    const Opened opened = machine.open();
    ASSERT_FALSE(opened.ok());
    EXPECT_NE(opened.error().detail().find(scratch.below("file")), std::string::npos) << opened.error().to_string();
}

TEST(EmbeddedMetadataStore, RefusesTheFilesOfFirstVersions) {
    Machine machine{1, keyvalue::make_fake_engine(), "/m"};
    machine.world().run([&machine]() -> Task<void> {
        Disk& disk = machine.node().runtime().disk;
        EXPECT_TRUE((co_await disk.create_directories("/m")).ok());
        EXPECT_TRUE((co_await disk.open("/m/CURRENT", {OpenMode::kCreateNew})).ok());
    });
    const Opened opened = machine.open();
    ASSERT_FALSE(opened.ok());
    EXPECT_TRUE(opened.error().is(ErrorCode::kUnsupported)) << opened.error().to_string();
    EXPECT_NE(opened.error().detail().find("/m"), std::string::npos);
}

TEST(EmbeddedMetadataStore, IsNotMadeAnewWhereItWasUsed) {
    Machine machine{1, keyvalue::make_fake_engine(), "/m"};
    machine.options().was_used = true;
    const Opened opened = machine.open();
    ASSERT_FALSE(opened.ok());
    EXPECT_TRUE(opened.error().is(ErrorCode::kNotFound)) << opened.error().to_string();
    EXPECT_NE(opened.error().detail().find("'/m'"), std::string::npos);
    EXPECT_TRUE(machine.node().disk().files().empty());
    machine.options().was_used = false;
    machine.start();
}

// Rows that something else wrote.
Error open_after(const std::vector<keyvalue::Row>& rows) {
    Machine machine{1, keyvalue::make_fake_engine(), "/m"};
    machine.world().run([&machine, &rows]() -> Task<void> {
        auto store = co_await machine.engine().open(machine.node().runtime(), {.directory = "/m", .log = true});
        keyvalue::WriteBatch batch;
        for (const keyvalue::Row& row : rows) batch.put(row.key, row.value);
        EXPECT_TRUE((co_await (*store)->write(std::move(batch), keyvalue::Durability::kSynced)).ok());
        co_await (*store)->close();
    });
    const Opened opened = machine.open();
    if (opened.ok()) {
        machine.world().run([&opened]() -> Task<void> { co_await (*opened)->close(); });
        return Error{ErrorCode::kInternal, "opened"};
    }
    return opened.error();
}

TEST(EmbeddedMetadataStore, RefusesRowsThatItDoesNotKnow) {
    const std::string position{"\x01\x05\0\0\0\0\0\0\0", 9};
    EXPECT_TRUE(open_after({{"f", "1"}, {"c", position}}).is(ErrorCode::kInternal));
    EXPECT_TRUE(open_after({{"f", "2"}, {"c", position}}).is(ErrorCode::kUnsupported));
    EXPECT_TRUE(open_after({{"other", ""}}).is(ErrorCode::kUnsupported));
    EXPECT_TRUE(open_after({{"f", "1"}}).is(ErrorCode::kCorrupt));
    EXPECT_TRUE(open_after({{"f", "1"}, {"c", "\x01"}}).is(ErrorCode::kCorrupt));
    EXPECT_TRUE(open_after({{"f", "1"}, {"c", position}, {"e/a/", ""}}).is(ErrorCode::kCorrupt));
    EXPECT_TRUE(open_after({{"f", "1"}, {"c", position}, {"e/gone", ""}}).is(ErrorCode::kCorrupt));
    // A child of nobody, and one that its parent does not count.
    const std::string child = embedded::encode_stat({Version{0}, 0, SessionId{5}, ChangeId{4}, ChangeId{4}, ChangeId{4}});
    const std::string childless = embedded::encode_stat({Version{0}, 0, SessionId{}, ChangeId{3}, ChangeId{3}, ChangeId{3}});
    const std::vector<keyvalue::Row> orphan{
        {"f", "1"}, {"c", position}, {"e/a/b", ""}, {embedded::stat_key("/a/b"), child}};
    EXPECT_TRUE(open_after(orphan).is(ErrorCode::kCorrupt));
    auto uncounted = orphan;
    uncounted.push_back({embedded::stat_key("/a"), childless});
    EXPECT_TRUE(open_after(uncounted).is(ErrorCode::kCorrupt));
}

TEST(EmbeddedMetadataStore, CompletesWhatItHasTakenWhenItCloses) {
    Machine machine{1, keyvalue::make_fake_engine(), "/m"};
    machine.start();
    auto completed = std::make_shared<int>(0);
    for (int i = 0; i < 50; ++i) {
        machine.world().spawn([store = machine.store.get(), i, completed]() -> Task<void> {
            if ((co_await store->create("/" + std::to_string(i), "")).ok()) ++*completed;
        });
    }
    machine.world().run([&machine]() -> Task<void> {
        co_await yield();
        co_await machine.store->close();
        EXPECT_EQ(machine.store->state(), SessionState::kExpired);
        EXPECT_FALSE(machine.store->stopped());
        EXPECT_EQ((co_await machine.store->get("/1")).error().code(), ErrorCode::kClosed);
        EXPECT_EQ((co_await machine.store->create("/late", "")).error().code(), ErrorCode::kClosed);
        co_await machine.store->close();
    });
    EXPECT_EQ(*completed, 50);
    machine.store.reset();
    machine.start();
    EXPECT_TRUE(machine.get("/49").ok());
    EXPECT_TRUE(machine.get("/late").error().is(ErrorCode::kNotFound));
}

}  // namespace
}  // namespace millrace::metadata
