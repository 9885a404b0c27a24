// SPDX-License-Identifier: Apache-2.0
//
// The metadata store of a single process, in a key-value store of its own (docs/formats/metadata-store.md). It has one
// session, which lasts from open() to close() or until the store stops, and is never suspended.
// Multis that wait while others are being written go into one synced batch together, in the order in which they came.
// Changes are refused with kNoSpace, certainly not applied, while the disk has less free space than is kept for other
// things; reading goes on. A write that fails all the same stops the store: its fate is unknown and the session expired,
// because only the next open() can tell what is on disk.
// Thread rule: the executor of the runtime.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/keyvalue/keyvalue.h"
#include "common/metadata/metadata_store.h"
#include "common/runtime/runtime.h"

namespace millrace::metadata {

struct EmbeddedOptions {
    // Made if need be. Nobody else puts files there.
    std::string directory;
    // It was used before, so that a directory without anything in it is not a new one.
    bool was_used = false;
    // Free bytes of the file system below which nothing is written.
    std::uint64_t keep_free_bytes = 16 * 1024 * 1024;
};

class EmbeddedMetadataStore : public MetadataStore {
public:
    // kInUse: another process has the directory; kNotFound: it was used and is gone; kUnsupported: another version, or
    // something else, wrote it; kCorrupt; kIo; kNoSpace: it is new, or has ephemeral nodes to remove, and the disk is full. The runtime outlives the store.
    static Task<Result<std::unique_ptr<EmbeddedMetadataStore>>> open(Runtime runtime,
                                                                     std::shared_ptr<keyvalue::Engine> engine,
                                                                     EmbeddedOptions options);

    // Refuses new calls, completes the running ones, closes the files; the session is expired. Must have completed before
    // destruction. May be called again.
    virtual Task<void> close() = 0;

    // Whether a failure has stopped the store, and completes when one does (never by close()).
    virtual bool stopped() const = 0;
    virtual Task<Error> failed() = 0;
};

}  // namespace millrace::metadata
