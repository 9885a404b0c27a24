// SPDX-License-Identifier: Apache-2.0
//
// What a trace says of a crash, against what the simulated disk itself calls durable.
#include <gtest/gtest.h>

#include "tests/crash/crash_point.h"
#include "tests/sim/world.h"

namespace millrace::crash {
namespace {

ByteBuffer block_of(char value, std::size_t bytes = 4096) { return ByteBuffer(bytes, static_cast<std::byte>(value)); }

// Everything that a journal does to a disk.
Task<Result<void>> work(Disk& disk) {
    MR_CO_TRY(auto file, co_await disk.open("/data/a.tmp", {.mode = OpenMode::kCreate}));
    MR_CO_TRY_VOID(co_await file->zero_fill(3 * 4096));
    MR_CO_TRY_VOID(co_await file->write_and_sync(0, block_of('a').view()));
    MR_CO_TRY_VOID(co_await disk.rename("/data/a.tmp", "/data/a"));
    MR_CO_TRY_VOID(co_await disk.sync_directory("/data"));
    MR_CO_TRY_VOID(co_await file->write_at(4096, block_of('b').view()));
    MR_CO_TRY_VOID(co_await file->truncate(2 * 4096));
    MR_CO_TRY_VOID(co_await file->sync());
    MR_CO_TRY_VOID(co_await disk.rename("/data/a", "/data/b"));
    MR_CO_TRY(auto other, co_await disk.open("/data/old", {.mode = OpenMode::kReadWrite}));
    MR_CO_TRY_VOID(co_await other->write_at(0, block_of('c').view()));
    MR_CO_TRY_VOID(co_await disk.remove("/data/old"));
    co_return ok();
}

void expect_same(const sim::SimDisk::Image& left, const sim::SimDisk::Image& right) {
    ASSERT_EQ(left.files.size(), right.files.size());
    for (const auto& [path, bytes] : left.files) {
        ASSERT_TRUE(right.files.contains(path)) << path;
        const sim::SparseBytes& others = right.files.at(path);
        ASSERT_EQ(bytes.size(), others.size()) << path;
        ByteBuffer a(bytes.size());
        ByteBuffer b(bytes.size());
        bytes.read(0, a.mutable_view());
        others.read(0, b.mutable_view());
        EXPECT_EQ(a, b) << path;
    }
}

TEST(DiskTrace, SaysWhatIsDurableAndWhatMayBe) {
    sim::World world{1};
    sim::Node& node = world.add_node("a");
    sim::SimDisk::Image before;
    before.directories = {"/data"};
    before.files["/data/old"].write(0, block_of('o').view());
    node.disk().load(before);
    DiskTrace trace{before};
    RecordingDisk disk{node.runtime().disk, trace};
    ASSERT_TRUE(world.run([&] { return work(disk); }).ok());

    const std::vector<CrashPoint> points = crash_points(trace);
    ASSERT_EQ(points.size(), trace.events.size() + 1);
    expect_same(ImageBuilder(trace, points.front()).image(), before);
    const CrashPoint& last = points.back();
    expect_same(ImageBuilder(trace, last).image(), *node.disk().image());
    EXPECT_EQ(last.unsynced.size(), 1u);
    EXPECT_EQ(last.unsynced_names.size(), 2u);

    ImageBuilder all{trace, last};
    const std::vector<Piece> pieces = pieces_of(trace, last, 512);
    EXPECT_EQ(pieces.size(), 8u);
    for (const Piece& piece : pieces) all.survive(piece);
    for (const std::size_t name : last.unsynced_names) all.survive_name(name);
    const sim::SimDisk::Image image = all.image();
    EXPECT_EQ(image.files.size(), 1u);
    EXPECT_TRUE(image.files.contains("/data/b"));
}

TEST(DiskTrace, PiecesSurviveByThemselves) {
    sim::SimDisk::Image before;
    before.files["/data/old"].write(0, block_of('o', 8192).view());
    DiskTrace trace{before};
    DiskEvent write{.kind = DiskEvent::Kind::kWrite, .file = 0, .offset = 4096, .length = 4096};
    write.bytes = block_of('n');
    trace.events.push_back(write);
    const auto points = crash_points(trace);
    const auto pieces = pieces_of(trace, points.back(), 512);
    ImageBuilder builder{trace, points.back()};
    builder.survive(pieces[2]);
    builder.garble(pieces[4], block_of('?', 512).view());
    const sim::SimDisk::Image image = builder.image();
    ByteBuffer found(8192);
    image.files.at("/data/old").read(0, found.mutable_view());
    for (std::size_t i = 0; i < found.size(); ++i) {
        const char expected = i >= 4096 + 1024 && i < 4096 + 1536   ? 'n'
                              : i >= 4096 + 2048 && i < 4096 + 2560 ? '?'
                                                                    : 'o';
        ASSERT_EQ(static_cast<char>(found[i]), expected) << i;
    }
}

}  // namespace
}  // namespace millrace::crash
