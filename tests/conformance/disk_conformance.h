// SPDX-License-Identifier: Apache-2.0
//
// What every Disk does, as a suite that each implementation runs. A harness offers:
//
//     class Harness {
//         Disk& disk();
//         std::string directory();   // exists, empty, the test's own
//         template <class F> auto run(F start);   // runs a coroutine to its end; its value is not void
//     };
//     INSTANTIATE_TYPED_TEST_SUITE_P(Kernel, DiskConformance, Harness);
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/runtime/disk.h"

namespace millrace::conformance {

template <class Harness>
class DiskConformance : public ::testing::Test {
protected:
    static ByteBuffer filled(std::size_t size, std::uint8_t value) {
        ByteBuffer bytes;
        bytes.resize(size);
        std::fill(bytes.begin(), bytes.end(), std::byte{value});
        return bytes;
    }
    std::string path(const std::string& name) { return harness_.directory() + "/" + name; }
    Disk& disk() { return harness_.disk(); }

    Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode, bool direct = false) {
        return harness_.run([this, file = path(name), mode, direct] {
            return disk().open(file, OpenOptions{.mode = mode, .direct = direct});
        });
    }
    // REQUIRES: it can be created.
    std::unique_ptr<File> make(const std::string& name, const ByteBuffer& bytes = {}) {
        auto file = open(name, OpenMode::kCreateNew);
        MR_CHECK(file.ok());
        if (!bytes.empty()) MR_CHECK(write(**file, 0, bytes).ok());
        return std::move(*file);
    }
    Result<void> write(File& file, std::uint64_t offset, const ByteBuffer& bytes) {
        return harness_.run([&] { return file.write_at(offset, bytes.view()); });
    }
    // What a read of up to `size` bytes gives.
    Result<ByteBuffer> read(File& file, std::uint64_t offset, std::size_t size) {
        ByteBuffer bytes = filled(size, 0xee);
        MR_TRY(const std::size_t count, harness_.run([&] { return file.read_at(offset, bytes.mutable_view()); }));
        bytes.resize(count);
        return bytes;
    }
    std::uint64_t size(File& file) {
        return harness_.run([&] { return file.size(); }).value();
    }
    Result<std::vector<std::string>> list(const std::string& directory) {
        return harness_.run([&] { return disk().list(directory); });
    }
    static ErrorCode code(const auto& result) { return result.ok() ? ErrorCode{} : result.error().code(); }

    Harness harness_;
};

TYPED_TEST_SUITE_P(DiskConformance);

TYPED_TEST_P(DiskConformance, OpenModesSayWhatMayExist) {
    EXPECT_EQ(this->code(this->open("f", OpenMode::kReadOnly)), ErrorCode::kNotFound);
    EXPECT_EQ(this->code(this->open("f", OpenMode::kReadWrite)), ErrorCode::kNotFound);
    EXPECT_TRUE(this->open("f", OpenMode::kCreateNew).ok());
    EXPECT_EQ(this->code(this->open("f", OpenMode::kCreateNew)), ErrorCode::kAlreadyExists);
    EXPECT_TRUE(this->open("f", OpenMode::kCreate).ok());
    EXPECT_TRUE(this->open("g", OpenMode::kCreate).ok());
    EXPECT_TRUE(this->open("f", OpenMode::kReadOnly).ok());
    EXPECT_TRUE(this->open("f", OpenMode::kReadWrite).ok());
    EXPECT_EQ(this->code(this->open("no/f", OpenMode::kCreate)), ErrorCode::kNotFound);
}

TYPED_TEST_P(DiskConformance, ErrorsNameThePath) {
    const auto opened = this->open("missing", OpenMode::kReadOnly);
    ASSERT_FALSE(opened.ok());
    EXPECT_NE(opened.error().detail().find(this->path("missing")), std::string::npos) << opened.error().detail();
    EXPECT_EQ(opened.error().fate(), Fate::kNotApplied);
}

