// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/rocksdb/rocksdb_metadata_store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

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

Result<std::unique_ptr<RocksDbMetadataStore>> open(sim::World& world, sim::Node& node, const std::string& directory) {
    return world.run([runtime = node.runtime(), directory]() -> Task<Result<std::unique_ptr<RocksDbMetadataStore>>> {
        co_return co_await RocksDbMetadataStore::open(runtime, directory);
    });
}

void close(sim::World& world, RocksDbMetadataStore& store) {
    world.run([&store]() -> Task<void> { co_await store.close(); });
}

class RocksDbHarness final : public ConformanceHarness {
public:
    RocksDbHarness() { open_store(); }
    ~RocksDbHarness() override { close(world_, *store_); }

    MetadataStore& store() override { return *store_; }
    Executor executor() override { return world_.executor(); }
    void run(UniqueFunction<Task<void>()> body) override { world_.run(std::move(body)); }
    bool reopen() override {
        close(world_, *store_);
        store_.reset();
        open_store();
        return true;
    }

private:
    void open_store() {
        auto opened = open(world_, node_, directory_.below("metadata"));
        MR_CHECK(opened.ok());
        store_ = std::move(opened).value();
    }

    ScratchDirectory directory_;
    sim::World world_{1};
    sim::Node& node_ = world_.add_node("n");
    std::unique_ptr<RocksDbMetadataStore> store_;
};

INSTANTIATE_TEST_SUITE_P(RocksDb, MetadataConformance,
                         testing::Values(HarnessFactory{[] { return std::make_unique<RocksDbHarness>(); }}));

TEST(RocksDbMetadataStore, RefusesChangesOnAFullDiskAndKeepsReading) {
    ScratchDirectory scratch;
    sim::World world{1};
    sim::Node& node = world.add_node("n");
    const auto attempt = [&](std::uint64_t keep_free_bytes, const std::string& path) {
        return world.run([&, keep_free_bytes, path]() -> Task<Result<void>> {
            auto store = co_await RocksDbMetadataStore::open(node.runtime(), scratch.below("m"),
                                                             {.keep_free_bytes = keep_free_bytes});
            MR_CHECK(store.ok());
            const Result<void> created = co_await (*store)->create(path, "value");
            const Result<Node> read = co_await (*store)->get("/there");
            EXPECT_TRUE(read.ok());
            EXPECT_FALSE((*store)->stopped());
            co_await (*store)->close();
            co_return created;
        });
    };
    ASSERT_TRUE(attempt(0, "/there"));
    const Result<void> refused = attempt(UINT64_MAX, "/refused");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is(ErrorCode::kNoSpace));
    EXPECT_EQ(refused.error().fate(), Fate::kNotApplied);
    EXPECT_TRUE(attempt(0, "/refused")) << "it was not there, and there is space again";
}

TEST(RocksDbMetadataStore, SaysInUseWhenTheDirectoryIsOpen) {
    ScratchDirectory scratch;
    sim::World world{1};
    sim::Node& node = world.add_node("n");
    auto first = open(world, node, scratch.below("m"));
    ASSERT_TRUE(first.ok()) << first.error().to_string();
    const auto second = open(world, node, scratch.below("m"));
    ASSERT_FALSE(second.ok());
    EXPECT_TRUE(second.error().is(ErrorCode::kInUse)) << second.error().to_string();
    close(world, **first);
}

TEST(RocksDbMetadataStore, NamesTheDirectoryThatCannotBeOpened) {
    ScratchDirectory scratch;
    sim::World world{1};
    sim::Node& node = world.add_node("n");
    std::ofstream{scratch.below("file")} << "not a directory";
    const auto opened = open(world, node, scratch.below("file"));
    ASSERT_FALSE(opened.ok());
    EXPECT_NE(opened.error().detail().find(scratch.below("file")), std::string::npos) << opened.error().to_string();
}

TEST(RocksDbMetadataStore, RefusesCallsOnceClosed) {
    ScratchDirectory scratch;
    sim::World world{1};
    sim::Node& node = world.add_node("n");
    auto store = open(world, node, scratch.below("m"));
    ASSERT_TRUE(store.ok());
    close(world, **store);
    const Result<Node> node_read =
        world.run([&store]() -> Task<Result<Node>> { co_return co_await (*store)->get("/a"); });
    EXPECT_TRUE(node_read.error().is(ErrorCode::kClosed));
}

}  // namespace
}  // namespace millrace::metadata
