// SPDX-License-Identifier: Apache-2.0
//
// The journal on the kernel's disk: what the simulator's fakes stand in for behaves alike.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "common/runtime/gate.h"
#include "segmentstore/log/journal/format.h"
#include "segmentstore/log/journal/journal.h"

namespace millrace::log {
namespace {

class JournalOnDisk : public ::testing::Test {
protected:
    JournalOnDisk() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "millrace-journal-XXXXXX").string();
        MR_CHECK(::mkdtemp(pattern.data()) != nullptr);
        root_ = pattern;
        runtime_.start_thread("journal-test");
    }
    ~JournalOnDisk() override {
        runtime_.stop();
        runtime_.join();
        std::filesystem::remove_all(root_);
    }
    JournalOptions options() const {
        JournalOptions options;
        options.directory = (root_ / "journal").string();
        options.file_bytes = 4 * 1024 * 1024;
        return options;
    }

    std::filesystem::path root_;
    AsioRuntime runtime_;
};

Bytes entry_of(std::uint64_t number, std::size_t size) {
    ByteBuffer bytes;
    bytes.resize(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(number * 31 + i);
    return Bytes{std::move(bytes)};
}

std::size_t size_of(std::uint64_t number) { return 1 + (number * number * 7919) % 150'000; }

// Opens, checks `before` entries, appends `count` more, eight at a time, and closes.
Task<Result<std::uint64_t>> live_once(Runtime runtime, JournalOptions options, std::uint64_t before,
                                      std::uint64_t count) {
    MR_CO_TRY(auto journal, co_await Journal::open(runtime, options));
    MR_CO_TRY(auto log, co_await journal->take_over(ContainerId{1}));
    if (log->next().number() != before + 1)
        co_return Error{ErrorCode::kInternal, "entries: " + to_string(log->next())};
    for (std::uint64_t number = 1; number <= before; ++number) {
        MR_CO_TRY(const Bytes bytes,
                  co_await log->read(Index{number}, 0, DurableLog::kMaxEntryBytes));
        if (!(bytes == entry_of(number, size_of(number))))
            co_return Error{ErrorCode::kCorrupt, "entry " + std::to_string(number)};
    }
    std::uint64_t done = 0;
    Signal finished;
    std::optional<Error> failure;
    Gate gate;
    for (std::uint64_t number = before + 1; number <= before + count; ++number) {
        while (number - before - done > 8) co_await finished.wait();
        gate.spawn(runtime.executor, [&, number]() -> Task<void> {
            const Result<Index> index = co_await log->append({entry_of(number, size_of(number))});
            if (!index)
                failure = index.error();
            else if (index->number() != number)
                failure = Error{ErrorCode::kInternal, "index"};
            ++done;
            finished.notify_all();
        });
    }
    co_await gate.close();
    co_await log->close();
    co_await journal->close();
    if (failure) co_return *failure;
    co_return before + count;
}

TEST_F(JournalOnDisk, KeepsEntriesAcrossRestarts) {
    std::uint64_t entries = 0;
    for (int i = 0; i < 3; ++i) {
        const auto after = block_on(runtime_.executor(), [&] {
            return live_once(runtime_.bundle(), options(), entries, 100);
        });
        ASSERT_TRUE(after.ok()) << after.error().to_string();
        entries = *after;
    }
    // More than one file of 4 MiB, and none left unfinished.
    std::size_t files = 0;
    for (const auto& found : std::filesystem::directory_iterator(options().directory)) {
        EXPECT_NE(file_seq_of(found.path().filename().string()), 0u) << found.path();
        ++files;
    }
    EXPECT_GE(files, 5u);
}

TEST_F(JournalOnDisk, NamesADirectoryThatCannotBeMade) {
    JournalOptions impossible = options();
    impossible.directory = "/proc/nowhere/journal";
    const auto opened = block_on(runtime_.executor(), [&]() -> Task<Result<bool>> {
        auto journal = co_await Journal::open(runtime_.bundle(), impossible);
        if (!journal) co_return std::move(journal).error();
        co_await (*journal)->close();
        co_return true;
    });
    ASSERT_FALSE(opened.ok());
    EXPECT_NE(opened.error().detail().find("/proc/nowhere"), std::string::npos)
        << opened.error().to_string();
}

}  // namespace
}  // namespace millrace::log
