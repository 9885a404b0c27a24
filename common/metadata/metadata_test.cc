// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "common/metadata/testing/conformance.h"
#include "common/metadata/testing/memory_metadata_store.h"
#include "tests/sim/world.h"

namespace millrace::metadata {
namespace {

class MemoryHarness final : public ConformanceHarness {
public:
    MetadataStore& store() override { return store_; }
    Executor executor() override { return world_.executor(); }
    void run(UniqueFunction<Task<void>()> body) override { world_.run(std::move(body)); }
    bool reopen() override { return false; }

private:
    sim::World world_{1};
    MemoryMetadataStore store_;
};

INSTANTIATE_TEST_SUITE_P(Memory, MetadataConformance,
                         testing::Values(HarnessFactory{[] { return std::make_unique<MemoryHarness>(); }}));

TEST(MemoryMetadataStore, EndsAsToldWhenAFateIsSet) {
    sim::World world{1};
    MemoryMetadataStore store;
    using Outcome = MemoryMetadataStore::Outcome;
    store.set_fate([](std::uint64_t n) {
        constexpr Outcome kOutcomes[] = {Outcome::kLost, Outcome::kAppliedUnheard, Outcome::kRefused, Outcome::kNormal};
        return kOutcomes[n];
    });
    const auto create = [&](std::string path) {
        return world.run([&store, path]() -> Task<Result<void>> { co_return co_await store.create(path, ""); });
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

}  // namespace
}  // namespace millrace::metadata
