// SPDX-License-Identifier: Apache-2.0
//
// The metadata store of a single process, on an embedded RocksDB (docs/formats/metadata-store.md).
// Multis that wait while others are being written go into one synced batch together, in the order
// in which they came.
// A failed write stops the store: every later call answers kUnavailable until it is opened again,
// because only recovery can tell what is on disk.
#pragma once

#include <memory>
#include <string>

#include "common/metadata/metadata_store.h"
#include "common/runtime/runtime.h"

namespace millrace::metadata {

class RocksDbMetadataStore : public MetadataStore {
public:
    // Makes the directory if needed; its parent exists. kInUse: another process has it open;
    // kCorrupt; kIo; kUnsupported: written by a newer version.
    static Task<Result<std::unique_ptr<RocksDbMetadataStore>>> open(Runtime runtime, std::string directory);

    // Refuses new calls, completes the running ones, closes the files. Must have completed before
    // destruction.
    virtual Task<void> close() = 0;
};

}  // namespace millrace::metadata
