// SPDX-License-Identifier: Apache-2.0
//
// A segment store: journal, containers and the data port, wired together. Its process decides
// what else runs beside it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/runtime/runtime.h"

namespace millrace::segmentstore {

struct SegmentStoreOptions {
    std::string data_directory;    // exists and is locked by the caller; the journal lies in <dir>/journal
    Endpoint listen;               // port 0: any free one
    std::uint32_t containers = 16; // fixed when the directory is formatted
    // Appended bytes kept in memory for readers, over all containers. 8 MiB .. 64 GiB.
    std::size_t cache_bytes = 256ull * 1024 * 1024;
    std::uint64_t journal_file_bytes = 64ull * 1024 * 1024;
    std::uint64_t journal_total_bytes_max = 0;  // 0: only the disk limits
};

class SegmentStore {
public:
    // Completes when every container serves. Errors as Journal::open and Network::listen.
    static Task<Result<std::unique_ptr<SegmentStore>>> start(Runtime runtime, SegmentStoreOptions options);

    virtual ~SegmentStore() = default;

    virtual Endpoint local() const = 0;
    // Stops accepting, commits what was admitted, closes.
    virtual Task<void> close() = 0;

    enum class Health : std::uint8_t { kServing, kFull, kFailed };
    virtual Health health() const = 0;
    // Completes when the store can no longer serve (a write or sync of the journal failed): the
    // process must stop with exit code 74 and restart.
    virtual Task<Error> failed() = 0;
};

}  // namespace millrace::segmentstore