TYPED_TEST_P(DiskConformance, CreatingAnExistingFileKeepsItsBytes) {
    this->make("f", this->filled(100, 1));
    auto again = this->open("f", OpenMode::kCreate);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(this->read(**again, 0, 200).value(), this->filled(100, 1));
    EXPECT_EQ((*again)->path(), this->path("f"));
}

TYPED_TEST_P(DiskConformance, AFileOpenedForReadingCannotBeWritten) {
    this->make("f", this->filled(10, 1));
    auto file = this->open("f", OpenMode::kReadOnly);
    ASSERT_TRUE(file.ok());
    EXPECT_FALSE(this->write(**file, 0, this->filled(10, 2)).ok());
    EXPECT_EQ(this->read(**file, 0, 10).value(), this->filled(10, 1));
}

TYPED_TEST_P(DiskConformance, ReadsEndAtTheEnd) {
    auto file = this->make("f", this->filled(1000, 3));
    EXPECT_EQ(this->read(*file, 0, 1000).value().size(), 1000u);
    EXPECT_EQ(this->read(*file, 400, 1000).value(), this->filled(600, 3));
    EXPECT_EQ(this->read(*file, 1000, 10).value().size(), 0u);
    EXPECT_EQ(this->read(*file, 5000, 10).value().size(), 0u);
    EXPECT_EQ(this->read(*file, 0, 0).value().size(), 0u);
}

TYPED_TEST_P(DiskConformance, WritesOverwriteExtendAndLeaveZerosBetween) {
    auto file = this->make("f", this->filled(100, 1));
    EXPECT_TRUE(this->write(*file, 50, this->filled(20, 2)).ok());
    EXPECT_EQ(this->size(*file), 100u);
    EXPECT_TRUE(this->write(*file, 10000, this->filled(1, 3)).ok());
    EXPECT_EQ(this->size(*file), 10001u);
    const ByteBuffer all = this->read(*file, 0, 20000).value();
    ASSERT_EQ(all.size(), 10001u);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const int expected = i < 50 ? 1 : i < 70 ? 2 : i < 100 ? 1 : i < 10000 ? 0 : 3;
        ASSERT_EQ(std::to_integer<int>(all[i]), expected) << "offset " << i;
    }
    EXPECT_TRUE(this->write(*file, 0, {}).ok());
    EXPECT_EQ(this->size(*file), 10001u);
}

TYPED_TEST_P(DiskConformance, WriteAndSyncIsBoth) {
    auto file = this->make("f");
    const ByteBuffer bytes = this->filled(5000, 7);
    EXPECT_TRUE(this->harness_.run([&] { return file->write_and_sync(10, bytes.view()); }).ok());
    EXPECT_TRUE(this->harness_.run([&] { return file->sync(); }).ok());
    EXPECT_EQ(this->read(*file, 10, 6000).value(), bytes);
}

TYPED_TEST_P(DiskConformance, LargeWritesArriveWhole) {
    auto file = this->make("f");
    ByteBuffer bytes(3 * 1024 * 1024 + 17);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 % 251);
    ASSERT_TRUE(this->write(*file, 12345, bytes).ok());
    // A string this long would make an unreadable message.
    EXPECT_TRUE(this->read(*file, 12345, bytes.size() + 1).value() == bytes);
}

TYPED_TEST_P(DiskConformance, TruncateShortensAndExtendsWithZeros) {
    auto file = this->make("f", this->filled(1000, 9));
    EXPECT_TRUE(this->harness_.run([&] { return file->truncate(300); }).ok());
    EXPECT_EQ(this->size(*file), 300u);
    EXPECT_TRUE(this->harness_.run([&] { return file->truncate(500); }).ok());
    EXPECT_EQ(this->size(*file), 500u);
    const ByteBuffer all = this->read(*file, 0, 1000).value();
    ASSERT_EQ(all.size(), 500u);
    EXPECT_EQ(all[299], std::byte{9});
    EXPECT_EQ(all[300], std::byte{0});
    EXPECT_EQ(all[499], std::byte{0});
}

