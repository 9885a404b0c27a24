// SPDX-License-Identifier: Apache-2.0
//
// Reads entries back from journal files: aligned, straight from the disk, checked. Keeps a few
// files open and a few buffers warm; caches no contents (the container does). Thread rule: the
// journal's executor. Lifetime: outlives its reads.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/runtime/aligned_buffer.h"
#include "common/runtime/runtime.h"
#include "common/runtime/signal.h"
#include "segmentstore/log/journal/entry_index.h"

namespace millrace::log {

class EntryReader {
public:
    EntryReader(Runtime runtime, std::string directory, bool check_bodies)
        : runtime_{runtime}, directory_{std::move(directory)}, check_bodies_{check_bodies} {}

    // The part [offset, offset + length) of an entry's body, clipped to the body. The whole body is
    // read and verified. Errors: kCorrupt (names file and offset), kIo.
    Task<Result<Bytes>> read(EntryLocation location, std::size_t offset, std::size_t length);

    // The file has gone, or will have another life.
    void forget(std::uint32_t file_seq) {
        files_.remove_if([&](const auto& open) { return open.first == file_seq; });
    }

private:
    // At most this many reads at a time: each holds a buffer of up to 1 MiB and 8 KiB.
    static constexpr std::size_t kReadsMax = 16;
    static constexpr std::size_t kFilesMax = 64;
    static constexpr std::size_t kBuffersMax = 4;

    Task<Result<std::shared_ptr<File>>> file(std::uint32_t file_seq);
    Task<Result<Bytes>> read_now(EntryLocation location, std::size_t offset, std::size_t length);
    AlignedBuffer take_buffer(std::size_t bytes);
    void give_back(AlignedBuffer buffer);

    Runtime runtime_;
    std::string directory_;
    bool check_bodies_;
    std::size_t reading_ = 0;
    Signal turn_;
    std::list<std::pair<std::uint32_t, std::shared_ptr<File>>> files_;  // last used first
    std::vector<AlignedBuffer> buffers_;
};

}  // namespace millrace::log
