// SPDX-License-Identifier: Apache-2.0
//
// Objects in a directory: on a simulated disk that fails, and on the machine's own.
#include "segmentstore/storage/file/file_storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "common/base/crc32c.h"
#include "common/runtime/asio/asio_runtime.h"
#include "tests/sim/world.h"

namespace millrace::storage {
namespace {

using namespace std::chrono_literals;

constexpr ObjectName kName{ContainerId{3}, OwnerEpoch{18}, 26};

TEST(ObjectNameTest, IsReadBackStrictly) {
    EXPECT_EQ(kName.to_string(), "00000003/0000000000000012/000000000000001a");
    EXPECT_EQ(*ObjectName::parse(kName.to_string()), kName);
    for (const char* other : {"", "3/18/26", "00000003/0000000000000012/000000000000001A",
                              "00000003/0000000000000012/000000000000001a.tmp",
                              "00000003-0000000000000012/000000000000001a"}) {
        EXPECT_TRUE(ObjectName::parse(other).error().is(ErrorCode::kInvalidArgument)) << other;
    }
}

TEST(StorageMark, HasTheDocumentedBytes) {
    StorageId id;
    for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(i);
    const ByteBuffer mark = encode_storage_mark(id);
    EXPECT_EQ(to_hex(mark.view().first(28)), "6d722d6c74730000" "01000000" "000102030405060708090a0b0c0d0e0f");
    EXPECT_EQ(mark.size(), 32u);
    EXPECT_EQ(*decode_storage_mark(mark.view()), id);
    for (std::size_t i = 0; i < mark.size(); ++i) {
        ByteBuffer bad = mark;
        bad[i] ^= std::byte{1};
        EXPECT_FALSE(decode_storage_mark(bad.view()).ok()) << i;
        EXPECT_FALSE(decode_storage_mark(mark.view().first(i)).ok()) << i;
    }
    ByteBuffer longer = mark;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(decode_storage_mark(longer.view()).ok());
}

TEST(StorageMark, OfAVersionThatNeverWasIsDamaged) {
    ByteBuffer mark = encode_storage_mark({});
    mark[8] = std::byte{0};
    const std::uint32_t crc = crc32c(mark.view().first(28));
    std::memcpy(mark.data() + 28, &crc, sizeof crc);
    EXPECT_TRUE(decode_storage_mark(mark.view()).error().is(ErrorCode::kCorrupt));
}

ByteBuffer pattern(std::size_t size) {
    ByteBuffer bytes;
    bytes.resize(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 251);
    return bytes;
}

Task<Result<void>> write_object(FileStorage& storage, ObjectName name, std::vector<Bytes> pieces, bool hands_over = false) {
    MR_CO_TRY(auto writer, co_await storage.create(name));
    for (const Bytes& piece : pieces) {
        std::vector<Bytes> one{piece};
        MR_CO_TRY_VOID(co_await writer->append(std::move(one)));
        if (hands_over) MR_CO_TRY_VOID(co_await writer->hand_over());
    }
    co_return co_await writer->finish();
}

// What every storage in a directory does, on any disk.
Task<Result<void>> exercise(Runtime runtime, std::string root, bool hands_over) {
    MR_CO_TRY(const StorageId id, co_await FileStorage::format(runtime, root));
    MR_CO_TRY(auto storage, co_await FileStorage::open(runtime, root));
    EXPECT_EQ(storage->id(), id);
    const auto again = co_await FileStorage::format(runtime, root);
    EXPECT_TRUE(!again && again.error().is(ErrorCode::kFailedPrecondition));

    ObjectName name = kName;
    for (const std::size_t size : {0u, 1u, 4095u, 4096u, 1'048'575u, 1'048'576u, 1'048'577u, 3'000'000u}) {
        const ByteBuffer whole = pattern(size);
        const std::size_t cut = size / 3;
        std::vector<Bytes> pieces{Bytes::copy_of(whole.view().first(cut)), Bytes{},
                                  Bytes::copy_of(whole.view().subspan(cut))};
        MR_CO_TRY_VOID(co_await write_object(*storage, name, std::move(pieces), hands_over));
        MR_CO_TRY(const std::uint64_t stored, co_await storage->size(name));
        EXPECT_EQ(stored, size);
        MR_CO_TRY(const Bytes all, co_await storage->read(name, 0, size + 10));
        EXPECT_TRUE(std::ranges::equal(all.view(), whole)) << size;
        const std::size_t offset = size / 2 + (size > 5 ? 1 : 0);
        MR_CO_TRY(const Bytes part, co_await storage->read(name, offset, 5));
        EXPECT_TRUE(std::ranges::equal(part.view(), whole.view().subspan(offset, std::min<std::size_t>(5, size - offset))));
        MR_CO_TRY(const Bytes beyond, co_await storage->read(name, size + 100'000, 5));
        EXPECT_TRUE(beyond.empty());
        const auto twice = co_await storage->create(name);
        EXPECT_TRUE(!twice && twice.error().is(ErrorCode::kAlreadyExists));
        name.sequence += 1;
    }
    MR_CO_TRY(const auto listed, co_await storage->list(kName.container));
    EXPECT_EQ(listed.size(), 8u);
    EXPECT_TRUE(std::is_sorted(listed.begin(), listed.end()));
    MR_CO_TRY(const auto none, co_await storage->list(ContainerId{4}));
    EXPECT_TRUE(none.empty());

    MR_CO_TRY_VOID(co_await storage->remove(kName));
    MR_CO_TRY_VOID(co_await storage->remove(kName));
    const auto gone = co_await storage->read(kName, 0, 1);
    EXPECT_TRUE(!gone && gone.error().is(ErrorCode::kNotFound));
    co_return ok();
}

class FileStorageTest : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Writers, FileStorageTest, ::testing::Bool(), [](const auto& each) {
    return each.param ? "HandOverAsTheyGo" : "GatherWhatTheyWrite";
});

TEST_P(FileStorageTest, KeepsObjectsOnASimulatedDisk) {
    sim::World world{1};
    sim::Node& node = world.add_node("a");
    const Result<void> done = world.run([&] { return exercise(node.runtime(), "/lts", GetParam()); });
    EXPECT_TRUE(done.ok()) << done.error().to_string();
}

TEST_P(FileStorageTest, KeepsObjectsOnThisMachinesDisk) {
    std::string root = ::testing::TempDir() + "millrace-storage-XXXXXX";
    ASSERT_NE(::mkdtemp(root.data()), nullptr);
    AsioRuntime runtime;
    runtime.run_main([&]() -> Task<int> {
        const Result<void> done = co_await exercise(runtime.bundle(), root, GetParam());
        EXPECT_TRUE(done.ok()) << done.error().to_string();
        co_return 0;
    });
    EXPECT_EQ(std::system(("rm -r '" + root + "'").c_str()), 0);
}

class SimulatedStorage : public ::testing::Test {
protected:
    SimulatedStorage() {
        EXPECT_TRUE(world.run([&] { return FileStorage::format(node.runtime(), "/lts"); }).ok());
        open();
    }
    void open() {
        auto opened = world.run([&] { return FileStorage::open(node.runtime(), "/lts"); });
        ASSERT_TRUE(opened.ok()) << opened.error().to_string();
        storage = std::move(*opened);
    }
    Result<void> write(ObjectName name, std::size_t size) {
        return world.run([&] { return write_object(*storage, name, {Bytes{pattern(size)}}); });
    }
    Result<Bytes> read(ObjectName name) {
        return world.run([&] { return storage->read(name, 0, 10'000'000); });
    }

    sim::World world{2};
    sim::Node& node = world.add_node("a");
    std::unique_ptr<FileStorage> storage;
};

TEST_F(SimulatedStorage, AFinishedObjectSurvivesAPowerCut) {
    ASSERT_TRUE(write(kName, 2'000'001).ok());
    node.crash();
    open();
    const auto bytes = read(kName);
    ASSERT_TRUE(bytes.ok()) << bytes.error().to_string();
    EXPECT_TRUE(std::ranges::equal(bytes->view(), pattern(2'000'001)));
}

TEST_F(SimulatedStorage, AnObjectIsThereWhollyOrNotAtAllAfterAPowerCut) {
    int whole = 0, missing = 0;
    for (int round = 0; round < 60; ++round) {
        ObjectName name = kName;
        name.sequence = 1000 + static_cast<std::uint64_t>(round);
        auto ended = std::make_shared<bool>(false);
        world.spawn([&, name, ended]() -> Task<void> {
            (void)co_await write_object(*storage, name, {Bytes{pattern(1'500'000)}});
            *ended = true;
        });
        world.run_for(std::chrono::microseconds{world.random().between(1, 8'000)});
        node.crash();
        ASSERT_TRUE(world.run_until([&] { return *ended; }, 1min));
        open();
        const auto bytes = read(name);
        if (bytes) {
            EXPECT_TRUE(std::ranges::equal(bytes->view(), pattern(1'500'000)));
            ++whole;
        } else {
            EXPECT_TRUE(bytes.error().is(ErrorCode::kNotFound)) << bytes.error().to_string();
            ++missing;
            // The name is free: a restarted owner may plan the same object again.
            EXPECT_TRUE(write(name, 10).ok());
        }
    }
    EXPECT_GT(whole, 5);
    EXPECT_GT(missing, 5);
}

TEST_F(SimulatedStorage, ADirectoryThatWentAwayIsNotMadeAnew) {
    ASSERT_TRUE(write(kName, 100).ok());
    // As when a mount is gone: the mount point is there, and empty.
    for (const std::string& path : node.disk().files()) node.disk().remove(path);
    ObjectName other = kName;
    other.sequence = 99;
    for (const Result<void>& result : {write(other, 10), world.run([&] { return storage->remove(kName); })}) {
        ASSERT_FALSE(result.ok());
        EXPECT_TRUE(result.error().is(ErrorCode::kUnavailable)) << result.error().to_string();
        EXPECT_NE(result.error().detail().find("mounted"), std::string::npos);
    }
    const auto bytes = read(kName);
    ASSERT_FALSE(bytes.ok());
    EXPECT_TRUE(bytes.error().is(ErrorCode::kUnavailable)) << bytes.error().to_string();
    EXPECT_TRUE(node.disk().files().empty());
    EXPECT_FALSE(world.run([&] { return FileStorage::open(node.runtime(), "/lts"); }).ok());
}

TEST_F(SimulatedStorage, AFullOrFailingDiskIsAnErrorAndLeavesNoObject) {
    node.disk().options().capacity_bytes = 500'000;
    const auto full = write(kName, 2'000'000);
    ASSERT_FALSE(full.ok());
    EXPECT_TRUE(full.error().is(ErrorCode::kNoSpace)) << full.error().to_string();
    node.disk().options().capacity_bytes = 1ull << 40;
    node.disk().faults().fail_sync_in = 1;
    const auto failed = write(kName, 100);
    ASSERT_FALSE(failed.ok());
    EXPECT_TRUE(failed.error().is(ErrorCode::kIo)) << failed.error().to_string();
    EXPECT_TRUE(read(kName).error().is(ErrorCode::kNotFound));
    EXPECT_THAT(node.disk().files(), ::testing::ElementsAre("/lts/STORAGE")) << "nothing that would fill it further";
    EXPECT_TRUE(write(kName, 100).ok());
}

TEST_F(SimulatedStorage, RemovingAnObjectThatWasNeverFinishedTakesWhatThereIsOfIt) {
    auto writer = world.run([&] { return storage->create(kName); });
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(world.run([&] { return (*writer)->append({Bytes{pattern(2'000'000)}}); }).ok());
    writer->reset();
    EXPECT_EQ(node.disk().files().size(), 2u);
    ASSERT_TRUE(world.run([&] { return storage->remove(kName); }).ok());
    EXPECT_THAT(node.disk().files(), ::testing::ElementsAre("/lts/STORAGE"));
}

}  // namespace
}  // namespace millrace::storage