TYPED_TEST_P(DiskConformance, ZeroFillMakesExactlyThatManyZeros) {
    auto file = this->make("f", this->filled(100000, 9));
    EXPECT_TRUE(this->harness_.run([&] { return file->zero_fill(16384); }).ok());
    EXPECT_EQ(this->size(*file), 16384u);
    EXPECT_EQ(this->read(*file, 0, 20000).value(), this->filled(16384, 0));
}

TYPED_TEST_P(DiskConformance, DirectFilesTakeAlignedBlocks) {
    auto file = this->open("f", OpenMode::kCreate, true);
    ASSERT_TRUE(file.ok());
    AlignedBuffer out{2 * kDirectAlignment};
    std::fill_n(out.data(), out.size(), std::byte{5});
    EXPECT_TRUE(this->harness_.run([&] { return (*file)->write_and_sync(kDirectAlignment, out.view()); }).ok());
    EXPECT_EQ(this->size(**file), 3 * kDirectAlignment);
    AlignedBuffer in{4 * kDirectAlignment};
    const auto count = this->harness_.run([&] { return (*file)->read_at(0, in.mutable_view()); });
    EXPECT_EQ(count.value(), 3 * kDirectAlignment);
    EXPECT_EQ(in.data()[kDirectAlignment - 1], std::byte{0});
    EXPECT_EQ(in.data()[kDirectAlignment], std::byte{5});
}

TYPED_TEST_P(DiskConformance, AnOpenFileSurvivesItsName) {
    auto file = this->make("f", this->filled(10, 1));
    EXPECT_TRUE(this->harness_.run([&] { return this->disk().rename(this->path("f"), this->path("g")); }).ok());
    EXPECT_TRUE(this->write(*file, 5, this->filled(10, 2)).ok());
    auto renamed = this->open("g", OpenMode::kReadOnly);
    ASSERT_TRUE(renamed.ok());
    EXPECT_EQ(this->size(**renamed), 15u);
    EXPECT_TRUE(this->harness_.run([&] { return this->disk().remove(this->path("g")); }).ok());
    EXPECT_EQ(this->read(*file, 0, 5).value(), this->filled(5, 1));
    EXPECT_TRUE(this->write(*file, 0, this->filled(5, 3)).ok());
    EXPECT_EQ(this->read(**renamed, 0, 5).value(), this->filled(5, 3));
}

TYPED_TEST_P(DiskConformance, RenameReplacesAndNeedsASourceAndADirectory) {
    this->make("old", this->filled(10, 1));
    this->make("new", this->filled(20, 2));
    const auto rename = [this](const std::string& from, const std::string& to) {
        return this->harness_.run([&] { return this->disk().rename(this->path(from), this->path(to)); });
    };
    EXPECT_TRUE(rename("old", "new").ok());
    EXPECT_EQ(this->code(this->open("old", OpenMode::kReadOnly)), ErrorCode::kNotFound);
    EXPECT_EQ(this->read(*this->open("new", OpenMode::kReadOnly).value(), 0, 100).value(), this->filled(10, 1));
    EXPECT_EQ(this->code(rename("old", "new")), ErrorCode::kNotFound);
    EXPECT_EQ(this->code(rename("new", "no/such")), ErrorCode::kNotFound);
    EXPECT_TRUE(rename("new", "new").ok());
    EXPECT_EQ(this->list(this->harness_.directory()).value(), (std::vector<std::string>{"new"}));
}

TYPED_TEST_P(DiskConformance, RemoveTakesFilesAndEmptyDirectories) {
    this->make("f");
    const auto remove = [this](const std::string& name) {
        return this->harness_.run([&] { return this->disk().remove(this->path(name)); });
    };
    EXPECT_TRUE(remove("f").ok());
    EXPECT_EQ(this->code(remove("f")), ErrorCode::kNotFound);
    ASSERT_TRUE(this->harness_.run([&] { return this->disk().create_directories(this->path("d")); }).ok());
    this->make("d/f");
    EXPECT_FALSE(remove("d").ok());
    EXPECT_TRUE(remove("d/f").ok());
    EXPECT_TRUE(remove("d").ok());
    EXPECT_EQ(this->code(this->list(this->path("d"))), ErrorCode::kNotFound);
}

