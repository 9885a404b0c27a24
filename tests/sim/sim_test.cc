// SPDX-License-Identifier: Apache-2.0
//
// The simulator keeps its own promises: same seed, same events; a crash takes what it may take and
// nothing else; streams are ordered and bounded.
#include <gtest/gtest.h>

#include "common/runtime/gate.h"
#include "tests/sim/seeded_test.h"
#include "tests/sim/world.h"

namespace millrace::sim {
namespace {

using namespace std::chrono_literals;

ByteBuffer pattern(std::size_t size, std::uint8_t value) {
    ByteBuffer bytes;
    bytes.resize(size);
    std::fill(bytes.begin(), bytes.end(), std::byte{value});
    return bytes;
}

Task<Result<std::unique_ptr<File>>> make_file(Disk& disk, std::string path) {
    MR_CO_TRY_VOID(co_await disk.create_directories("/d"));
    MR_CO_TRY(auto file, co_await disk.open(path, OpenOptions{.mode = OpenMode::kCreateNew}));
    MR_CO_TRY_VOID(co_await disk.sync_directory("/d"));
    co_return std::move(file);
}

TEST(SimWorld, JumpsTheClockToTheNextTimerOnly) {
    World world{1};
    const MonotonicTime start = world.now();
    std::vector<std::int64_t> fired;
    world.after(5s, [&] { fired.push_back((world.now() - start) / 1s); });
    world.after(2s, [&] { fired.push_back((world.now() - start) / 1s); });
    EXPECT_TRUE(world.run_until([&] { return fired.size() == 1; }, 1min));
    EXPECT_EQ(world.now() - start, 2s);
    world.run_for(10s);
    EXPECT_EQ(fired, (std::vector<std::int64_t>{2, 5}));
    EXPECT_EQ(world.now() - start, 12s);
    EXPECT_FALSE(world.run_until([] { return false; }, 1s));
}

TEST(SimDisk, KeepsWhatWasSyncedThroughCrashes) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        World world{seed};
        Node& node = world.add_node("a");
        const auto written = world.run([runtime = node.runtime()]() -> Task<Result<void>> {
            MR_CO_TRY(auto file, co_await make_file(runtime.disk, "/d/f"));
            const ByteBuffer bytes = pattern(20000, 7);
            co_return co_await file->write_and_sync(100, bytes.view());
        });
        ASSERT_TRUE(written.ok());
        node.crash();
        const ByteBuffer kept = node.disk().contents("/d/f");
        ASSERT_EQ(kept.size(), 20100u);
        EXPECT_EQ(kept[99], std::byte{0});
        for (std::size_t i = 100; i < kept.size(); ++i) ASSERT_EQ(kept[i], std::byte{7});
    }
}

TEST(SimDisk, LosesTearsAndReordersWhatWasNotSynced) {
    std::size_t whole = 0, torn = 0, lost = 0, reordered = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        World world{seed};
        Node& node = world.add_node("a");
        const auto written = world.run([runtime = node.runtime()]() -> Task<Result<void>> {
            MR_CO_TRY(auto file, co_await make_file(runtime.disk, "/d/f"));
            MR_CO_TRY_VOID(co_await file->zero_fill(128 * 1024));
            const ByteBuffer first = pattern(32 * 1024, 1);
            const ByteBuffer second = pattern(32 * 1024, 2);
            MR_CO_TRY_VOID(co_await file->write_at(0, first.view()));
            co_return co_await file->write_at(32 * 1024, second.view());
        });
        ASSERT_TRUE(written.ok());
        node.crash();
        const ByteBuffer kept = node.disk().contents("/d/f");
        ASSERT_EQ(kept.size(), 128u * 1024);
        std::size_t first = 0, second = 0;
        for (std::size_t at = 0; at < 64 * 1024; at += 4096) {
            for (std::size_t i = 1; i < 4096; ++i)
                ASSERT_EQ(kept[at + i], kept[at]) << "torn inside 4 KiB";
            if (kept[at] == std::byte{1}) ++first;
            if (kept[at] == std::byte{2}) ++second;
        }
        whole += first == 8;
        lost += first == 0;
        torn += first > 0 && first < 8;
        reordered += first == 0 && second > 0;
    }
    EXPECT_GT(whole, 5u);
    EXPECT_GT(torn, 5u);
    EXPECT_GT(lost, 5u);
    EXPECT_GT(reordered, 3u);
}

