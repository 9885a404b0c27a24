// SPDX-License-Identifier: Apache-2.0
//
// The metadata store of a single process, on an embedded RocksDB (docs/formats/metadata-store.md).
// Multis that wait while others are being written go into one synced batch together, in the order
// in which they came.
// Changes are refused with kNoSpace, certainly not applied, while the disk has less free space than
// is kept for other things; reading goes on. A write that fails all the same stops the store: every
// later call answers kUnavailable until it is opened again, because only recovery can tell what is
// on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/metadata/metadata_store.h"
#include "common/runtime/runtime.h"

namespace millrace::metadata {

struct RocksDbOptions {
    // Free bytes of the file system below which nothing is written.
    std::uint64_t keep_free_bytes = 16 * 1024 * 1024;
};

class RocksDbMetadataStore : public MetadataStore {
public:
    // Makes the directory if needed; its parent exists. kInUse: another process has it open;
    // kCorrupt; kIo; kUnsupported: written by a newer version.
    static Task<Result<std::unique_ptr<RocksDbMetadataStore>>> open(Runtime runtime, std::string directory,
                                                                    RocksDbOptions options = {});

    // Refuses new calls, completes the running ones, closes the files. Must have completed before
    // destruction.
    virtual Task<void> close() = 0;

    // Whether a failed write has stopped the store, and completes when one does (never by close()).
    virtual bool stopped() const = 0;
    virtual Task<Error> failed() = 0;
};

}  // namespace millrace::metadata