TYPED_TEST_P(DiskConformance, ListsNamesInOrder) {
    EXPECT_TRUE(this->list(this->harness_.directory()).value().empty());
    for (const char* name : {"b", "a", "c.tmp"}) this->make(name);
    ASSERT_TRUE(this->harness_.run([&] { return this->disk().create_directories(this->path("d/e")); }).ok());
    this->make("d/x");
    EXPECT_EQ(this->list(this->harness_.directory()).value(), (std::vector<std::string>{"a", "b", "c.tmp", "d"}));
    EXPECT_EQ(this->list(this->path("d")).value(), (std::vector<std::string>{"e", "x"}));
    EXPECT_EQ(this->code(this->list(this->path("no"))), ErrorCode::kNotFound);
}

TYPED_TEST_P(DiskConformance, CreatesDirectoriesWithTheirParentsAndAgain) {
    const auto create = [this](const std::string& name) {
        return this->harness_.run([&] { return this->disk().create_directories(this->path(name)); });
    };
    EXPECT_TRUE(create("x/y/z").ok());
    EXPECT_TRUE(create("x/y/z").ok());
    EXPECT_TRUE(this->open("x/y/z/f", OpenMode::kCreateNew).ok());
    EXPECT_TRUE(this->harness_.run([&] { return this->disk().sync_directory(this->path("x/y/z")); }).ok());
    EXPECT_EQ(this->code(this->harness_.run([&] { return this->disk().sync_directory(this->path("no")); })),
              ErrorCode::kNotFound);
    this->make("f");
    EXPECT_EQ(this->code(create("f")), ErrorCode::kIo);
    EXPECT_EQ(this->code(create("f/g")), ErrorCode::kIo);
}

TYPED_TEST_P(DiskConformance, ADirectoryHasOneHolder) {
    const auto lock = [this] {
        return this->harness_.run([&] { return this->disk().lock_directory(this->harness_.directory()); });
    };
    auto first = lock();
    ASSERT_TRUE(first.ok());
    const auto second = lock();
    EXPECT_EQ(this->code(second), ErrorCode::kInUse);
    EXPECT_NE(second.error().detail().find(this->harness_.directory()), std::string::npos);
    EXPECT_NE(second.error().detail().find("process "), std::string::npos) << second.error().detail();
    first = Error{ErrorCode::kClosed, "let go"};
    EXPECT_TRUE(lock().ok());
    EXPECT_EQ(this->list(this->harness_.directory()).value(), (std::vector<std::string>{"LOCK"}));
    EXPECT_EQ(this->code(this->harness_.run([&] { return this->disk().lock_directory(this->path("no")); })),
              ErrorCode::kNotFound);
}

TYPED_TEST_P(DiskConformance, KnowsItsFreeSpace) {
    const auto free = this->harness_.run([&] { return this->disk().free_bytes(this->harness_.directory()); });
    ASSERT_TRUE(free.ok());
    EXPECT_GT(*free, 0u);
    EXPECT_EQ(this->code(this->harness_.run([&] { return this->disk().free_bytes(this->path("no")); })),
              ErrorCode::kNotFound);
}

REGISTER_TYPED_TEST_SUITE_P(DiskConformance, OpenModesSayWhatMayExist, ErrorsNameThePath,
                            CreatingAnExistingFileKeepsItsBytes, AFileOpenedForReadingCannotBeWritten,
                            ReadsEndAtTheEnd, WritesOverwriteExtendAndLeaveZerosBetween, WriteAndSyncIsBoth,
                            LargeWritesArriveWhole, TruncateShortensAndExtendsWithZeros,
                            ZeroFillMakesExactlyThatManyZeros, DirectFilesTakeAlignedBlocks,
                            AnOpenFileSurvivesItsName, RenameReplacesAndNeedsASourceAndADirectory,
                            RemoveTakesFilesAndEmptyDirectories, ListsNamesInOrder,
                            CreatesDirectoriesWithTheirParentsAndAgain, ADirectoryHasOneHolder, KnowsItsFreeSpace);

}  // namespace millrace::conformance