TEST(SimDisk, LosesNamesUntilTheDirectoryIsSynced) {
    std::size_t lost = 0, kept = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        World world{seed};
        Node& node = world.add_node("a");
        const auto done = world.run([runtime = node.runtime()]() -> Task<Result<void>> {
            MR_CO_TRY(auto durable, co_await make_file(runtime.disk, "/d/durable"));
            MR_CO_TRY(auto file, co_await runtime.disk.open(
                                     "/d/f.tmp", OpenOptions{.mode = OpenMode::kCreateNew}));
            const ByteBuffer bytes = pattern(10, 1);
            MR_CO_TRY_VOID(co_await file->write_and_sync(0, bytes.view()));
            co_return co_await runtime.disk.rename("/d/f.tmp", "/d/f");
        });
        ASSERT_TRUE(done.ok());
        EXPECT_EQ(node.disk().files(), (std::vector<std::string>{"/d/durable", "/d/f"}));
        node.crash();
        const auto files = node.disk().files();
        ASSERT_EQ(files.front(), "/d/durable");
        std::find(files.begin(), files.end(), "/d/f") == files.end() ? ++lost : ++kept;
    }
    EXPECT_GT(lost, 5u);
    EXPECT_GT(kept, 5u);
}

TEST(SimDisk, KillKeepsThePageCacheUntilThePowerFails) {
    World world{3};
    Node& node = world.add_node("a");
    auto file = world.run([runtime = node.runtime()] { return make_file(runtime.disk, "/d/f"); });
    ASSERT_TRUE(file.ok());
    const ByteBuffer bytes = pattern(5000, 9);
    ASSERT_TRUE(world.run([&] { return (*file)->write_at(0, bytes.view()); }).ok());
    node.kill();
    EXPECT_EQ(node.disk().contents("/d/f"), bytes);
    // The dead process's handle is dead too.
    const auto after = world.run([&] { return (*file)->write_at(0, bytes.view()); });
    EXPECT_TRUE(after.error().is(ErrorCode::kClosed));
}

TEST(SimDisk, RefusesWhatDoesNotFitAndFailsTheCallItWasToldTo) {
    World world{5};
    Node& node = world.add_node("a", DiskOptions{.capacity_bytes = 10000});
    auto file = world.run([runtime = node.runtime()] { return make_file(runtime.disk, "/d/f"); });
    ASSERT_TRUE(file.ok());
    const ByteBuffer bytes = pattern(6000, 9);
    EXPECT_TRUE(world.run([&] { return (*file)->write_at(0, bytes.view()); }).ok());
    EXPECT_TRUE(world.run([&] { return (*file)->write_at(6000, bytes.view()); })
                    .error()
                    .is(ErrorCode::kNoSpace));
    EXPECT_TRUE(world.run([&] { return (*file)->write_at(0, bytes.view()); }).ok());
    node.disk().faults().fail_sync_in = 2;
    EXPECT_TRUE(world.run([&] { return (*file)->sync(); }).ok());
    EXPECT_TRUE(world.run([&] { return (*file)->sync(); }).error().is(ErrorCode::kIo));
    EXPECT_TRUE(world.run([&] { return (*file)->sync(); }).ok());
}

TEST(SimDisk, ChecksTheAlignmentOfDirectIo) {
    World world{5};
    Node& node = world.add_node("a");
    const auto result = world.run([runtime = node.runtime()]() -> Task<Result<void>> {
        MR_CO_TRY_VOID(co_await runtime.disk.create_directories("/d"));
        MR_CO_TRY(auto file, co_await runtime.disk.open(
                                 "/d/f", OpenOptions{.mode = OpenMode::kCreate, .direct = true}));
        const AlignedBuffer buffer{8192};
        MR_CO_TRY_VOID(co_await file->write_at(0, buffer.view()));
        co_return co_await file->write_at(0, buffer.view().first(100));
    });
    EXPECT_TRUE(result.error().is(ErrorCode::kInvalidArgument));
}

// Sends `total` bytes of a counting pattern from b to a and reports what arrived.
Task<void> count_to(ByteStream& stream, std::size_t total) {
    ByteBuffer bytes;
    bytes.resize(total);
    for (std::size_t i = 0; i < total; ++i) bytes[i] = static_cast<std::byte>(i % 251);
    const ByteView view = bytes.view();
    const std::vector<ByteView> pieces{view.first(total / 3), view.subspan(total / 3)};
    (void)co_await stream.write(pieces);
    stream.close();
}

class SimNetworkTest : public SeededTest {};

