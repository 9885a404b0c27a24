// SPDX-License-Identifier: Apache-2.0
//
// What every metadata store must do. A test program of an implementation includes this header once
// and instantiates the suite with a factory of its own:
//     INSTANTIATE_TEST_SUITE_P(RocksDb, MetadataConformance, testing::Values(factory));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/unique_function.h"
#include "common/metadata/metadata_store.h"
#include "common/metadata/tree_rules.h"
#include "common/runtime/executor.h"
#include "common/runtime/signal.h"

namespace millrace::metadata {

class ConformanceHarness {
public:
    virtual ~ConformanceHarness() = default;

    virtual MetadataStore& store() = 0;
    virtual Executor executor() = 0;
    // Runs a coroutine to its end.
    virtual void run(UniqueFunction<Task<void>()> body) = 0;
    // Closes the store and opens it again as a restarted process would. False: does not outlive its process.
    virtual bool reopen() = 0;
};

using HarnessFactory = std::function<std::unique_ptr<ConformanceHarness>()>;

class MetadataConformance : public testing::TestWithParam<HarnessFactory> {
protected:
    MetadataConformance() : harness_{GetParam()()} {}
    MetadataStore& store() { return harness_->store(); }
    void run(UniqueFunction<Task<void>()> body) { harness_->run(std::move(body)); }
    ConformanceHarness& harness() { return *harness_; }

    // Each is a root coroutine of its own, so that a test reads as a list of steps.
    Result<void> create(std::string path, std::string value = "") {
        return multi_now({Create{std::move(path), std::move(value)}});
    }
    Result<void> set(std::string path, std::string value, Version expected = kAnyVersion) {
        return multi_now({Set{std::move(path), std::move(value), expected}});
    }
    Result<void> remove(std::string path, Version expected = kAnyVersion) {
        return multi_now({Remove{std::move(path), expected}});
    }
    Result<void> multi_now(std::vector<Operation> operations) {
        auto result = std::make_shared<Result<void>>();
        run([this, result, operations]() -> Task<void> { *result = co_await store().multi(operations); });
        return *result;
    }
    Result<Node> get(std::string path) {
        auto result = std::make_shared<Result<Node>>();
        run([this, result, path]() -> Task<void> { *result = co_await store().get(path); });
        return *result;
    }
    Result<std::vector<std::string>> children(std::string path) {
        auto result = std::make_shared<Result<std::vector<std::string>>>();
        run([this, result, path]() -> Task<void> { *result = co_await store().children(path); });
        return *result;
    }

    static ErrorCode code(const Result<void>& result) { return result.ok() ? ErrorCode{} : result.error().code(); }
    template <class T>
    static ErrorCode code(const Result<T>& result) {
        return result.ok() ? ErrorCode{} : result.error().code();
    }

private:
    std::unique_ptr<ConformanceHarness> harness_;
};

using Names = std::vector<std::string>;

TEST_P(MetadataConformance, ReadsBackWhatWasWritten) {
    ASSERT_TRUE(create("/a", std::string{"x\0y", 3}).ok());
    const Result<Node> node = get("/a");
    ASSERT_TRUE(node.ok()) << node.error().to_string();
    EXPECT_EQ(node->value, (std::string{"x\0y", 3}));
    EXPECT_EQ(node->version, Version{0});
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
    EXPECT_EQ(get("/a")->version, Version{2});
    const Result<void> stale = set("/a", "3", Version{1});
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
    EXPECT_EQ(get("/a")->version, Version{0});
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
    const Result<void> refused = remove("/a");
    EXPECT_EQ(code(refused), ErrorCode::kFailedPrecondition);
    EXPECT_NE(refused.error().detail().find("/a"), std::string::npos);
    ASSERT_TRUE(remove("/a/b").ok());
    EXPECT_TRUE(remove("/a").ok());
}

TEST_P(MetadataConformance, MultiIsAllOrNothing) {
    ASSERT_TRUE(create("/a", "old").ok());
    EXPECT_EQ(code(multi_now({Set{"/a", "new"}, Create{"/b", ""}, Remove{"/no"}})), ErrorCode::kNotFound);
    EXPECT_EQ(get("/a")->value, "old");
    EXPECT_EQ(get("/a")->version, Version{0});
    EXPECT_EQ(code(get("/b")), ErrorCode::kNotFound);
}

TEST_P(MetadataConformance, LaterOperationsOfAMultiSeeTheEarlierOnes) {
    EXPECT_TRUE(multi_now({Create{"/a", "0"}, Create{"/a/b", ""}, Set{"/a", "1", Version{0}}, Check{"/a", Version{1}}}).ok());
    EXPECT_EQ(get("/a")->version, Version{1});
    EXPECT_TRUE(multi_now({Remove{"/a/b"}, Remove{"/a"}, Create{"/a", "again"}}).ok());
    EXPECT_EQ(get("/a")->version, Version{0});
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
                const Result<void> result = co_await store().set("/n", std::to_string(i), Version{0});
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
    EXPECT_EQ(get("/n")->version, Version{1});
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

    ASSERT_TRUE(create("/p").ok());
    std::vector<Operation> creates;
    for (std::size_t i = 0; i < kMaxChildren; ++i) creates.push_back(Create{"/p/" + std::to_string(10'000 + i), ""});
    ASSERT_TRUE(multi_now(creates).ok());
    const Result<void> one_more = create("/p/one-more");
    EXPECT_EQ(code(one_more), ErrorCode::kTooLarge);
    EXPECT_NE(one_more.error().detail().find("/p/one-more"), std::string::npos);
    EXPECT_TRUE(multi_now({Remove{"/p/10000"}, Create{"/p/one-more", ""}}).ok());
    EXPECT_EQ(children("/p")->size(), kMaxChildren);
}

TEST_P(MetadataConformance, SurvivesARestart) {
    ASSERT_TRUE(create("/a", "1").ok());
    ASSERT_TRUE(set("/a", "2").ok());
    ASSERT_TRUE(create("/a/b", "3").ok());
    ASSERT_TRUE(create("/gone").ok());
    ASSERT_TRUE(remove("/gone").ok());
    if (!harness().reopen()) GTEST_SKIP() << "lives in memory";
    EXPECT_EQ(get("/a")->value, "2");
    EXPECT_EQ(get("/a")->version, Version{1});
    EXPECT_EQ(*children("/a"), Names{"b"});
    EXPECT_EQ(code(get("/gone")), ErrorCode::kNotFound);
    EXPECT_TRUE(set("/a", "4", Version{1}).ok());
}

}  // namespace millrace::metadata
