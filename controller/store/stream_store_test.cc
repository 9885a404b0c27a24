// SPDX-License-Identifier: Apache-2.0
//
// Races that the service's calls meet too seldom to be tested there.
#include "controller/store/stream_store.h"

#include <gtest/gtest.h>

#include "common/metadata/testing/memory_metadata_store.h"
#include "controller/store/paths.h"
#include "tests/sim/world.h"

namespace millrace::controller::store {
namespace {

// Metadata in memory; something else may happen between one read and what its reader does next.
class Interrupted final : public metadata::MetadataStore {
public:
    explicit Interrupted(metadata::MemoryMetadataStore& inner) : inner_{inner} {}

    // Once, after `path` was read.
    void after_get(std::string path, std::function<Task<void>()> act) {
        path_ = std::move(path);
        act_ = std::move(act);
    }
    bool interrupted() const { return !act_; }

    Task<Result<metadata::Node>> get(std::string path) override {
        Result<metadata::Node> node = co_await inner_.get(path);
        if (path == path_ && act_) co_await std::exchange(act_, nullptr)();
        co_return node;
    }
    Task<Result<std::vector<std::string>>> children(std::string path) override { return inner_.children(std::move(path)); }
    Task<Result<void>> multi(std::vector<metadata::Operation> operations) override {
        return inner_.multi(std::move(operations));
    }

private:
    metadata::MemoryMetadataStore& inner_;
    std::string path_;
    std::function<Task<void>()> act_;
};

TEST(StreamStore, NumbersGoOnWhenACreateMeetsTheEndOfADelete) {
    const StreamName name{"s", "x"};
    sim::World world{1};
    metadata::MemoryMetadataStore memory;
    Interrupted metadata{memory};
    StreamStore store{metadata};
    StreamStore other{memory};
    world.run([&]() -> Task<void> {
        EXPECT_TRUE((co_await store.open()).ok());
        EXPECT_TRUE((co_await store.create_scope("s", {})).ok());
        EXPECT_TRUE((co_await store.create(name, {}, 2)).ok());
        metadata.after_get(retired_path(name).node, [&]() -> Task<void> {
            const Result<StoredStream> stream = co_await other.load(name);
            EXPECT_TRUE((co_await other.remove(name, *stream)).ok());
        });
        const Result<void> met = co_await store.create(name, {}, 1);
        EXPECT_TRUE(metadata.interrupted());
        EXPECT_FALSE(met.ok()) << "the numbers that it read are out of date";
        if (!met.ok()) EXPECT_TRUE((co_await store.create(name, {}, 1)).ok());
        const Result<StoredStream> stream = co_await store.load(name);
        EXPECT_TRUE(stream.ok());
        EXPECT_EQ(stream->record.current().segments(0).number(), 2u);
        EXPECT_TRUE((co_await store.remove(name, *stream)).ok());
        EXPECT_TRUE((co_await store.load(name)).error().is(ErrorCode::kNotFound));
    });
}

TEST(StreamStore, RemovingKeepsTheLargerOfTwoNumbers) {
    const StreamName name{"s", "x"};
    sim::World world{1};
    metadata::MemoryMetadataStore memory;
    StreamStore store{memory};
    world.run([&]() -> Task<void> {
        EXPECT_TRUE((co_await store.open()).ok());
        EXPECT_TRUE((co_await store.create_scope("s", {})).ok());
        EXPECT_TRUE((co_await store.create(name, {}, 2)).ok());
        const Result<StoredStream> stream = co_await store.load(name);
        const RetiredPath retired = retired_path(name);
        records::RetiredStreamRecord numbers;
        numbers.set_next_number(7);
        (void)co_await memory.create(retired.outer, "");
        (void)co_await memory.create(retired.bucket, "");
        EXPECT_TRUE((co_await memory.create(retired.node, numbers.SerializeAsString())).ok());
        EXPECT_TRUE((co_await store.remove(name, *stream)).ok());
        EXPECT_TRUE((co_await store.create(name, {}, 1)).ok());
        EXPECT_EQ((co_await store.load(name))->record.current().segments(0).number(), 7u);
    });
}

}  // namespace
}  // namespace millrace::controller::store
