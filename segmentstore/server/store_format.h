// SPDX-License-Identifier: Apache-2.0
//
// What was decided when a data directory was first used, in the file <directory>/segmentstore.format
// (docs/formats/container.md): the number of containers, which says in which log a segment lies, and which long-term
// storage and which journal belong to them. None of it can change.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/runtime/runtime.h"
#include "common/runtime/task.h"
#include "segmentstore/log/journal/format.h"
#include "segmentstore/storage/file/file_storage.h"

namespace millrace::segmentstore {

inline constexpr std::uint32_t kStoreFormat = 3;

struct StoreFormat {
    std::uint32_t containers = 0;
    storage::StorageId storage{};
    // Empty until the journal is there: nothing was acknowledged before.
    std::optional<log::StoreUuid> journal;
};

ByteBuffer encode_store_format(const StoreFormat& format);
// kCorrupt; kUnsupported when a newer version wrote it.
Result<StoreFormat> decode_store_format(ByteView bytes);

// Of a directory that was formatted. kNotFound: it was not; kCorrupt, kUnsupported; those of Disk. Changes nothing.
Task<Result<StoreFormat>> read_store_format(Runtime runtime, std::string directory);

struct OpenedStore {
    StoreFormat format;
    std::unique_ptr<storage::FileStorage> storage;
};

// With the long-term storage in `storage_root`, after a check of both directories; formats both when they are new.
// Errors: kFailedPrecondition (another number of containers, another store's storage), kNotFound (the storage is gone;
// is it mounted?), kCorrupt, kUnsupported, those of Disk.
Task<Result<OpenedStore>> open_store(Runtime runtime, std::string directory, std::string storage_root,
                                     std::uint32_t containers);

// Replaces the file, in one step. Errors: those of Disk.
Task<Result<void>> write_store_format(Runtime runtime, std::string directory, StoreFormat format);

}  // namespace millrace::segmentstore
