// SPDX-License-Identifier: Apache-2.0
//
// Real files in a directory of the test's own.
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "common/runtime/gate.h"

namespace millrace {
namespace {

class KernelDiskTest : public testing::Test {
protected:
    KernelDiskTest() {
        std::string pattern = (std::filesystem::temp_directory_path() / "millrace-disk-XXXXXX").string();
        MR_CHECK(::mkdtemp(pattern.data()) != nullptr);
        root_ = pattern;
        runtime_.start_thread("shard");
    }
    ~KernelDiskTest() override { std::filesystem::remove_all(root_); }

    template <class F>
    auto run(F start) {
        return block_on(runtime_.executor(), std::move(start));
    }
    std::unique_ptr<File> open(std::string path, OpenMode mode, bool direct = false) {
        auto file = run([&]() { return disk_.open(path, OpenOptions{mode, direct}); });
        EXPECT_TRUE(file.ok()) << file.error().to_string();
        return std::move(file).value();
    }
    std::string contents(const std::string& path) {
        std::ifstream in{path, std::ios::binary};
        return std::string{std::istreambuf_iterator<char>{in}, {}};
    }
    std::string path(const std::string& name) const { return (root_ / name).string(); }

    std::filesystem::path root_;
    AsioRuntime runtime_;
    Disk& disk_ = runtime_.bundle().disk;
};

ErrorCode code_of(const auto& result) { return result.ok() ? ErrorCode{} : result.error().code(); }

TEST_F(KernelDiskTest, ReadsBackWhatWasWritten) {
    const auto file = open(path("f"), OpenMode::kCreateNew);
    EXPECT_FALSE(file->direct());
    EXPECT_EQ(file->path(), path("f"));
    EXPECT_TRUE(run([&] { return file->write_at(0, as_bytes("hello")); }).ok());
    EXPECT_TRUE(run([&] { return file->write_and_sync(5, as_bytes(" there")); }).ok());
    EXPECT_TRUE(run([&] { return file->write_and_sync_here(5, as_bytes(" world")); }).ok());
    EXPECT_TRUE(run([&] { return file->sync(); }).ok());
    EXPECT_EQ(*run([&] { return file->size(); }), 11u);
    ByteBuffer into(20);
    EXPECT_EQ(*run([&] { return file->read_at(6, into.mutable_view()); }), 5u);
    EXPECT_EQ(as_text(into.view().first(5)), "world");
    EXPECT_EQ(*run([&] { return file->read_at(11, into.mutable_view()); }), 0u);
    EXPECT_TRUE(run([&] { return file->truncate(4); }).ok());
    EXPECT_EQ(contents(path("f")), "hell");
}

TEST_F(KernelDiskTest, DirectFilesWriteAndReadAligned) {
    const auto file = open(path("direct"), OpenMode::kCreate, true);
    AlignedBuffer buffer{3 * kDirectAlignment};
    std::memset(buffer.data(), 'a', buffer.size());
    EXPECT_TRUE(run([&] { return file->write_and_sync(kDirectAlignment, buffer.view()); }).ok());
    EXPECT_EQ(*run([&] { return file->size(); }), 4 * kDirectAlignment);
    AlignedBuffer into{8 * kDirectAlignment};
    EXPECT_EQ(*run([&] { return file->read_at(0, into.mutable_view()); }), 4 * kDirectAlignment);
    EXPECT_EQ(into.data()[0], std::byte{0});
    EXPECT_EQ(into.data()[kDirectAlignment], std::byte{'a'});

    // The end of the file need not be at a block's end.
    EXPECT_TRUE(run([&] { return file->truncate(kDirectAlignment + 100); }).ok());
    EXPECT_EQ(*run([&] { return file->read_at(0, into.mutable_view()); }), kDirectAlignment + 100);
    EXPECT_EQ(*run([&] { return file->read_at(2 * kDirectAlignment, into.mutable_view()); }), 0u);
}

TEST_F(KernelDiskTest, FileSystemsWithoutDirectAccessFallBackHonestly) {
    // Neither /proc nor pipes know O_DIRECT for files like this one; the open must still succeed.
    const auto file = open("/proc/self/status", OpenMode::kReadOnly, true);
    EXPECT_FALSE(file->direct());
    AlignedBuffer into{2 * kDirectAlignment};
    const auto count = run([&] { return file->read_at(0, into.mutable_view()); });
    ASSERT_TRUE(count.ok());
    EXPECT_TRUE(as_text(into.view()).starts_with("Name:"));
}

TEST_F(KernelDiskTest, ZeroFillWritesEveryByteAndSetsTheLength) {
    const std::uint64_t length = 2 * 1024 * 1024 + 3 * kDirectAlignment;
    for (const bool direct : {false, true}) {
        const std::string name = path(direct ? "zero-direct" : "zero");
        std::ofstream{name} << std::string(3 * 1024 * 1024, 'x');
        const auto file = open(name, OpenMode::kReadWrite, direct);
        ASSERT_TRUE(run([&] { return file->zero_fill(length); }).ok());
        EXPECT_EQ(contents(name), std::string(length, '\0'));
        struct stat status {};
        ASSERT_EQ(::stat(name.c_str(), &status), 0);
        EXPECT_GE(static_cast<std::uint64_t>(status.st_blocks) * 512, length);
    }
}

TEST_F(KernelDiskTest, ErrorsNameTheFileAndHaveTheirCode) {
    const auto missing = run([&] { return disk_.open(path("missing"), {}); });
    EXPECT_EQ(code_of(missing), ErrorCode::kNotFound);
    EXPECT_NE(missing.error().detail().find(path("missing")), std::string::npos);

    open(path("there"), OpenMode::kCreateNew);
    EXPECT_EQ(code_of(run([&] { return disk_.open(path("there"), {OpenMode::kCreateNew, false}); })),
              ErrorCode::kAlreadyExists);
    EXPECT_EQ(code_of(run([&] { return disk_.rename(path("missing"), path("x")); })), ErrorCode::kNotFound);
    EXPECT_EQ(code_of(run([&] { return disk_.remove(path("missing")); })), ErrorCode::kNotFound);
    EXPECT_EQ(code_of(run([&] { return disk_.list(path("missing")); })), ErrorCode::kNotFound);
    EXPECT_EQ(code_of(run([&] { return disk_.sync_directory(path("missing")); })), ErrorCode::kNotFound);
    EXPECT_EQ(code_of(run([&] { return disk_.free_bytes(path("missing")); })), ErrorCode::kNotFound);
    EXPECT_EQ(code_of(run([&] { return disk_.create_directories(path("there/below")); })), ErrorCode::kIo);
}

TEST_F(KernelDiskTest, FullDiskIsNoSpaceWithUnknownFate) {
    const auto full = open("/dev/full", OpenMode::kReadWrite);
    const auto written = run([&] { return full->write_and_sync(4096, as_bytes("x")); });
    EXPECT_EQ(code_of(written), ErrorCode::kNoSpace);
    EXPECT_EQ(written.error().fate(), Fate::kUnknown);
    EXPECT_NE(written.error().detail().find("/dev/full at offset 4096"), std::string::npos);
}

TEST_F(KernelDiskTest, DiskThatRefusesIsIoWithTheOffset) {
    // Address 0 is mapped in no process, which the kernel reports as an I/O error.
    const auto memory = open("/proc/self/mem", OpenMode::kReadOnly);
    ByteBuffer into(16);
    const auto count = run([&] { return memory->read_at(0, into.mutable_view()); });
    EXPECT_EQ(code_of(count), ErrorCode::kIo);
    EXPECT_NE(count.error().detail().find("/proc/self/mem at offset 0"), std::string::npos);
    EXPECT_EQ(code_of(run([&] { return memory->write_at(0, as_bytes("x")); })), ErrorCode::kIo);
}

TEST_F(KernelDiskTest, DirectoriesListRenameAndRemove) {
    ASSERT_TRUE(run([&] { return disk_.create_directories(path("a/b/c")); }).ok());
    ASSERT_TRUE(run([&] { return disk_.create_directories(path("a/b/c")); }).ok());
    for (const std::string name : {"a/z", "a/y"}) open(path(name), OpenMode::kCreateNew);
    ASSERT_TRUE(run([&] { return disk_.rename(path("a/z"), path("a/x")); }).ok());
    ASSERT_TRUE(run([&] { return disk_.sync_directory(path("a")); }).ok());
    EXPECT_EQ(*run([&] { return disk_.list(path("a")); }), (std::vector<std::string>{"b", "x", "y"}));
    ASSERT_TRUE(run([&] { return disk_.remove(path("a/x")); }).ok());
    ASSERT_TRUE(run([&] { return disk_.remove(path("a/b/c")); }).ok());
    EXPECT_EQ(*run([&] { return disk_.list(path("a")); }), (std::vector<std::string>{"b", "y"}));
    EXPECT_GT(*run([&] { return disk_.free_bytes(path("a")); }), 0u);
}

TEST_F(KernelDiskTest, DirectoryLockNamesItsHolderAndEndsWithIt) {
    auto lock = run([&] { return disk_.lock_directory(root_.string()); });
    ASSERT_TRUE(lock.ok()) << lock.error().to_string();
    EXPECT_EQ(contents(path("LOCK")), std::to_string(::getpid()) + "\n");
    const auto second = run([&] { return disk_.lock_directory(root_.string()); });
    ASSERT_EQ(code_of(second), ErrorCode::kInUse);
    EXPECT_NE(second.error().detail().find("process " + std::to_string(::getpid())), std::string::npos);
    lock.value().reset();
    EXPECT_TRUE(run([&] { return disk_.lock_directory(root_.string()); }).ok());
    EXPECT_EQ(code_of(run([&] { return disk_.lock_directory(path("missing")); })), ErrorCode::kNotFound);
}

TEST_F(KernelDiskTest, WritesInFlightTogetherAllArrive) {
    const auto file = open(path("many"), OpenMode::kCreateNew);
    constexpr std::uint64_t kWrites = 64;
    const bool all_ok = run([&]() -> Task<bool> {
        Gate gate;
        bool good = true;
        const Executor here = co_await this_executor();
        for (std::uint64_t i = 0; i < kWrites; ++i) {
            gate.spawn(here, [&good, &file, i]() -> Task<void> {
                const std::string text(100, static_cast<char>('0' + i));
                good = (co_await file->write_at(i * 100, as_bytes(text))).ok() && good;
            });
        }
        co_await gate.close();
        co_return good;
    });
    EXPECT_TRUE(all_ok);
    const std::string all = contents(path("many"));
    ASSERT_EQ(all.size(), kWrites * 100);
    for (std::uint64_t i = 0; i < kWrites; ++i) EXPECT_EQ(all[i * 100 + 99], static_cast<char>('0' + i));
}

// Without the fixture, whose directory the dying process would leave behind.
TEST(KernelDisk, MisalignedDirectCallsAreABugEvenWhereDirectWasNotGranted) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    AsioRuntime runtime;
    runtime.start_thread("shard");
    Disk& disk = runtime.bundle().disk;
    auto file = block_on(runtime.executor(), [&] {
        return disk.open("/proc/self/status", OpenOptions{OpenMode::kReadOnly, true});
    });
    ASSERT_TRUE(file.ok());
    EXPECT_FALSE(file.value()->direct());
    AlignedBuffer buffer{kDirectAlignment};
    EXPECT_DEATH((void)file.value()->read_at(100, buffer.mutable_view()), "kDirectAlignment");
}

}  // namespace
}  // namespace millrace
