// SPDX-License-Identifier: Apache-2.0
//
// What every metadata store must do. A test program of an implementation includes this header once
// and instantiates the suite with a factory of its own:
//     INSTANTIATE_TEST_SUITE_P(Embedded, MetadataConformance, testing::Values(factory), factory_name);
//     INSTANTIATE_TEST_SUITE_P(Embedded, MetadataHistories, testing::Values(factory), factory_name);
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/base/unique_function.h"
#include "common/metadata/metadata_store.h"
#include "common/metadata/tree_rules.h"
#include "common/metadata/testing/harness.h"
#include "common/metadata/testing/workload.h"
#include "common/runtime/executor.h"
#include "common/runtime/signal.h"
#include "tests/sim/seeded_test.h"

namespace millrace::metadata {

class MetadataConformance : public testing::TestWithParam<HarnessFactory> {
protected:
    MetadataConformance() : harness_{GetParam().make(1)} {}
    MetadataStore& store() { return harness_->store(); }
    void run(UniqueFunction<Task<void>()> body) { harness_->run(std::move(body)); }
    ConformanceHarness& harness() { return *harness_; }

    // Each is a root coroutine of its own, so that a test reads as a list of steps.
    Result<ChangeId> create(std::string path, std::string value = "", Lifetime lifetime = Lifetime::kPersistent) {
        return multi_now({Create{std::move(path), std::move(value), lifetime}});
    }
    Result<ChangeId> set(std::string path, std::string value, Version expected = kAnyVersion) {
        return multi_now({Set{std::move(path), std::move(value), expected}});
    }
    Result<ChangeId> remove(std::string path, Version expected = kAnyVersion) {
        return multi_now({Remove{std::move(path), expected}});
    }
    Result<ChangeId> multi_now(std::vector<Operation> operations) {
        auto result = std::make_shared<Result<ChangeId>>();
        run([this, result, operations]() -> Task<void> { *result = co_await store().multi(operations); });
        return *result;
    }
    Result<Node> get(std::string path) {
        auto result = std::make_shared<Result<Node>>();
        run([this, result, path]() -> Task<void> { *result = co_await store().get(path); });
        return *result;
    }
    Result<std::optional<Stat>> stat(std::string path) {
        auto result = std::make_shared<Result<std::optional<Stat>>>();
        run([this, result, path]() -> Task<void> { *result = co_await store().stat(path); });
        return *result;
    }
    Result<std::vector<std::string>> children(std::string path) {
        auto result = std::make_shared<Result<std::vector<std::string>>>();
        run([this, result, path]() -> Task<void> { *result = co_await store().children(path); });
        return *result;
    }

    // What the watches that were set here were told, as "kind path" each, in order.
    std::vector<std::string> told() { return std::exchange(*told_, {}); }
    Watcher watcher() {
        return [told = told_](const WatchEvent& event) {
            told->push_back(std::string{to_string(event.kind)} + " " + event.path);
        };
    }
    void watch_get(std::string path) {
        run([this, path]() -> Task<void> {
            EXPECT_TRUE((co_await store().get(path, {Freshness::kSession, watcher()})).ok());
        });
    }
    void watch_stat(std::string path) {
        run([this, path]() -> Task<void> {
            EXPECT_TRUE((co_await store().stat(path, {Freshness::kSession, watcher()})).ok());
        });
    }
    void watch_children(std::string path) {
        run([this, path]() -> Task<void> {
            EXPECT_TRUE((co_await store().children(path, {Freshness::kSession, watcher()})).ok());
        });
    }

