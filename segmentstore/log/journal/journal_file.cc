// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/journal/journal_file.h"

#include <algorithm>
#include <cstring>

namespace millrace::log {

namespace {

constexpr std::size_t kWindowBytes = 1024 * 1024;
// In the background 512 KiB each 2 ms: 256 MB/s, about what a fast writer needs, while its own
// batches find the disk free most of the time.
constexpr std::size_t kFillBytes = 512 * 1024;
constexpr std::chrono::milliseconds kFillPause{2};

Task<Result<void>> fill_with_zeros(Runtime runtime, File& file, std::uint64_t length,
                                   FillPace& pace) {
    if (pace.hurry) co_return co_await file.zero_fill(length);
    AlignedBuffer zeros{kFillBytes};
    std::memset(zeros.data(), 0, zeros.size());
    for (std::uint64_t at = 0; at < length;) {
        const std::size_t piece = std::min<std::uint64_t>(kFillBytes, length - at);
        MR_CO_TRY_VOID(co_await file.write_at(at, zeros.view().first(piece)));
        at += piece;
        if (!pace.hurry && !pace.cancelled) {
            co_await pace.changed.wait_until(runtime.clock, runtime.clock.now() + kFillPause);
        }
        if (pace.cancelled) co_return Error{ErrorCode::kClosed, "the journal is closing"};
    }
    co_return ok();
}

Task<Result<void>> write_contents(Runtime runtime, std::string path, FileHeader header,
                                  FillPace& pace) {
    MR_CO_TRY(auto file, co_await runtime.disk.open(
                             path, OpenOptions{.mode = OpenMode::kCreate, .direct = true}));
    MR_CO_TRY_VOID(co_await fill_with_zeros(runtime, *file, header.file_bytes, pace));
    AlignedBuffer block{kBlockBytes};
    encode_file_header(header, block.mutable_view());
    co_return co_await file->write_and_sync(0, block.view());
}

}  // namespace

Task<Result<std::unique_ptr<File>>> make_journal_file(Runtime runtime, std::string directory,
                                                      FileHeader header, FillPace& pace,
                                                      bool sync_directory) {
    const std::string path = directory + "/" + file_name(header.file_seq);
    const std::string unfinished = path + std::string{kUnfinishedSuffix};
    Result<void> written = co_await write_contents(runtime, unfinished, header, pace);
    if (!written) {
        // Its space may be what is missing elsewhere. What cannot be removed goes at the next
        // start.
        (void)co_await runtime.disk.remove(unfinished);
        co_return std::move(written).error().while_doing("make " + path);
    }
    MR_CO_TRY_VOID(co_await runtime.disk.rename(unfinished, path));
    if (sync_directory) MR_CO_TRY_VOID(co_await runtime.disk.sync_directory(directory));
    co_return co_await runtime.disk.open(path,
                                         OpenOptions{.mode = OpenMode::kReadWrite, .direct = true});
}

Task<Result<ByteView>> FileWindow::view(std::uint64_t offset, std::size_t length) {
    MR_CHECK(offset % kBlockBytes == 0);
    length = offset < size_
                 ? static_cast<std::size_t>(std::min<std::uint64_t>(length, size_ - offset))
                 : 0;
    if (length == 0) co_return ByteView{};
    const bool inside = offset >= begin_ && offset + length <= begin_ + filled_;
    if (!inside) {
        const std::size_t wanted = std::max(align_up(length), kWindowBytes);
        if (buffer_.size() < wanted) buffer_ = AlignedBuffer{wanted};
        filled_ = 0;
        MR_CO_TRY(filled_, co_await file_.read_at(offset, buffer_.mutable_view().first(wanted)));
        begin_ = offset;
        length = std::min(length, filled_);
    }
    co_return buffer_.view().subspan(offset - begin_, length);
}

}  // namespace millrace::log
