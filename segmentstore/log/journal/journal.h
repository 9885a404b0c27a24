// SPDX-License-Identifier: Apache-2.0
//
// One replica's journal: the entries of all logs of this store, group-committed into one sequence
// of preallocated files (docs/formats/journal.md). Takes everything queued, writes it as one
// batch, syncs, acknowledges; no timer. One batch is in flight.
// Thread rule: one executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/runtime.h"
#include "segmentstore/log/durable_log.h"
#include "segmentstore/log/journal/format.h"

namespace millrace::log {

// Rules that tests break on purpose, to see that the crash tests notice. Never set elsewhere.
struct JournalMutations {
    bool acknowledge_before_sync = false;
    bool skip_record_checksum = false;
    bool skip_directory_sync = false;
    bool trust_unproven_tail = false;  // counts it where it stands instead of writing it anew
    bool retire_before_durable = false;  // files go before the record that takes them off the list
};

struct JournalOptions {
    std::string directory;
    // The store whose files must be there. Empty: whatever is there is taken, and a new journal is made where nothing is.
    std::optional<StoreUuid> store = std::nullopt;
    // Size of each preallocated file; a multiple of 4 KiB, 1 MiB .. 1 GiB. The first file after a
    // start is smaller, so that starting is quick. With less than 4 MiB entries are bounded by a
    // quarter of it.
    std::uint64_t file_bytes = 64ull * 1024 * 1024;
    // A batch takes at most this many bytes of entries, but at least one entry.
    std::size_t batch_bytes_max = 2 * 1024 * 1024;
    // Files beyond this total are not created: appends answer kNoSpace. 0: only the disk limits.
    // The file that a start needs is made all the same.
    std::uint64_t total_bytes_max = 0;
    // The caller bounds what it has outstanding; an append above this ceiling answers kTooLarge.
    std::size_t queue_bytes_max = 256ull * 1024 * 1024;
    // Free bytes that are left on the file system when a new file is made. A start may use them.
    std::uint64_t keep_free_bytes = 64ull * 1024 * 1024;
    // When files are full of more than this, the logs that keep the oldest of them are asked to be truncated: once each
    // time that a file becomes full. 0: half of total_bytes_max, or 2 GiB. Called on the journal's executor.
    std::uint64_t crowded_bytes = 0;
    std::function<void(ContainerId log)> crowded = nullptr;
    // A file that nothing needs any more made room(), or somebody did on the disk. Called on the journal's executor.
    std::function<void()> more_room = nullptr;
    JournalMutations mutations = {};
};

class Journal {
public:
    // Opens or formats the directory, replays every file, drops a torn tail and makes a new file
    // active. The caller holds the lock of the directory (or of the one above).
    // Errors: kCorrupt names file and offset of damage in the middle; kUnsupported (written by a
    // newer version); kInvalidArgument (options); kNotFound (no file of options.store is there);
    // kFailedPrecondition (another store's are); kIo; kNoSpace.
    static Task<Result<std::unique_ptr<Journal>>> open(Runtime runtime, JournalOptions options);

    virtual ~Journal() = default;

    // Takes ownership of one log: its epoch rises by one, durably, before this completes. Once per
    // log and process. The log lives at most as long as the journal. Concurrent calls share
    // batches. Errors: kFailedPrecondition (taken over before), kNoSpace, kIo, kClosed.
    virtual Task<Result<std::unique_ptr<DurableLog>>> take_over(ContainerId log) = 0;

    // In the header of each of its files.
    virtual const StoreUuid& store() const = 0;

    // Finishes what is queued. The logs are closed first, or their calls end in kClosed.
    virtual Task<void> close() = 0;

    // Bytes that fit until total_bytes_max is reached; without that limit what a number can say.
    virtual std::uint64_t room() const = 0;
    // Bytes that fit until the disk takes no more files: as of the last look at it, which is when the last file was made,
    // or a second ago when it took none.
    virtual std::uint64_t disk_room() const = 0;

    // Calls JournalOptions::crowded where it is due. The journal does so itself when a file becomes full; who can act
    // upon it only from now on asks for it once.
    virtual void ask_for_truncation() = 0;

    struct Stats {
        std::uint64_t batches = 0;
        std::uint64_t entries = 0;
        std::uint64_t entry_bytes = 0;    // bodies
        std::uint64_t bytes_written = 0;  // headers and padding included
        std::uint64_t files = 0;
        std::uint64_t retirements = 0;    // durable lists of files that nothing needs any more
        std::uint64_t recycled = 0;       // files that got another life
        bool direct = false;  // direct I/O granted
        bool full = false;    // the last append met kNoSpace
        bool failed = false;  // a write or sync failed: the process must stop
    };
    virtual Stats stats() const = 0;
};

}  // namespace millrace::log