    template <class T>
    static ErrorCode code(const Result<T>& result) {
        return result.ok() ? ErrorCode{} : result.error().code();
    }

private:
    std::unique_ptr<ConformanceHarness> harness_;
    std::shared_ptr<std::vector<std::string>> told_ = std::make_shared<std::vector<std::string>>();
};

inline std::string factory_name(const testing::TestParamInfo<HarnessFactory>& info) { return info.param.name; }

using Names = std::vector<std::string>;

TEST_P(MetadataConformance, ReadsBackWhatWasWritten) {
    ASSERT_TRUE(create("/a", std::string{"x\0y", 3}).ok());
    const Result<Node> node = get("/a");
    ASSERT_TRUE(node.ok()) << node.error().to_string();
    EXPECT_EQ(node->value, (std::string{"x\0y", 3}));
    EXPECT_EQ(node->stat.version, Version{0});
    EXPECT_EQ(code(get("/b")), ErrorCode::kNotFound);
    EXPECT_TRUE(get("/").ok());
}

TEST_P(MetadataConformance, HelpersDoOneOperationEach) {
    run([this]() -> Task<void> {
        EXPECT_TRUE((co_await store().create("/h", "1")).ok());
        EXPECT_TRUE((co_await store().set("/h", "2", Version{0})).ok());
        const Result<Node> node = co_await store().get("/h");
        EXPECT_TRUE(node.ok() && node->value == "2");
        EXPECT_TRUE((co_await store().remove("/h")).ok());
    });
    EXPECT_EQ(code(get("/h")), ErrorCode::kNotFound);
}

TEST_P(MetadataConformance, VersionsRiseByOneAtEachSet) {
    ASSERT_TRUE(create("/a", "0").ok());
    ASSERT_TRUE(set("/a", "1", Version{0}).ok());
    ASSERT_TRUE(set("/a", "2").ok());
    EXPECT_EQ(get("/a")->stat.version, Version{2});
    const Result<ChangeId> stale = set("/a", "3", Version{1});
    EXPECT_EQ(code(stale), ErrorCode::kVersionMismatch);
    EXPECT_NE(stale.error().detail().find("/a"), std::string::npos);
    EXPECT_EQ(stale.error().fate(), Fate::kNotApplied);
    EXPECT_EQ(get("/a")->value, "2");
}

TEST_P(MetadataConformance, ARecreatedNodeStartsAtVersionZero) {
    ASSERT_TRUE(create("/a", "0").ok());
    ASSERT_TRUE(set("/a", "1").ok());
    ASSERT_TRUE(remove("/a", Version{1}).ok());
    ASSERT_TRUE(create("/a", "2").ok());
    EXPECT_EQ(get("/a")->stat.version, Version{0});
}

TEST_P(MetadataConformance, RefusesWithTheRightCode) {
    ASSERT_TRUE(create("/a").ok());
    EXPECT_EQ(code(create("/a")), ErrorCode::kAlreadyExists);
    EXPECT_EQ(code(create("/no/child")), ErrorCode::kNotFound);
    EXPECT_EQ(code(set("/no", "x")), ErrorCode::kNotFound);
    EXPECT_EQ(code(remove("/no")), ErrorCode::kNotFound);
    EXPECT_EQ(code(remove("/a", Version{7})), ErrorCode::kVersionMismatch);
    EXPECT_EQ(code(multi_now({Check{"/no"}})), ErrorCode::kNotFound);
    EXPECT_EQ(code(multi_now({Check{"/a", Version{7}}})), ErrorCode::kVersionMismatch);
    EXPECT_TRUE(multi_now({Check{"/a", Version{0}}}).ok());
    EXPECT_TRUE(multi_now({}).ok());
}

TEST_P(MetadataConformance, RefusesIllegalPaths) {
    for (const char* path : {"", "a", "/a/", "//a", "/a//b", "/.", "/a/.."}) {
        EXPECT_EQ(code(create(path)), ErrorCode::kInvalidArgument) << path;
        EXPECT_EQ(code(get(path)), ErrorCode::kInvalidArgument) << path;
        EXPECT_EQ(code(children(path)), ErrorCode::kInvalidArgument) << path;
    }
    EXPECT_EQ(code(create(std::string{"/a\0b", 4})), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code(create("/" + std::string(1025, 'n'))), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code(remove("/")), ErrorCode::kInvalidArgument);
}

TEST_P(MetadataConformance, ListsChildrenSortedAndOnlyChildren) {
    ASSERT_TRUE(create("/a").ok());
    ASSERT_TRUE(create("/a/c").ok());
    ASSERT_TRUE(create("/a/b").ok());
    ASSERT_TRUE(create("/a/b/deep").ok());
    ASSERT_TRUE(create("/ab").ok());
    ASSERT_TRUE(create("/a-").ok());
    EXPECT_EQ(*children("/a"), (Names{"b", "c"}));
    EXPECT_EQ(*children("/a/c"), Names{});
    EXPECT_EQ(*children("/"), (Names{"a", "a-", "ab"}));
    EXPECT_EQ(code(children("/no")), ErrorCode::kNotFound);
}

TEST_P(MetadataConformance, ANodeWithChildrenStays) {
    ASSERT_TRUE(create("/a").ok());
    ASSERT_TRUE(create("/a/b").ok());
    const Result<ChangeId> refused = remove("/a");
    EXPECT_EQ(code(refused), ErrorCode::kFailedPrecondition);
    EXPECT_NE(refused.error().detail().find("/a"), std::string::npos);
    ASSERT_TRUE(remove("/a/b").ok());
    EXPECT_TRUE(remove("/a").ok());
}

TEST_P(MetadataConformance, MultiIsAllOrNothing) {
    ASSERT_TRUE(create("/a", "old").ok());
    EXPECT_EQ(code(multi_now({Set{"/a", "new"}, Create{"/b", ""}, Remove{"/no"}})), ErrorCode::kNotFound);
    EXPECT_EQ(get("/a")->value, "old");
    EXPECT_EQ(get("/a")->stat.version, Version{0});
    EXPECT_EQ(code(get("/b")), ErrorCode::kNotFound);
}

TEST_P(MetadataConformance, LaterOperationsOfAMultiSeeTheEarlierOnes) {
    EXPECT_TRUE(multi_now({Create{"/a", "0"}, Create{"/a/b", ""}, Set{"/a", "1", Version{0}}, Check{"/a", Version{1}}}).ok());
    EXPECT_EQ(get("/a")->stat.version, Version{1});
    EXPECT_TRUE(multi_now({Remove{"/a/b"}, Remove{"/a"}, Create{"/a", "again"}}).ok());
    EXPECT_EQ(get("/a")->stat.version, Version{0});
    EXPECT_EQ(*children("/a"), Names{});
    EXPECT_EQ(code(multi_now({Create{"/a/x", ""}, Remove{"/a"}})), ErrorCode::kFailedPrecondition);
}

TEST_P(MetadataConformance, ConcurrentMultisTakeEffectOneAfterTheOther) {
    ASSERT_TRUE(create("/n", "").ok());
    constexpr int kWriters = 32;
    // Everybody sets the same version: exactly one can be right.
    auto successes = std::make_shared<int>(0);
    auto mismatches = std::make_shared<int>(0);
    auto ended = std::make_shared<int>(0);
    run([this, successes, mismatches, ended]() -> Task<void> {
        auto all = std::make_shared<Signal>();
        for (int i = 0; i < kWriters; ++i) {
            spawn(harness().executor(), [this, i, all, successes, mismatches, ended]() -> Task<void> {
                const Result<ChangeId> result = co_await store().set("/n", std::to_string(i), Version{0});
                if (result) ++*successes;
                else if (result.error().is(ErrorCode::kVersionMismatch)) ++*mismatches;
                ++*ended;
                all->notify_all();
            });
        }
        while (*ended < kWriters) co_await all->wait();
    });
    EXPECT_EQ(*successes, 1);
    EXPECT_EQ(*mismatches, kWriters - 1);
    EXPECT_EQ(get("/n")->stat.version, Version{1});
}

TEST_P(MetadataConformance, ConcurrentCreatesUnderOneParentAllCount) {
    ASSERT_TRUE(create("/p").ok());
    constexpr int kWriters = 64;
    auto ended = std::make_shared<int>(0);
    run([this, ended]() -> Task<void> {
        auto all = std::make_shared<Signal>();
        for (int i = 0; i < kWriters; ++i) {
            spawn(harness().executor(), [this, i, all, ended]() -> Task<void> {
                EXPECT_TRUE((co_await store().create("/p/" + std::to_string(i), "")).ok());
                ++*ended;
                all->notify_all();
            });
        }
        while (*ended < kWriters) co_await all->wait();
    });
    EXPECT_EQ(children("/p")->size(), static_cast<std::size_t>(kWriters));
}

TEST_P(MetadataConformance, KeepsItsBounds) {
    EXPECT_TRUE(create("/full", std::string(kMaxValueBytes, 'v')).ok());
    EXPECT_EQ(code(set("/full", std::string(kMaxValueBytes + 1, 'v'))), ErrorCode::kTooLarge);
    EXPECT_EQ(get("/full")->value.size(), kMaxValueBytes);

    std::vector<Operation> many(kMaxMultiOperations + 1, Operation{Check{"/full"}});
    EXPECT_EQ(code(multi_now(many)), ErrorCode::kTooLarge);

    std::string path;
    while (path.size() + 1001 <= kMaxPathBytes) {
        path += "/" + std::string(1000, 'n');
        ASSERT_TRUE(create(path).ok()) << path.size();
    }
    path += "/" + std::string(kMaxPathBytes - path.size() - 1, 'n');
    EXPECT_TRUE(create(path, "deep").ok());
    EXPECT_EQ(get(path)->value, "deep");
    EXPECT_EQ(code(create(path + "n")), ErrorCode::kInvalidArgument);
    EXPECT_EQ(children(std::string{parent_of(path)})->size(), 1u);

    ASSERT_TRUE(create("/p").ok());
    std::vector<Operation> creates;
    for (std::size_t i = 0; i < kMaxChildren; ++i) creates.push_back(Create{"/p/" + std::to_string(10'000 + i), ""});
    ASSERT_TRUE(multi_now(creates).ok());
    const Result<ChangeId> one_more = create("/p/one-more");
    EXPECT_EQ(code(one_more), ErrorCode::kTooLarge);
    EXPECT_NE(one_more.error().detail().find("/p/one-more"), std::string::npos);
    EXPECT_TRUE(multi_now({Remove{"/p/10000"}, Create{"/p/one-more", ""}}).ok());
    EXPECT_EQ(children("/p")->size(), kMaxChildren);
}

// ---- Stats ----

TEST_P(MetadataConformance, StatsTellWhoseAndSinceWhen) {
    const Result<ChangeId> created = create("/a", "0");
    const Stat fresh = **stat("/a");
    EXPECT_EQ(fresh.created, *created);
    EXPECT_EQ(fresh.changed, *created);
    EXPECT_EQ(fresh.children_changed, *created);
    EXPECT_EQ(fresh.ephemeral_owner, SessionId{});
    const Result<ChangeId> changed = set("/a", "1");
    const Result<ChangeId> child = create("/a/b", "", Lifetime::kEphemeral);
    EXPECT_LT(*created, *changed);
    EXPECT_LT(*changed, *child);
    const Stat later = **stat("/a");
    EXPECT_EQ(later, (Stat{Version{1}, 1, SessionId{}, *created, *changed, *child}));
    EXPECT_EQ(get("/a")->stat, later);
    EXPECT_EQ((*stat("/a/b"))->ephemeral_owner, store().session());
    EXPECT_NE(store().session(), SessionId{});
    const Result<ChangeId> removed = remove("/a/b");
    EXPECT_EQ((*stat("/a"))->children, 0u);
    EXPECT_EQ((*stat("/a"))->children_changed, *removed);
    EXPECT_FALSE(stat("/a/b")->has_value());
    EXPECT_EQ((*stat("/"))->children, 1u);
}

TEST_P(MetadataConformance, ARecreatedNodeIsToldFromAChangedOne) {
    ASSERT_TRUE(create("/a", "0").ok());
    const ChangeId before = (*stat("/a"))->created;
    ASSERT_TRUE(multi_now({Remove{"/a"}, Create{"/a", "0"}}).ok());
    const Stat after = **stat("/a");
    EXPECT_EQ(after.version, Version{0});
    EXPECT_GT(after.created, before);
}

TEST_P(MetadataConformance, RefusesNamesOfImplementations) {
    EXPECT_EQ(code(create(std::string{kReservedRoot})), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code(create(std::string{kReservedRoot} + "/x")), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code(get(std::string{kReservedRoot})), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(create(std::string{kReservedRoot} + "x").ok());
    EXPECT_EQ(*children("/"), Names{".mrx"});
}

TEST_P(MetadataConformance, TheRootHoldsItsThousand) {
    std::vector<Operation> creates;
    for (std::size_t i = 0; i < kMaxChildren; ++i) creates.push_back(Create{"/" + std::to_string(10'000 + i), ""});
    ASSERT_TRUE(multi_now(creates).ok());
    EXPECT_EQ(children("/")->size(), kMaxChildren);
    EXPECT_EQ((*stat("/"))->children, kMaxChildren);
}

TEST_P(MetadataConformance, AnEphemeralNodeHasNoChildren) {
    ASSERT_TRUE(create("/e", "", Lifetime::kEphemeral).ok());
    const Result<ChangeId> refused = create("/e/x");
    EXPECT_EQ(code(refused), ErrorCode::kFailedPrecondition);
    EXPECT_NE(refused.error().detail().find("/e/x"), std::string::npos);
    EXPECT_TRUE(set("/e", "1", Version{0}).ok());
    EXPECT_TRUE(remove("/e", Version{1}).ok());
}

TEST_P(MetadataConformance, LatestReadsSucceedToo) {
    ASSERT_TRUE(create("/a", "0").ok());
    run([this]() -> Task<void> {
        EXPECT_EQ((co_await store().get("/a", {Freshness::kLatest, {}}))->value, "0");
        EXPECT_EQ((co_await store().children("/", {Freshness::kLatest, {}}))->size(), 1u);
        EXPECT_TRUE((co_await store().stat("/a", {Freshness::kLatest, {}}))->has_value());
    });
}

// ---- Watches ----

TEST_P(MetadataConformance, AWatchOfAValueIsToldOnce) {
    ASSERT_TRUE(create("/a", "0").ok());
    watch_get("/a");
    EXPECT_EQ(told(), Names{});
    ASSERT_TRUE(create("/a/child").ok());
    EXPECT_EQ(told(), Names{}) << "a child is no change of the value";
    ASSERT_TRUE(set("/a", "1").ok());
    EXPECT_EQ(told(), Names{"changed /a"});
    ASSERT_TRUE(set("/a", "2").ok());
    EXPECT_EQ(told(), Names{});
    ASSERT_TRUE(remove("/a/child").ok());
    watch_get("/a");
    ASSERT_TRUE(remove("/a").ok());
    EXPECT_EQ(told(), Names{"deleted /a"});
}

TEST_P(MetadataConformance, AWatchOfExistenceIsToldOfTheCreation) {
    watch_stat("/a");
    ASSERT_TRUE(create("/b").ok());
    EXPECT_EQ(told(), Names{});
    ASSERT_TRUE(create("/a").ok());
    EXPECT_EQ(told(), Names{"created /a"});
    watch_stat("/a");
    ASSERT_TRUE(set("/a", "1").ok());
    EXPECT_EQ(told(), Names{"changed /a"});
    watch_stat("/a");
    ASSERT_TRUE(remove("/a").ok());
    EXPECT_EQ(told(), Names{"deleted /a"});
}

TEST_P(MetadataConformance, AWatchOfChildrenIsToldOfThemOnly) {
    ASSERT_TRUE(create("/a").ok());
    watch_children("/a");
    ASSERT_TRUE(set("/a", "1").ok());
    EXPECT_EQ(told(), Names{}) << "the node's value is none of its children";
    ASSERT_TRUE(create("/a/b").ok());
    EXPECT_EQ(told(), Names{"children-changed /a"});
    watch_children("/a");
    ASSERT_TRUE(set("/a/b", "1").ok());
    ASSERT_TRUE(create("/a/b/deep").ok());
    EXPECT_EQ(told(), Names{});
    ASSERT_TRUE(multi_now({Remove{"/a/b/deep"}, Remove{"/a/b"}}).ok());
    EXPECT_EQ(told(), Names{"children-changed /a"});
    watch_children("/a");
    ASSERT_TRUE(remove("/a").ok());
    EXPECT_EQ(told(), Names{"deleted /a"});
    watch_children("/");
    ASSERT_TRUE(create("/z").ok());
    EXPECT_EQ(told(), Names{"children-changed /"});
}

TEST_P(MetadataConformance, EveryWatchOfAPathIsTold) {
    ASSERT_TRUE(create("/a").ok());
    watch_get("/a");
    watch_get("/a");
    watch_stat("/a");
    watch_children("/a");
    ASSERT_TRUE(remove("/a").ok());
    EXPECT_EQ(told(), (Names{"deleted /a", "deleted /a", "deleted /a", "deleted /a"}));
}

TEST_P(MetadataConformance, ARefusedChangeTellsNobody) {
    ASSERT_TRUE(create("/a", "0").ok());
    watch_get("/a");
    watch_children("/");
    EXPECT_FALSE(set("/a", "1", Version{7}).ok());
    EXPECT_FALSE(multi_now({Set{"/a", "1"}, Create{"/b", ""}, Check{"/no"}}).ok());
    EXPECT_EQ(told(), Names{});
}

TEST_P(MetadataConformance, AFailedReadSetsNoWatch) {
    run([this]() -> Task<void> {
        EXPECT_FALSE((co_await store().get("/a", {Freshness::kSession, watcher()})).ok());
        EXPECT_FALSE((co_await store().children("/a", {Freshness::kSession, watcher()})).ok());
    });
    ASSERT_TRUE(create("/a").ok());
    ASSERT_TRUE(create("/a/b").ok());
    EXPECT_EQ(told(), Names{});
}

TEST_P(MetadataConformance, AWatcherMayReadAndWatchAgain) {
    ASSERT_TRUE(create("/a", "0").ok());
    auto seen = std::make_shared<std::vector<std::string>>();
    run([this, seen]() -> Task<void> {
        // Each event is followed by a read that watches again, so nothing is missed in between.
        auto changed = std::make_shared<Signal>();
        auto events = std::make_shared<int>(0);
        spawn(harness().executor(), [this]() -> Task<void> {
            for (int i = 1; i <= 20; ++i) EXPECT_TRUE((co_await store().set("/a", std::to_string(i), kAnyVersion)).ok());
        });
        while (seen->empty() || seen->back() != "20") {
            const int before = *events;
            const Result<Node> node = co_await store().get("/a", {Freshness::kSession, [changed, events](const WatchEvent&) {
                                                                      ++*events;
                                                                      changed->notify_all();
                                                                  }});
            if (!node.ok()) co_return;
            seen->push_back(node->value);
            if (node->value == "20") break;
            while (*events == before) co_await changed->wait();
        }
    });
    ASSERT_FALSE(seen->empty());
    EXPECT_EQ(seen->back(), "20");
    EXPECT_TRUE(std::is_sorted(seen->begin(), seen->end(),
                               [](const auto& a, const auto& b) { return std::stoi(a) < std::stoi(b); }));
}

TEST_P(MetadataConformance, AnEndedSessionTellsItsWatchesAndRefusesCalls) {
    if (!harness().has_sessions()) GTEST_SKIP() << "has one session only";
    ASSERT_TRUE(create("/a").ok());
    run([this]() -> Task<void> {
        for (const bool orderly : {true, false}) {
            MetadataStore* const other = co_await harness().open_session();
            EXPECT_NE(other, nullptr);
            if (other == nullptr) co_return;
            EXPECT_NE(other->session(), store().session());
            EXPECT_EQ(other->state(), SessionState::kConnected);
            EXPECT_TRUE((co_await other->get("/a", {Freshness::kLatest, watcher()})).ok());
            EXPECT_TRUE((co_await other->children("/", {Freshness::kSession, watcher()})).ok());
            EXPECT_TRUE((co_await other->stat("/none", {Freshness::kSession, watcher()})).ok());
            co_await harness().end_session(*other, orderly);
            const Deadline soon = Deadline::after(harness().clock(), std::chrono::minutes{1});
            while (other->state() != SessionState::kExpired && !soon.passed(harness().clock())) {
                co_await other->state_changed(other->state(), soon);
            }
            EXPECT_EQ(other->state(), SessionState::kExpired);
            Names lost = told();
            std::sort(lost.begin(), lost.end());
            EXPECT_EQ(lost, (Names{"session-lost /", "session-lost /a", "session-lost /none"}));
            EXPECT_EQ(code(co_await other->get("/a")), ErrorCode::kClosed);
            EXPECT_EQ(code(co_await other->create("/b", "")), ErrorCode::kClosed);
            EXPECT_EQ(code(co_await other->fate_of(Nonce{1})), ErrorCode::kClosed);
        }
    });
}

TEST_P(MetadataConformance, EphemeralNodesGoWithTheirSessionAndEverybodyHears) {
    if (!harness().has_sessions()) GTEST_SKIP() << "has one session only";
    ASSERT_TRUE(create("/live").ok());
    run([this]() -> Task<void> {
        for (const bool orderly : {true, false}) {
            MetadataStore* const other = co_await harness().open_session();
            EXPECT_NE(other, nullptr);
            if (other == nullptr) co_return;
            EXPECT_TRUE((co_await other->create("/live/other", "1", Lifetime::kEphemeral)).ok());
            EXPECT_TRUE((co_await other->create("/live/kept", "1")).ok());
            EXPECT_TRUE((co_await store().create("/live/mine", "1", Lifetime::kEphemeral)).ok());
            auto heard = std::make_shared<OneShot<WatchEvent>>();
            const auto found = co_await store().stat(
                "/live/other", {Freshness::kLatest, [heard](WatchEvent event) { heard->set(std::move(event)); }});
            EXPECT_TRUE(found.ok() && *found && (*found)->ephemeral_owner == other->session());
            co_await harness().end_session(*other, orderly);
            const std::optional<WatchEvent> event =
                co_await heard->wait_until(harness().clock(), harness().clock().now() + std::chrono::minutes{1});
            EXPECT_TRUE(event && event->kind == EventKind::kDeleted);
            Result<Names> left = co_await store().children("/live", {Freshness::kLatest, {}});
            EXPECT_EQ(*left, (Names{"kept", "mine"}));
            EXPECT_TRUE((co_await store().remove("/live/kept")).ok());
            EXPECT_TRUE((co_await store().remove("/live/mine")).ok());
        }
    });
}

TEST_P(MetadataConformance, LatestReadsSeeWhatOthersCompleted) {
    if (!harness().has_sessions()) GTEST_SKIP() << "has one session only";
    run([this]() -> Task<void> {
        MetadataStore* const other = co_await harness().open_session();
        EXPECT_NE(other, nullptr);
        if (other == nullptr) co_return;
        EXPECT_TRUE((co_await store().create("/n", "0")).ok());
        for (int i = 1; i <= 50; ++i) {
            MetadataStore& writer = i % 2 == 0 ? store() : *other;
            MetadataStore& reader = i % 2 == 0 ? *other : store();
            EXPECT_TRUE((co_await writer.set("/n", std::to_string(i), kAnyVersion)).ok());
            const Result<Node> node = co_await reader.get("/n", {Freshness::kLatest, {}});
            EXPECT_TRUE(node.ok() && node->value == std::to_string(i));
        }
    });
}

TEST_P(MetadataConformance, AFateNobodyWaitsForIsNotFound) {
    run([this]() -> Task<void> {
        const Nonce nonce = store().new_nonce();
        EXPECT_NE(nonce, store().new_nonce());
        std::vector<Operation> operations;
        operations.emplace_back(Create{"/a", ""});
        EXPECT_TRUE((co_await store().multi(operations, nonce)).ok());
        EXPECT_EQ(code(co_await store().fate_of(nonce)), ErrorCode::kNotFound) << "its outcome is known";
    });
}

// ---- Restarts ----

TEST_P(MetadataConformance, EphemeralNodesDoNotSurviveARestart) {
    ASSERT_TRUE(create("/a", "1").ok());
    ASSERT_TRUE(create("/a/e", "1", Lifetime::kEphemeral).ok());
    ASSERT_TRUE(create("/a/p", "1").ok());
    const Stat before = **stat("/a");
    const SessionId session = store().session();
    if (!harness().reopen()) GTEST_SKIP() << "lives in memory";
    EXPECT_NE(store().session(), session);
    EXPECT_EQ(*children("/a"), Names{"p"});
    EXPECT_EQ(code(get("/a/e")), ErrorCode::kNotFound);
    const Stat after = **stat("/a");
    EXPECT_EQ(after.children, 1u);
    EXPECT_EQ(after.created, before.created);
    EXPECT_GT(after.children_changed, before.children_changed);
    EXPECT_TRUE(create("/a/e", "2", Lifetime::kEphemeral).ok());
}

TEST_P(MetadataConformance, SurvivesARestart) {
    ASSERT_TRUE(create("/a", "1").ok());
    ASSERT_TRUE(set("/a", "2").ok());
    ASSERT_TRUE(create("/a/b", "3").ok());
    ASSERT_TRUE(create("/gone").ok());
    ASSERT_TRUE(remove("/gone").ok());
    if (!harness().reopen()) GTEST_SKIP() << "lives in memory";
    EXPECT_EQ(get("/a")->value, "2");
    EXPECT_EQ(get("/a")->stat.version, Version{1});
    EXPECT_EQ(*children("/a"), Names{"b"});
    EXPECT_EQ(code(get("/gone")), ErrorCode::kNotFound);
    const Result<ChangeId> later = set("/a", "4", Version{1});
    ASSERT_TRUE(later.ok());
    EXPECT_GT(*later, (*stat("/a"))->created);
}

// ---- Random histories ----

class MetadataHistories : public testing::TestWithParam<HarnessFactory> {};

TEST_P(MetadataHistories, KeepEveryPromise) {
    const std::uint64_t first = sim::number_from_environment("MILLRACE_SEED", 1);
    const std::uint64_t count = std::getenv("MILLRACE_SEED") != nullptr ? 1 : sim::number_from_environment("MILLRACE_SEEDS", 20);
    std::size_t writes = 0;
    for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
        const std::unique_ptr<ConformanceHarness> harness = GetParam().make(seed);
        WorkloadOptions options;
        // Where there is but one session its calls meet each other all the more.
        if (!harness->has_sessions()) options.fibers *= options.sessions;
        Workload workload{*harness, seed, options};
        harness->run([&workload]() -> Task<void> { co_await workload.run(); });
        writes += workload.history().writes.size();
        for (const std::string& violation : check_history(workload.history())) ADD_FAILURE() << violation;
        if (HasFailure()) std::fprintf(stderr, "replay: %s\n", sim::replay_command(seed).c_str());
    }
    EXPECT_GT(writes, count * 5);
}

}  // namespace millrace::metadata
