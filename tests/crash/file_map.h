// SPDX-License-Identifier: Apache-2.0
//
// What lies where in the files of a journal directory, so that damage can be planted in each kind of place, and what it
// may cost without being noticed.
// Thread rule: pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "segmentstore/log/journal/batch.h"
#include "tests/crash/journal_session.h"
#include "tests/sim/sim_disk_image.h"

namespace millrace::crash {

struct FlipTarget {
    std::string path;
    std::uint64_t offset = 0;
};
struct CutTarget {
    std::string path;
    std::uint64_t bytes = 0;
};
// An empty `with`: the file is missing.
struct SwapTarget {
    std::string path;
    std::string with;
};

class FileMap {
public:
    explicit FileMap(const sim::SimDisk::Image& image);

    // Every byte of headers; the ends and the middle of bodies and of what is behind them.
    std::vector<FlipTarget> flip_targets() const;
    // Where batches begin and end, and beside that; and beyond the file's end.
    std::vector<CutTarget> cut_targets() const;
    // Every two files; every file whose absence can be known.
    std::vector<SwapTarget> swap_targets() const;
    // What is lost without a word when bytes [begin, end) of this file are damaged: batches that nothing proves
    // durable, which are the last one and an empty one before it at most, from the first damaged one on.
    Losses losses(const std::string& path, std::uint64_t begin, std::uint64_t end) const;

    // The entry in whose body this byte lies.
    std::optional<UnreadableEntry> entry_at(const std::string& path, std::uint64_t offset) const;

private:
    struct Batch {
        std::uint64_t offset = 0;
        log::BatchHeader header;
        std::vector<log::RecordHeader> records;
        std::vector<std::uint32_t> bodies;  // from the batch's start
    };
    struct MappedFile {
        std::string path;
        std::uint64_t bytes = 0;
        std::vector<Batch> batches;
        std::uint64_t end() const {
            return batches.empty() ? log::kBlockBytes : batches.back().offset + batches.back().header.padded_bytes;
        }
    };

    // Whether it is a batch that nothing proves durable.
    bool unproven(const Batch& batch) const {
        return batch.header.batch_seq > proven_ && (batch.header.flags & log::BatchHeader::kContinued) == 0;
    }

    std::vector<MappedFile> files_;
    std::uint64_t proven_ = 0;  // all batches up to this
};

}  // namespace millrace::crash
