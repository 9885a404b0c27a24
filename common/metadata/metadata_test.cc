// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "common/metadata/settled_store.h"
#include "common/metadata/testing/conformance.h"
#include "common/metadata/testing/fake_harnesses.h"
#include "common/metadata/write_slots.h"

namespace millrace::metadata {
namespace {

const HarnessFactory kMemory{"memory", [](std::uint64_t) { return std::make_unique<MemoryHarness>(); }};
const HarnessFactory kSimulated{"simulated", [](std::uint64_t seed) { return std::make_unique<SimulatedHarness>(seed); }};

INSTANTIATE_TEST_SUITE_P(Fakes, MetadataConformance, testing::Values(kMemory, kSimulated), factory_name);
INSTANTIATE_TEST_SUITE_P(Fakes, MetadataHistories, testing::Values(kMemory, kSimulated), factory_name);

TEST(MemoryMetadataStore, EndsAsToldWhenAFateIsSet) {
    sim::World world{1};
    MemoryMetadataStore store{world.clock()};
    using Outcome = MemoryMetadataStore::Outcome;
    store.set_fate([](std::uint64_t n) {
        constexpr Outcome kOutcomes[] = {Outcome::kLost, Outcome::kAppliedUnheard, Outcome::kRefused, Outcome::kNormal};
        return kOutcomes[n];
    });
    const auto create = [&](std::string path) {
        return world.run([&store, path]() -> Task<Result<ChangeId>> { co_return co_await store.create(path, ""); });
    };
    const auto exists = [&](std::string path) {
        return world.run([&store, path]() -> Task<bool> { co_return (co_await store.get(path)).ok(); });
    };
    EXPECT_EQ(create("/lost").error().fate(), Fate::kUnknown);
    EXPECT_FALSE(exists("/lost"));
    EXPECT_EQ(create("/unheard").error().fate(), Fate::kUnknown);
    EXPECT_TRUE(exists("/unheard"));
    EXPECT_EQ(create("/refused").error().fate(), Fate::kNotApplied);
    EXPECT_FALSE(exists("/refused"));
    EXPECT_TRUE(create("/normal").ok());
    store.cut_off(true);
    EXPECT_EQ(create("/late").error().fate(), Fate::kUnknown);
    EXPECT_FALSE(exists("/normal"));
}

// ---- What becomes of writes of unknown fate ----

// Goal: whatever the ensemble does to connections, a settled write happens once, and its answer is true.
// Method: sessions on nodes of their own add to one counter by compare-and-set, and each leaves a node per addition; at the
// end the counter is the number of additions that were said to have succeeded.
class SettledWrites : public sim::SeededTest {};

TEST_P(SettledWrites, HappenOnceOverBrokenConnections) {
    SimulatedHarness harness{seed()};
    static constexpr int kWriters = 3;
    static constexpr int kAdditions = 15;
    auto added = std::make_shared<int>(0);
    auto unknown = std::make_shared<int>(0);
    harness.run([&harness]() -> Task<void> {
        EXPECT_TRUE((co_await harness.store().create("/n", "0")).ok());
        EXPECT_TRUE((co_await harness.store().create("/done", "")).ok());
    });
    SimulatedOptions trouble = SimulatedOptions::hostile(harness.world().random());
    trouble.break_one_in = 8;
    harness.ensemble().options() = trouble;
    harness.run([&harness, added, unknown]() -> Task<void> {
        auto open = std::make_shared<int>(kWriters);
        auto ended = std::make_shared<Signal>();
        for (int writer = 0; writer < kWriters; ++writer) {
            spawn(harness.executor(), [&harness, added, unknown, open, ended, writer]() -> Task<void> {
                MetadataStore* const store = co_await harness.open_session();
                if (store == nullptr) {
                    ADD_FAILURE() << "no session";
                } else {
                    SettledStore settled{*store, harness.clock(), std::chrono::minutes{5}};
                    for (int i = 0; i < kAdditions;) {
                        const Result<Node> node = co_await settled.get("/n");
                        EXPECT_TRUE(node.ok()) << node.error().to_string();
                        if (!node) break;
                        std::vector<Operation> operations;
                        operations.emplace_back(Set{"/n", std::to_string(std::stoi(node->value) + 1), node->stat.version});
                        operations.emplace_back(Create{"/done/" + std::to_string(writer) + "-" + std::to_string(i), ""});
                        const Result<ChangeId> result = co_await settled.multi(std::move(operations));
                        if (result) {
                            ++*added;
                            ++i;
                        } else if (result.error().fate() == Fate::kUnknown) {
                            ++*unknown;
                            break;
                        } else {
                            EXPECT_TRUE(result.error().is(ErrorCode::kVersionMismatch)) << result.error().to_string();
                        }
                    }
                }
                --*open;
                ended->notify_all();
            });
        }
        while (*open > 0) co_await ended->wait();
    });
    EXPECT_EQ(*unknown, 0);
    EXPECT_EQ(*added, kWriters * kAdditions);
    EXPECT_EQ(harness.ensemble().peek("/n")->value, std::to_string(*added));
    EXPECT_EQ(harness.ensemble().peek("/done")->stat.children, static_cast<std::uint32_t>(*added));
    EXPECT_GT(harness.ensemble().breaks(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SettledWrites, sim::seeds(10), sim::seed_name);

TEST(SimulatedEnsemble, LosesRepliesOfWritesThatTookEffect) {
    // Or the tests of settled writes prove little.
    std::uint64_t unheard = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        SimulatedHarness harness{seed};
        harness.ensemble().options().break_one_in = 5;
        harness.run([&harness]() -> Task<void> {
            SettledStore settled{harness.store(), harness.clock(), std::chrono::minutes{5}};
            for (int i = 0; i < 30; ++i) EXPECT_TRUE((co_await settled.create("/" + std::to_string(i), "")).ok());
        });
        EXPECT_EQ(harness.ensemble().paths().size(), 30u);
        unheard += harness.ensemble().unheard();
    }
    EXPECT_GT(unheard, 5u);
}

TEST(SettledStore, TellsWhatItCouldNotFindOut) {
    sim::World world{1};
    MemoryMetadataStore store{world.clock()};
    store.set_fate([](std::uint64_t) { return MemoryMetadataStore::Outcome::kAppliedUnheard; });
    SettledStore settled{store, world.clock()};
    const auto create = [&](std::string path) {
        return world.run([&settled, path]() -> Task<Result<ChangeId>> { co_return co_await settled.create(path, ""); });
    };
    EXPECT_TRUE(create("/a").ok());
    store.set_fate([&store](std::uint64_t) {
        store.cut_off(true);
        return MemoryMetadataStore::Outcome::kAppliedUnheard;
    });
    const MonotonicTime began = world.now();
    const Result<ChangeId> unknown = create("/b");
    ASSERT_FALSE(unknown.ok());
    EXPECT_TRUE(unknown.error().is(ErrorCode::kUnavailable)) << unknown.error().to_string();
    EXPECT_EQ(unknown.error().fate(), Fate::kUnknown);
    EXPECT_EQ(world.now() - began, SettledStore::kPatience);
    store.expire();
    const Result<ChangeId> over = create("/c");
    EXPECT_TRUE(over.error().is(ErrorCode::kClosed));
}

TEST(SettledStore, SendsAgainWhatDidNothing) {
    sim::World world{1};
    MemoryMetadataStore store{world.clock()};
    using Outcome = MemoryMetadataStore::Outcome;
    store.set_fate([](std::uint64_t n) { return n == 0 ? Outcome::kLost : n == 1 ? Outcome::kRefused : Outcome::kNormal; });
    SettledStore settled{store, world.clock()};
    const auto result = world.run([&]() -> Task<Result<ChangeId>> { co_return co_await settled.create("/a", ""); });
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(store.multis(), 3u);
    // A refusal is an answer, also behind a lost one.
    store.set_fate([](std::uint64_t n) { return n == 3 ? Outcome::kLost : Outcome::kNormal; });
    const auto refused = world.run([&]() -> Task<Result<ChangeId>> { co_return co_await settled.create("/a", ""); });
    EXPECT_TRUE(refused.error().is(ErrorCode::kAlreadyExists));
    EXPECT_EQ(refused.error().fate(), Fate::kNotApplied);
}

TEST(SettledStore, WaitsForTheConnection) {
    SimulatedHarness harness{1};
    harness.ensemble().disconnect(harness.store().session(), std::chrono::seconds{3});
    harness.run([&harness]() -> Task<void> {
        co_await harness.store().state_changed(SessionState::kConnected, Deadline::never());
        const MonotonicTime began = harness.clock().now();
        SettledStore settled{harness.store(), harness.clock()};
        EXPECT_EQ((co_await harness.store().get("/")).error().code(), ErrorCode::kUnavailable);
        EXPECT_TRUE((co_await settled.get("/")).ok());
        EXPECT_GT(harness.clock().now() - began, std::chrono::seconds{2});
    });
}

TEST(WriteSlots, ForgetTheOldestUnsettledWriteOnly) {
    WriteSlots slots{SessionId{7}};
    std::vector<std::string> paths;
    for (std::uint64_t i = 1; i <= kUnsettledMax + kWritesInFlightMax + 1; ++i) {
        std::vector<Operation> operations;
        slots.begin(Nonce{i}, operations);
        ASSERT_EQ(operations.size(), 1u);
        slots.unknown(Nonce{i});
    }
    EXPECT_FALSE(slots.where(Nonce{1}).has_value());
    EXPECT_TRUE(slots.where(Nonce{2}).has_value());
    slots.settled(Nonce{2});
    EXPECT_FALSE(slots.where(Nonce{2}).has_value());
    for (std::uint64_t i = 1001; i <= 1000 + kWritesInFlightMax; ++i) {
        std::vector<Operation> operations;
        slots.begin(Nonce{i}, operations);
    }
    EXPECT_TRUE(slots.full());
    EXPECT_TRUE(slots.where(Nonce{kWritesInFlightMax + kUnsettledMax}).has_value());
    slots.ended(Nonce{1001});
    EXPECT_FALSE(slots.full());
}

// ---- Sessions, one step at a time ----

TEST(SimulatedEnsemble, ASessionExpiresWhileItsOwnerStandsStill) {
    sim::World world{3};
    SimulatedEnsemble ensemble{world.executor(), world.clock(), 3, {.heartbeats = true}};
    sim::Node& node = world.add_node("a");
    const auto session = world.run([&]() -> Task<std::unique_ptr<SimulatedMetadataStore>> {
        auto opened = co_await ensemble.open(node.runtime());
        EXPECT_TRUE((co_await (*opened)->create("/live", "", Lifetime::kEphemeral)).ok());
        co_return std::move(*opened);
    });
    world.run_for(std::chrono::minutes{1});
    EXPECT_NE(ensemble.peek("/live"), nullptr) << "heartbeats keep it alive";
    node.pause();
    EXPECT_TRUE(world.run_until([&] { return ensemble.peek("/live") == nullptr; }, std::chrono::minutes{1}));
    EXPECT_EQ(session->state(), SessionState::kConnected) << "as far as it knows";
    node.resume();
    EXPECT_TRUE(world.run_until([&] { return session->state() == SessionState::kExpired; }, std::chrono::minutes{1}));
    world.run([&]() -> Task<void> { co_await session->close(); });
}

TEST(SimulatedEnsemble, WatchesTellOfWhatHappenedWhileThereWasNoConnection) {
    SimulatedHarness harness{5};
    harness.run([&harness]() -> Task<void> {
        MetadataStore& here = harness.store();
        MetadataStore* const other = co_await harness.open_session();
        EXPECT_TRUE((co_await other->create("/a", "")).ok());
        EXPECT_TRUE((co_await other->create("/b", "")).ok());
        EXPECT_TRUE((co_await other->create("/c", "")).ok());
        auto told = std::make_shared<std::vector<std::string>>();
        const auto watcher = [told](const char* what) {
            return [told, what](const WatchEvent& event) {
                told->push_back(std::string{what} + " " + std::string{to_string(event.kind)} + " " + event.path);
            };
        };
        EXPECT_TRUE((co_await here.get("/a", {Freshness::kLatest, watcher("get")})).ok());
        EXPECT_TRUE((co_await here.get("/b", {Freshness::kSession, watcher("get")})).ok());
        EXPECT_TRUE((co_await here.get("/c", {Freshness::kSession, watcher("get")})).ok());
        EXPECT_TRUE((co_await here.stat("/d", {Freshness::kSession, watcher("stat")})).ok());
        EXPECT_TRUE((co_await here.stat("/e", {Freshness::kSession, watcher("stat")})).ok());
        EXPECT_TRUE((co_await here.children("/", {Freshness::kSession, watcher("children")})).ok());
        harness.ensemble().disconnect(here.session(), std::chrono::seconds{1});
        co_await here.state_changed(SessionState::kConnected, Deadline::never());
        EXPECT_TRUE((co_await other->set("/a", "1", kAnyVersion)).ok());
        EXPECT_TRUE((co_await other->remove("/b")).ok());
        EXPECT_TRUE((co_await other->create("/d", "")).ok());
        EXPECT_TRUE((co_await other->create("/e", "")).ok());
        EXPECT_TRUE((co_await other->remove("/e")).ok());
        EXPECT_EQ(told->size(), 0u);
        co_await here.state_changed(SessionState::kSuspended, Deadline::never());
        EXPECT_TRUE((co_await here.get("/a", {Freshness::kLatest, {}})).ok());
        std::sort(told->begin(), told->end());
        EXPECT_EQ(*told, (Names{"children children-changed /", "get changed /a", "get deleted /b", "stat created /d"}));
    });
}

TEST(SimulatedEnsemble, WhatADeadProcessHeldGoesAfterTheTimeout) {
    sim::World world{1};
    SimulatedEnsemble ensemble{world.executor(), world.clock(), 1};
    sim::Node& node = world.add_node("a");
    const auto session = world.run([&]() -> Task<std::unique_ptr<SimulatedMetadataStore>> {
        auto opened = co_await ensemble.open(node.runtime());
        EXPECT_TRUE((co_await (*opened)->create("/live", "", Lifetime::kEphemeral)).ok());
        co_return std::move(*opened);
    });
    session->die();
    EXPECT_EQ(session->state(), SessionState::kExpired);
    world.run([&]() -> Task<void> {
        EXPECT_EQ((co_await session->get("/live")).error().code(), ErrorCode::kClosed);
        co_await session->close();
    });
    EXPECT_NE(ensemble.peek("/live"), nullptr);
    world.run_for(std::chrono::seconds{7});
    EXPECT_EQ(ensemble.peek("/live"), nullptr);
}

TEST(SimulatedEnsemble, DoesTheSameAgainForTheSameSeed) {
    const auto digest = [](std::uint64_t seed) {
        SimulatedHarness harness{seed};
        Workload workload{harness, seed};
        harness.run([&workload]() -> Task<void> { co_await workload.run(); });
        return std::pair{harness.world().digest(), workload.history().at};
    };
    for (std::uint64_t seed = 1; seed <= 5; ++seed) EXPECT_EQ(digest(seed), digest(seed));
    EXPECT_NE(digest(1), digest(2));
}

// ---- The suite itself ----

// Goal: what is wrong with an ensemble is found by the suite's random histories.
class PlantedDefect : public testing::TestWithParam<Defect> {};

TEST_P(PlantedDefect, IsFoundByTheHistories) {
    constexpr std::uint64_t kSeeds = 200;
    std::uint64_t seed = 1;
    std::vector<std::string> violations;
    for (; seed <= kSeeds && violations.empty(); ++seed) {
        SimulatedHarness harness{seed, GetParam()};
        Workload workload{harness, seed};
        harness.run([&workload]() -> Task<void> { co_await workload.run(); });
        violations = check_history(workload.history());
    }
    EXPECT_FALSE(violations.empty()) << "not in " << kSeeds << " seeds";
    if (!violations.empty()) std::printf("seed %d: %s\n", static_cast<int>(seed - 1), violations.front().c_str());
}

std::vector<Defect> all_defects() {
    std::vector<Defect> defects;
    for (std::size_t i = 1; i < kDefectCount; ++i) defects.push_back(static_cast<Defect>(i));
    return defects;
}

INSTANTIATE_TEST_SUITE_P(All, PlantedDefect, testing::ValuesIn(all_defects()),
                         [](const auto& info) { return std::string{to_string(info.param)}; });

}  // namespace
}  // namespace millrace::metadata
