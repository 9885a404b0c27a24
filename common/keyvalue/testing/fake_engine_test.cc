// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/testing/fake_engine.h"

#include "common/keyvalue/testing/conformance.h"
#include "tests/sim/seeded_test.h"
#include "tests/sim/world.h"

namespace millrace::keyvalue {
namespace {

class SimHarness final : public Harness {
public:
    explicit SimHarness(std::uint64_t seed, FakeOptions options = {})
        : world_{seed}, node_{world_.add_node("n")}, engine_{make_fake_engine(options)} {
        run_in(*this, [this] { return node_.runtime().disk.create_directories("/data"); }).value();
    }

    Engine& engine() override { return *engine_; }
    Runtime runtime() override { return node_.runtime(); }
    std::string directory() override { return "/data"; }
    void run(UniqueFunction<Task<void>()> body) override { world_.run(std::move(body)); }
    bool crash_during(UniqueFunction<Task<void>()> body) override {
        const auto ended = std::make_shared<bool>(false);
        world_.spawn_on(node_, [ended, body = std::move(body)]() mutable -> Task<void> {
            co_await body();
            *ended = true;
        });
        world_.run_for(std::chrono::microseconds{world_.random().between(0, 10'000)});
        node_.crash();
        MR_CHECK(world_.run_until([ended] { return *ended; }, std::chrono::hours{1}));
        return true;
    }
    bool names_pid(const std::string& detail) override { return detail.find("process 1") != std::string::npos; }

    sim::World& world() { return world_; }
    sim::Node& node() { return node_; }

private:
    sim::World world_;
    sim::Node& node_;
    const std::shared_ptr<Engine> engine_;
};

INSTANTIATE_TEST_SUITE_P(Fake, KeyValueConformance,
                         testing::Values([](std::uint64_t seed) { return std::make_unique<SimHarness>(seed); }));

class FakeEngineCrash : public sim::SeededTest {};

TEST_P(FakeEngineCrash, LeavesWholeBatchesInOrder) {
    for (const bool log : {false, true}) {
        SimHarness harness{seed()};
        const auto wrong = run_history(harness, HistoryOptions{.seed = seed(), .log = log});
        EXPECT_FALSE(wrong) << *wrong;
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, FakeEngineCrash, sim::seeds(), sim::seed_name);

// What a store whose disk fails at random still holds: what was durable, and nothing but whole batches in order.
class FakeEngineFaults : public sim::SeededTest {};

TEST_P(FakeEngineFaults, StopsAndLosesNothingDurable) {
    SimHarness harness{seed()};
    Random& random = harness.world().random();
    StoreOptions options;
    options.directory = "/data/s";
    options.log = random.one_in(2);
    options.keep_free_bytes = 0;
    const auto open = [&] {
        return run_in(harness, [&] { return harness.engine().open(harness.runtime(), options); });
    };
    std::uint64_t durable = 0;
    std::uint64_t written = 0;
    for (int boot = 0; boot < 6; ++boot) {
        harness.node().disk().make_room();
        harness.node().disk().faults() = {};
        auto opened = open();
        ASSERT_TRUE(opened.ok()) << opened.error().to_string();
        Store& store = **opened;
        const auto newest = run_in(harness, [&] { return store.get("newest"); });
        ASSERT_TRUE(newest.ok());
        const std::uint64_t found = *newest ? std::stoull(**newest) : 0;
        ASSERT_GE(found, durable);
        ASSERT_LE(found, written);
        const auto rows = run_in(harness, [&] { return store.scan("n/", "n0", {.rows = 100'000, .bytes = 1 << 30}); });
        ASSERT_TRUE(rows.ok());
        ASSERT_EQ(rows->rows.size(), found) << "each batch adds a row, with the number of the newest";
        written = durable = found;
        switch (random.between(0, 3)) {
            case 0: harness.node().disk().faults().fail_write_in = random.between(1, 10); break;
            case 1: harness.node().disk().faults().fail_sync_in = random.between(1, 10); break;
            default: harness.node().disk().fill_up(random.between(0, 3000)); break;
        }
        for (int i = 0; i < 40 && !store.stopped(); ++i) {
            WriteBatch batch;
            batch.put("newest", std::to_string(written + 1));
            batch.put("n/" + std::to_string(1'000'000 + written + 1), std::string(50, 'x'));
            const bool synced = options.log && random.one_in(2);
            const auto done = run_in(harness, [&] {
                return store.write(batch, synced ? Durability::kSynced : Durability::kBuffered);
            });
            if (!done && done.error().fate() == Fate::kNotApplied) continue;
            ++written;
            if (done && synced) durable = written;
            if (!done) break;
            const std::uint64_t before = written;
            if (random.one_in(5) && run_in(harness, [&] { return store.flush(); }).ok()) durable = before;
        }
        if (store.stopped()) {
            EXPECT_TRUE(store.stopped()->is(ErrorCode::kIo) || store.stopped()->is(ErrorCode::kNoSpace))
                << store.stopped()->to_string();
            const auto refused = run_in(harness, [&] { return store.get("newest"); });
            ASSERT_FALSE(refused.ok());
            EXPECT_TRUE(refused.error().is(ErrorCode::kUnavailable));
        }
        if (random.one_in(2)) harness.node().crash();
        close_in(harness, store);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, FakeEngineFaults, sim::seeds(), sim::seed_name);

TEST(FakeEngine, DoesTheSameWithTheSameSeed) {
    const auto digest = [](std::uint64_t seed) {
        SimHarness harness{seed};
        EXPECT_FALSE(run_history(harness, HistoryOptions{.seed = 5}));
        return harness.world().digest();
    };
    EXPECT_EQ(digest(1), digest(1));
    EXPECT_NE(digest(1), digest(2));
}

TEST(FakeEngine, NamesTheFileThatIsDamaged) {
    SimHarness harness{1};
    StoreOptions options;
    options.directory = "/data/s";
    const auto open = [&] {
        return run_in(harness, [&] { return harness.engine().open(harness.runtime(), options); });
    };
    {
        auto store = open();
        ASSERT_TRUE(store.ok());
        WriteBatch batch;
        batch.put("a", "1");
        ASSERT_TRUE(run_in(harness, [&] { return (*store)->write(batch, Durability::kBuffered); }).ok());
        close_in(harness, **store);
    }
    sim::SimDisk& disk = harness.node().disk();
    for (const std::string& file : disk.files()) {
        if (file.ends_with("LOCK")) continue;
        disk.flip(file, 5, 1);
        const auto refused = open();
        ASSERT_FALSE(refused.ok()) << file;
        EXPECT_TRUE(refused.error().is(ErrorCode::kCorrupt)) << refused.error().to_string();
        EXPECT_NE(refused.error().detail().find(file), std::string::npos) << refused.error().detail();
        disk.flip(file, 5, 1);
    }
    std::string layer;
    for (const std::string& file : disk.files()) {
        if (file.ends_with(".layer")) layer = file;
    }
    disk.remove(layer);
    const auto refused = open();
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kCorrupt)) << refused.error().to_string();
}

// The suite is worth something: each planted bug is found within a few seeds.
void expect_caught(FakeBugs bugs) {
    std::string caught;
    for (std::uint64_t seed = 1; seed <= 20 && caught.empty(); ++seed) {
        SimHarness harness{seed, FakeOptions{.flush_one_in = 4, .files_most = 6, .bugs = bugs}};
        if (const auto wrong = run_history(harness, HistoryOptions{.seed = seed})) caught = *wrong;
    }
    EXPECT_NE(caught.find("after a crash"), std::string::npos) << caught;
}

TEST(FakeEngineBugs, ABatchKeptBehindALostOneIsCaught) { expect_caught({.keeps_dropped_batch = true}); }
TEST(FakeEngineBugs, ABatchSplitInTwoIsCaught) { expect_caught({.splits_batch = true}); }
TEST(FakeEngineBugs, AFlushThatDoesNotWaitIsCaught) { expect_caught({.flushes_later = true}); }

}  // namespace
}  // namespace millrace::keyvalue
