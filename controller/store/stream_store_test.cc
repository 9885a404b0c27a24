// SPDX-License-Identifier: Apache-2.0
//
// Races that the service's calls meet too seldom to be tested there.
#include "controller/store/stream_store.h"

#include <gtest/gtest.h>

#include <set>

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

    metadata::Nonce new_nonce() override { return inner_.new_nonce(); }
    Task<Result<std::optional<metadata::ChangeId>>> fate_of(metadata::Nonce nonce) override { return inner_.fate_of(nonce); }
    metadata::SessionId session() const override { return inner_.session(); }
    metadata::SessionState state() const override { return inner_.state(); }
    Task<metadata::SessionState> state_changed(metadata::SessionState seen, Deadline deadline) override {
        return inner_.state_changed(seen, deadline);
    }

private:
    Task<Result<metadata::Node>> do_get(std::string path, metadata::ReadOptions options) override {
        Result<metadata::Node> node = co_await inner_.get(path, std::move(options));
        if (path == path_ && act_) co_await std::exchange(act_, nullptr)();
        co_return node;
    }
    Task<Result<std::optional<metadata::Stat>>> do_stat(std::string path, metadata::ReadOptions options) override {
        return inner_.stat(std::move(path), std::move(options));
    }
    Task<Result<std::vector<std::string>>> do_children(std::string path, metadata::ReadOptions options) override {
        return inner_.children(std::move(path), std::move(options));
    }
    Task<Result<metadata::ChangeId>> do_multi(std::vector<metadata::Operation> operations, metadata::Nonce nonce) override {
        return inner_.multi(std::move(operations), nonce);
    }

    metadata::MemoryMetadataStore& inner_;
    std::string path_;
    std::function<Task<void>()> act_;
};

