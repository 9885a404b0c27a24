// SPDX-License-Identifier: Apache-2.0
//
// What was decided when a data directory was first used, in the file <directory>/segmentstore.format
// (docs/formats/container.md): the number of containers. It cannot change, because it says which log
// a segment lies in.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.h"
#include "common/runtime/disk.h"
#include "common/runtime/task.h"

namespace millrace::segmentstore {

inline constexpr std::uint32_t kStoreFormat = 1;

struct StoreFormat {
    std::uint32_t containers = 0;
};

ByteBuffer encode_store_format(const StoreFormat& format);
// kCorrupt; kUnsupported when a newer version wrote it.
Result<StoreFormat> decode_store_format(ByteView bytes);

// Checks the directory's format against `wanted`, or writes it when the directory is new.
// Errors: kFailedPrecondition (another number of containers), kCorrupt, kUnsupported, those of Disk.
// `disk` lives until the end.
Task<Result<void>> open_store_format(Disk& disk, std::string directory, StoreFormat wanted);

}  // namespace millrace::segmentstore
