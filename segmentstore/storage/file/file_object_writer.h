// SPDX-License-Identifier: Apache-2.0
//
// One object on its way into a directory: direct I/O in large aligned writes, a name at the very end.
// Thread rule: the storage's executor.
#pragma once

#include <memory>
#include <string>

#include "common/runtime/aligned_buffer.h"
#include "segmentstore/storage/file/file_storage.h"

namespace millrace::storage {

class FileObjectWriter final : public ObjectWriter {
public:
    FileObjectWriter(FileStorage& storage, ObjectName name, std::unique_ptr<File> file)
        : storage_{storage}, name_{name}, file_{std::move(file)} {}

    static std::string unfinished(const std::string& path) { return path + ".tmp"; }

    Task<Result<void>> append(std::vector<Bytes> pieces) override;
    // All but the last bytes that do not fill a block.
    Task<Result<void>> hand_over() override;
    Task<Result<void>> finish() override;
    std::uint64_t size() const override { return written_ + used_; }

private:
    // Large enough that a disk is busy with each write, small enough to hold for each object under way.
    static constexpr std::size_t kBufferBytes = 1024 * 1024;

    // Writes the first `bytes` of the buffer.
    Task<Result<void>> flush(std::size_t bytes);
    Task<Result<void>> flush_or_discard(std::size_t bytes);
    Task<Result<void>> publish();
    // The object will never be finished: its bytes go, as far as the storage lets us.
    Task<void> discard();

    FileStorage& storage_;
    const ObjectName name_;
    std::unique_ptr<File> file_;
    AlignedBuffer buffer_{kBufferBytes};
    std::size_t used_ = 0;
    std::uint64_t written_ = 0;
};

}  // namespace millrace::storage