TEST(StreamStore, NumbersGoOnWhenACreateMeetsTheEndOfADelete) {
    const StreamName name{"s", "x"};
    sim::World world{1};
    metadata::MemoryMetadataStore memory{world.clock()};
    Interrupted metadata{memory};
    StreamStore store{metadata, world.clock()};
    StreamStore other{memory, world.clock()};
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
    metadata::MemoryMetadataStore memory{world.clock()};
    StreamStore store{memory, world.clock()};
    world.run([&]() -> Task<void> {
        EXPECT_TRUE((co_await store.open()).ok());
        EXPECT_TRUE((co_await store.create_scope("s", {})).ok());
        EXPECT_TRUE((co_await store.create(name, {}, 2)).ok());
        const Result<StoredStream> stream = co_await store.load(name);
        const DeepPath retired = retired_path(name);
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

TEST(StreamStore, RefusesRecordsOfLaterVersionsAndReadsThoseWithout) {
    const StreamName name{"s", "x"};
    sim::World world{1};
    metadata::MemoryMetadataStore memory{world.clock()};
    StreamStore store{memory, world.clock()};
    world.run([&]() -> Task<void> {
        EXPECT_TRUE((co_await store.open()).ok());
        EXPECT_TRUE((co_await store.create_scope("s", {})).ok());
        EXPECT_TRUE((co_await store.create(name, {}, 1)).ok());
        const std::string path = stream_path(name).node;
        for (const std::uint32_t version : {1u, 0u, 2u}) {
            const Result<metadata::Node> node = co_await memory.get(path);
            records::StreamRecord record;
            EXPECT_TRUE(node.ok() && record.ParseFromString(node->value));
            if (version == 1) EXPECT_EQ(record.version(), 1u) << "as it was written";
            record.set_version(version);
            EXPECT_TRUE((co_await memory.set(path, record.SerializeAsString(), node->stat.version)).ok());
            const Result<StoredStream> stream = co_await store.load(name);
            EXPECT_EQ(stream.ok(), version < 2) << version;
            if (!stream.ok()) EXPECT_TRUE(stream.error().is(ErrorCode::kUnsupported)) << stream.error().to_string();
        }
    });
}

TEST(StreamStore, RefusesRecordsThatCannotBe) {
    using records::StreamRecord;
    const StreamName name{"s", "x"};
    sim::World world{1};
    metadata::MemoryMetadataStore memory{world.clock()};
    StreamStore store{memory, world.clock()};
    world.run([&]() -> Task<void> {
        EXPECT_TRUE((co_await store.open()).ok());
        EXPECT_TRUE((co_await store.create_scope("s", {})).ok());
        EXPECT_TRUE((co_await store.create(name, {}, 2)).ok());
        const std::string path = stream_path(name).node;
        StreamRecord good;
        EXPECT_TRUE(good.ParseFromString((co_await memory.get(path))->value));
        std::vector<StreamRecord> bad(6, good);
        bad[0].mutable_current()->set_full(false);
        bad[1].mutable_current()->set_epoch(0xffff'ffff);
        bad[2].mutable_current()->mutable_segments(1)->set_low(0.25);  // two segments for the same keys
        bad[3].mutable_current()->mutable_segments()->RemoveLast();
        bad[4].mutable_scale()->set_published(true);
        bad[4].set_state(StreamRecord::ACTIVE);
        bad[5].mutable_seal();
        bad[5].set_state(StreamRecord::SEALED);
        for (const StreamRecord& record : bad) {
            const Result<metadata::Node> node = co_await memory.get(path);
            EXPECT_TRUE((co_await memory.set(path, record.SerializeAsString(), node->stat.version)).ok());
            const Result<StoredStream> stream = co_await store.load(name);
            EXPECT_FALSE(stream.ok()) << record.ShortDebugString();
            if (!stream.ok()) EXPECT_TRUE(stream.error().is(ErrorCode::kCorrupt)) << stream.error().to_string();
        }
    });
}

records::StreamRecord with_retention(std::uint64_t nonce) {
    records::StreamRecord record;
    record.set_nonce(nonce);
    record.mutable_config()->set_retention_type(2);
    record.mutable_config()->set_retention_param(1000);
    return record;
}

TEST(StreamStore, ListsStreamsWithRetention) {
    sim::World world{1};
    metadata::MemoryMetadataStore memory{world.clock()};
    StreamStore store{memory, world.clock()};
    world.run([&]() -> Task<void> {
        EXPECT_TRUE((co_await store.open()).ok());
        EXPECT_TRUE((co_await store.create_scope("s", {})).ok());
        std::set<StreamName> made;
        for (int i = 0; i < 20; ++i) {
            const StreamName name{"s", "x" + std::to_string(i)};
            EXPECT_TRUE((co_await store.create(name, i % 2 == 0 ? with_retention(7) : records::StreamRecord{}, 1)).ok());
            if (i % 2 == 0) made.insert(name);
        }
        std::set<StreamName> listed;
        const auto parts = co_await store.retention_parts();
        EXPECT_TRUE(parts.ok());
        for (const std::string& part : *parts) {
            const auto streams = co_await store.retention_streams(part);
            EXPECT_TRUE(streams.ok());
            for (const StreamName& name : *streams) EXPECT_TRUE(listed.insert(name).second) << name.to_string();
        }
        EXPECT_EQ(listed, made);
        EXPECT_TRUE((co_await store.retention({"s", "x1"})).error().is(ErrorCode::kNotFound));
        const auto set = co_await store.retention({"s", "x2"});
        EXPECT_TRUE(set.ok() && set->record.stream() == 7 && set->record.version() == 1);
        // Of two that read the same, one is late.
        EXPECT_TRUE((co_await store.update_retention({"s", "x2"}, *set, set->record)).ok());
        EXPECT_TRUE((co_await store.update_retention({"s", "x2"}, *set, set->record)).error().is(ErrorCode::kVersionMismatch));
    });
}

TEST(StreamStore, MakesTheListOfStreamsWithRetentionOfAnOlderFormat) {
    const StreamName name{"s", "x"};
    const StreamName damaged{"s", "damaged"};
    sim::World world{1};
    metadata::MemoryMetadataStore memory{world.clock()};
    world.run([&]() -> Task<void> {
        StreamStore store{memory, world.clock()};
        EXPECT_TRUE((co_await store.open()).ok());
        EXPECT_TRUE((co_await store.create_scope("s", {})).ok());
        EXPECT_TRUE((co_await store.create_scope("t", {})).ok());
        EXPECT_TRUE((co_await store.create(name, with_retention(7), 1)).ok());
        EXPECT_TRUE((co_await store.create({"t", "y"}, {}, 1)).ok());
        EXPECT_TRUE((co_await store.create(damaged, with_retention(8), 1)).ok());
        // As a controller left it that knew nothing of the list.
        std::vector<metadata::Operation> forget;
        for (const StreamName& stream : {name, damaged}) {
            const DeepPath path = retention_path(stream);
            for (const std::string& node : {path.node, path.bucket, path.outer}) forget.emplace_back(metadata::Remove{node});
        }
        forget.emplace_back(metadata::Remove{std::string{kRetention}});
        forget.emplace_back(metadata::Set{stream_path(damaged).node, "no record"});
        records::FormatRecord format;
        format.set_version(1);
        forget.emplace_back(metadata::Set{std::string{kRoot}, format.SerializeAsString()});
        EXPECT_TRUE((co_await memory.multi(std::move(forget))).ok());
    });
    // Twice, the second time as if the first had not come to its end.
    for (int i = 0; i < 2; ++i) {
        world.run([&]() -> Task<void> {
            StreamStore store{memory, world.clock()};
            EXPECT_TRUE((co_await store.open()).ok());
            const auto set = co_await store.retention(name);
            EXPECT_TRUE(set.ok() && set->record.stream() == 7);
            EXPECT_TRUE((co_await store.retention({"t", "y"})).error().is(ErrorCode::kNotFound));
            records::FormatRecord format;
            EXPECT_TRUE(format.ParseFromString((co_await memory.get(std::string{kRoot}))->value));
            EXPECT_EQ(format.version(), 2u);
            format.set_version(1);
            EXPECT_TRUE((co_await memory.set(std::string{kRoot}, format.SerializeAsString(), metadata::kAnyVersion)).ok());
        });
    }
    world.run([&]() -> Task<void> {
        records::FormatRecord format;
        format.set_version(3);
        EXPECT_TRUE((co_await memory.set(std::string{kRoot}, format.SerializeAsString(), metadata::kAnyVersion)).ok());
        StreamStore store{memory, world.clock()};
        EXPECT_TRUE((co_await store.open()).error().is(ErrorCode::kUnsupported));
    });
}

}  // namespace
}  // namespace millrace::controller::store
