// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/storage/file/file_object_writer.h"

#include <algorithm>
#include <cstring>

namespace millrace::storage {

Task<Result<void>> FileObjectWriter::append(std::vector<Bytes> pieces) {
    std::uint64_t added = 0;
    for (const Bytes& piece : pieces) added += piece.size();
    if (added > ObjectStorage::kMaxObjectBytes - size()) {
        co_return Error{ErrorCode::kTooLarge, "object " + name_.to_string() + " would have more than " +
                                                  std::to_string(ObjectStorage::kMaxObjectBytes) + " bytes"};
    }
    for (const Bytes& piece : pieces) {
        for (ByteView rest = piece.view(); !rest.empty();) {
            const ByteView part = rest.first(std::min(rest.size(), buffer_.size() - used_));
            std::memcpy(buffer_.data() + used_, part.data(), part.size());
            used_ += part.size();
            rest = rest.subspan(part.size());
            if (used_ < buffer_.size()) continue;
            MR_CO_TRY_VOID(co_await flush_or_discard(used_));
        }
    }
    co_return ok();
}

Task<Result<void>> FileObjectWriter::hand_over() {
    const std::size_t blocks = used_ - used_ % kDirectAlignment;
    if (blocks == 0) co_return ok();
    co_return co_await flush_or_discard(blocks);
}

Task<Result<void>> FileObjectWriter::flush_or_discard(std::size_t bytes) {
    Result<void> flushed = co_await flush(bytes);
    if (!flushed) co_await discard();
    co_return flushed;
}

Task<Result<void>> FileObjectWriter::flush(std::size_t bytes) {
    const Result<void> wrote = co_await file_->write_at(written_, buffer_.view().first(align_up(bytes)));
    if (!wrote) co_return co_await storage_.explain(wrote.error());
    written_ += bytes;
    used_ -= bytes;
    std::memmove(buffer_.data(), buffer_.data() + bytes, used_);
    co_return ok();
}

Task<void> FileObjectWriter::discard() {
    file_.reset();
    (void)co_await storage_.runtime_.remote_disk.remove(unfinished(storage_.path_of(name_)));
}

Task<Result<void>> FileObjectWriter::finish() {
    const Result<void> published = co_await publish();
    if (!published) {
        co_await discard();
        co_return published;
    }
    // From here on somebody may see it.
    Result<void> synced = co_await storage_.runtime_.remote_disk.sync_directory(storage_.directory_of(name_));
    if (!synced) co_return std::move(synced).error().with_unknown_fate();
    co_return ok();
}

Task<Result<void>> FileObjectWriter::publish() {
    if (used_ > 0) {
        std::memset(buffer_.data() + used_, 0, align_up(used_) - used_);
        MR_CO_TRY_VOID(co_await flush(used_));
    }
    // The last write was rounded up.
    if (written_ % kDirectAlignment != 0) MR_CO_TRY_VOID(co_await file_->truncate(written_));
    MR_CO_TRY_VOID(co_await file_->sync());
    file_.reset();
    MR_CO_TRY_VOID(co_await storage_.check_mark());
    const std::string path = storage_.path_of(name_);
    // Names are given once; that this one is free guards against a bug or a copied directory, not against a rival.
    const auto taken = co_await storage_.runtime_.remote_disk.open(path, OpenOptions{});
    if (taken) co_return Error{ErrorCode::kAlreadyExists, path + " exists already"};
    if (!taken.error().is(ErrorCode::kNotFound)) co_return taken.error();
    co_return co_await storage_.runtime_.remote_disk.rename(unfinished(path), path);
}

}  // namespace millrace::storage