TEST_P(SimNetworkTest, CarriesBytesInOrderToTheEnd) {
    World world{seed()};
    Node& a = world.add_node("a");
    Node& b = world.add_node("b");
    auto listener =
        world.run([r = a.runtime()] { return r.network.listen(Endpoint{"0.0.0.0", 0}); });
    ASSERT_TRUE(listener.ok());
    const std::uint16_t port = (*listener)->local().port;
    const std::size_t total = 300000;
    world.spawn([r = b.runtime(), port]() -> Task<void> {
        auto stream = co_await r.network.connect(Endpoint{"a", port}, Deadline::never());
        if (stream.ok()) co_await count_to(**stream, total);
    });
    const auto received = world.run([&]() -> Task<Result<std::size_t>> {
        MR_CO_TRY(auto stream, co_await (*listener)->accept());
        ByteBuffer into;
        into.resize(10000);
        std::size_t count = 0;
        for (;;) {
            MR_CO_TRY(const std::size_t got, co_await stream->read_some(into.mutable_view()));
            if (got == 0) co_return count;
            for (std::size_t i = 0; i < got; ++i) {
                if (into[i] != static_cast<std::byte>((count + i) % 251))
                    co_return Error{ErrorCode::kCorrupt, "order"};
            }
            count += got;
        }
    });
    ASSERT_TRUE(received.ok()) << received.error().to_string();
    EXPECT_EQ(*received, total);
}

TEST_P(SimNetworkTest, BreaksWhatItIsToldToBreak) {
    World world{seed()};
    Node& a = world.add_node("a");
    Node& b = world.add_node("b");
    auto listener = world.run([r = a.runtime()] { return r.network.listen(Endpoint{"a", 100}); });
    ASSERT_TRUE(listener.ok());
    EXPECT_TRUE(world.run([r = a.runtime()] { return r.network.listen(Endpoint{"a", 100}); })
                    .error()
                    .is(ErrorCode::kInUse));
    auto connect = [&] {
        return world.run([r = b.runtime(), &world] {
            return r.network.connect(Endpoint{"a", 100}, Deadline::after(world.clock(), 3s));
        });
    };
    auto first = connect();
    ASSERT_TRUE(first.ok());
    world.network().cut("a", "b");
    std::byte byte{};
    auto read = [&](ByteStream& stream) {
        return world.run([&] { return stream.read_some(MutableByteView{&byte, 1}); });
    };
    EXPECT_TRUE(read(**first).error().is(ErrorCode::kUnavailable));

    auto second = connect();
    ASSERT_TRUE(second.ok());
    world.network().partition("a", "b");
    EXPECT_TRUE(read(**second).error().is(ErrorCode::kUnavailable));
    EXPECT_TRUE(connect().error().is(ErrorCode::kUnavailable));
    world.network().heal_all();

    auto third = connect();
    ASSERT_TRUE(third.ok());
    a.crash();
    EXPECT_TRUE(read(**third).error().is(ErrorCode::kUnavailable));
    EXPECT_TRUE(connect().error().is(ErrorCode::kUnavailable));
    EXPECT_TRUE(world.run([&] { return (*listener)->accept(); }).error().is(ErrorCode::kClosed));
}

std::uint64_t digest_of(std::uint64_t seed) {
    World world{seed};
    world.network().options().break_one_in = 20;
    Node& a = world.add_node("a");
    Node& b = world.add_node("b");
    auto listener = world.run([r = a.runtime()] { return r.network.listen(Endpoint{"a", 100}); });
    world.spawn([r = b.runtime()]() -> Task<void> {
        auto stream = co_await r.network.connect(Endpoint{"a", 100}, Deadline::never());
        if (stream.ok()) co_await count_to(**stream, 200000);
    });
    world.spawn([r = a.runtime(), &listener]() -> Task<void> {
        auto file = co_await make_file(r.disk, "/d/f");
        auto stream = co_await (*listener)->accept();
        if (!file.ok() || !stream.ok()) co_return;
        ByteBuffer into;
        into.resize(5000);
        for (std::uint64_t offset = 0;;) {
            const auto got = co_await (*stream)->read_some(into.mutable_view());
            if (!got.ok() || *got == 0) co_return;
            const auto written = co_await (*file)->write_at(offset, into.view().first(*got));
            if (!written.ok()) co_return;
            offset += *got;
        }
    });
    world.run_for(std::chrono::microseconds{world.random().between(1, 40000)});
    a.crash();
    world.run_for(10s);
    return world.digest();
}

TEST_P(SimNetworkTest, GivesTheSameDigestForTheSameSeed) {
    EXPECT_EQ(digest_of(seed()), digest_of(seed()));
    EXPECT_NE(digest_of(seed()), digest_of(seed() + 1000000));
}

TEST(SimWorld, EndsCleanlyWhileCoroutinesStillWait) {
    World world{9};
    Node& a = world.add_node("a");
    auto listener = world.run([r = a.runtime()] { return r.network.listen(Endpoint{"a", 1}); });
    ASSERT_TRUE(listener.ok());
    world.spawn([&listener]() -> Task<void> { (void)co_await (*listener)->accept(); });
    world.spawn([r = a.runtime()]() -> Task<void> {
        co_await sleep_for(r.clock, std::chrono::hours{1000});
    });
    world.run_for(1s);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimNetworkTest, seeds(5), seed_name);

}  // namespace
}  // namespace millrace::sim
