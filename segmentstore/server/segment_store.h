// SPDX-License-Identifier: Apache-2.0
//
// A segment store: journal, containers and the data port, wired together. Its process decides
// what else runs beside it.
#pragma once

#include <chrono>
#include <cstddef>
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
    // 0: only the disk limits. Writers are held back when three quarters of it wait for long-term storage.
    std::uint64_t journal_total_bytes_max = 0;
    std::size_t journal_batch_bytes_max = 2 * 1024 * 1024;  // of entries in one group commit
    std::uint64_t journal_keep_free_bytes = 64ull * 1024 * 1024;  // left on the file system when a file is made

    // Long-term storage; empty: <data_directory>/storage. Formatted together with the data directory.
    std::string storage_directory;
    // What a container gathers in its log before it moves it to long-term storage, and how long the oldest of it waits
    // for that at most. 64 KiB .. 1 GiB; less when journal_total_bytes_max asks for it.
    std::uint64_t tiering_window_bytes = 64ull * 1024 * 1024;
    std::chrono::nanoseconds tiering_age_max = std::chrono::minutes{5};

    std::size_t connections_max = 10'000;
    // Bytes admitted and not committed, over all containers.
    std::size_t admitted_bytes_max = 64ull * 1024 * 1024;
    // Memory of received bytes, admitted ones included for as long as they lie where they arrived; see
    // transport::ConnectionResources. By default fifteen of the largest frames and as much for usual buffers.
    std::size_t received_bytes_max = 512ull * 1024 * 1024;
    // Of bytes that wait to be sent on all connections together; beyond, reads wait, and peers that take their replies
    // too slowly are ended.
    std::size_t unsent_bytes_max = 256ull * 1024 * 1024;
    // Beyond this much unsent on a connection no more of its frames are taken.
    std::size_t send_queue_bytes = 4ull * 1024 * 1024;
    // Clients say Hello as soon as they are connected.
    std::chrono::nanoseconds first_frame_limit = std::chrono::seconds{60};
    // A peer that leaves a frame or an append block incomplete. Clients send both in one go, or end a block within
    // milliseconds.
    std::chrono::nanoseconds incomplete_limit = std::chrono::seconds{60};
    // A peer that takes nothing for so long while bytes wait for it is gone or hostile. Up to 256 KiB is written at a
    // time and counts when all of it is taken, so this asks for 5 KB/s.
    std::chrono::nanoseconds stall_limit = std::chrono::seconds{60};
};

class SegmentStore {
public:
    // Completes when every container serves, or is halted: see halted(). Errors as Journal::open and Network::listen, and
    // the first damage when no container can serve.
    static Task<Result<std::unique_ptr<SegmentStore>>> start(Runtime runtime, SegmentStoreOptions options);

    virtual ~SegmentStore() = default;

    virtual Endpoint local() const = 0;
    // Stops accepting, commits what was admitted, closes.
    virtual Task<void> close() = 0;

    // kShort: the journal has had no room for appends for some seconds, and they wait; kFull: they are refused.
    enum class Health : std::uint8_t { kServing, kShort, kFull, kFailed };
    virtual Health health() const = 0;
    // Why long-term storage takes nothing; empty when it does. Appends go on for as long as the journal has room, then
    // they wait.
    virtual std::string storage_trouble() const = 0;
    // What damage, with file and offset or object, keeps which containers from serving; empty: none. Requests for their
    // segments are answered WrongHost, upon which clients wait and try again. Their files are left as they are.
    virtual std::string halted() const = 0;
    // Completes when the store can no longer serve (a write or sync of the journal failed): the
    // process must stop with exit code 74 and restart.
    virtual Task<Error> failed() = 0;
};

}  // namespace millrace::segmentstore
