// SPDX-License-Identifier: Apache-2.0
//
// Making and reading journal files. A file gets its name only when it is zero-filled and its header
// is durable, so whatever is called *.wal has a valid header or is damaged.
// Thread rule: the journal's executor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/runtime/aligned_buffer.h"
#include "common/runtime/runtime.h"
#include "common/runtime/signal.h"
#include "segmentstore/log/journal/format.h"

namespace millrace::log {

inline constexpr std::string_view kUnfinishedSuffix = ".tmp";

// How fast a file may be made while appends go on. Owned by the journal, looked at between pieces.
struct FillPace {
    bool hurry = true;  // somebody waits for the file
    bool cancelled = false;
    Signal changed;
};

// Makes directory/<file_seq>.wal of header.file_bytes bytes, durably, and opens it for writing.
// `pace` lives until the call has ended. Errors: kNoSpace, kIo, kClosed (cancelled); then nothing
// but an unfinished file may be left, and that is removed if the disk lets us.
Task<Result<std::unique_ptr<File>>> make_journal_file(Runtime runtime, std::string directory,
                                                      FileHeader header, FillPace& pace,
                                                      bool sync_directory);

// Looks at a file through an aligned window.
class FileWindow {
public:
    // `file` outlives the window.
    FileWindow(File& file, std::uint64_t size) : file_{file}, size_{size} {}

    std::uint64_t size() const { return size_; }
    File& file() { return file_; }
    // `length` bytes from `offset`, fewer at the end of the file; valid until the next call.
    // REQUIRES: offset is a multiple of kBlockBytes.
    Task<Result<ByteView>> view(std::uint64_t offset, std::size_t length);

private:
    File& file_;
    std::uint64_t size_;
    AlignedBuffer buffer_;
    std::uint64_t begin_ = 0;
    std::size_t filled_ = 0;
};

}  // namespace millrace::log
