// SPDX-License-Identifier: Apache-2.0
//
// Ordered keys on the local disk: state that is too large for memory, or that one process keeps for itself. An Engine is
// what the stores of a process share (cache, memory for what is not on disk yet, background work, the rate of writing);
// a Store is one directory.
//
// Keys and values are bytes; keys sort as unsigned bytes, a shorter key before those it begins.
//
// What a crash leaves: the stores's batches in the order of their write(), up to one of them and nothing of those behind
// it; never a part of a batch. What was durable is always among them:
// - StoreOptions::log on: a write(kSynced) is durable when it returns, together with all batches before it;
// - log off: nothing is, until flush() returns. Batches become durable by themselves too, in the background, at any time
//   and always in order.
//
// Errors, of every call:
// - kClosed: close() was called, or the process is over;
// - kUnavailable: the store has stopped, see Store::stopped();
// - kIo, kCorrupt (bytes on disk that fail their checks): the detail names the file as far as it is known. Of a read: this
//   read only. Of a write or flush: the store has stopped;
// - kNoSpace: with Fate::kNotApplied the write was refused while less than StoreOptions::keep_free_bytes were free, and
//   the store goes on; with Fate::kUnknown the disk was full in the middle of it, and the store has stopped;
// - kTooLarge: above one of the bounds below; kInvalidArgument.
// Writes fail with Fate::kUnknown whenever the batch may still be there after the next open.
//
// Thread rule: an Engine and its functions: any thread. A Store, its snapshots and pins: the executor of the Runtime it
// was opened with; calls block threads of its BlockingPool, never the executor. Calls may overlap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/keyvalue/write_batch.h"
#include "common/runtime/runtime.h"
#include "common/runtime/task.h"

namespace millrace::keyvalue {

inline constexpr std::size_t kKeyBytesMax = 64 * 1024;
inline constexpr std::size_t kValueBytesMax = 16 * 1024 * 1024;
inline constexpr std::size_t kBatchBytesMax = 256 * 1024 * 1024;
inline constexpr std::size_t kMultiGetKeysMax = 4096;
// Batches that wait for their turn in one store; a write beyond is refused with kUnavailable, not applied. The bytes: one
// batch of any size is always taken when none waits.
inline constexpr std::size_t kQueuedBatchesMax = 10'000;
inline constexpr std::size_t kQueuedBytesMax = 64 * 1024 * 1024;

enum class Durability : std::uint8_t {
    kBuffered,  // durable with the next flush() or kSynced write
    kSynced,    // durable when the write returns. Only in stores with a log: kInvalidArgument elsewhere
};

struct Row {
    std::string key;
    std::string value;
    bool operator==(const Row&) const = default;
};

// A page ends at whichever comes first, but holds at least one row if there is any. Both >= 1.
struct PageLimit {
    std::size_t rows = 1000;
    std::size_t bytes = 1024 * 1024;
};

struct Page {
    std::vector<Row> rows;  // in key order
    // Where the next page begins: give it as `begin`, with the same `end`. Empty: there is no more.
    std::optional<std::string> next;
};

// The smallest key above all keys that begin with `prefix`, as the end of a range; empty when there is none.
std::string end_of_prefix(std::string_view prefix);

class Reader {
public:
    virtual ~Reader() = default;

    // Empty: no such key.
    virtual Task<Result<std::optional<std::string>>> get(std::string key) = 0;
    // In the order of `keys`, all at one point in time. kTooLarge above kMultiGetKeysMax.
    virtual Task<Result<std::vector<std::optional<std::string>>>> multi_get(std::vector<std::string> keys) = 0;
    // The first rows of [begin, end), all at one point in time; an empty `end` means to the last key.
    virtual Task<Result<Page>> scan(std::string begin, std::string end, PageLimit limit = {}) = 0;
};

// The store as it was when the snapshot was made, whatever is written since. Holds old values on disk: keep it for
// seconds, not for ever. Outliving the store's close() is allowed: every call answers kClosed then.
class Snapshot : public Reader {};

// Files that together are the store as it was when they were pinned: a directory made of them by Restore opens as that
// store. They stay, unchanged, until the object ends or the store closes (then: kClosed); meanwhile the store
// frees no space, so end it soon after the last read.
class PinnedFiles {
public:
    struct File {
        // A plain name, without a directory.
        std::string name;
        std::uint64_t size = 0;
        std::uint32_t crc32c = 0;
        // A file of this name, size and checksum never changes and may be shared by later pins of the same store; others
        // (few and small) are particular to this pin.
        bool shareable = false;
    };

    virtual ~PinnedFiles() = default;

    virtual const std::vector<File>& files() const = 0;
    // At most `length` bytes, fewer only at the end of the file. `file` is an index into files().
    virtual Task<Result<Bytes>> read(std::size_t file, std::uint64_t offset, std::size_t length) = 0;
};

// Of one store, now or since it was opened.
struct Statistics {
    std::uint64_t unflushed_bytes = 0;   // in memory, not on disk but in the log
    std::uint64_t file_bytes = 0;        // of immutable files
    std::uint64_t files = 0;
    std::uint64_t keys_about = 0;        // an estimate
    std::uint64_t index_bytes = 0;       // in memory, beside the shared cache: what reading needs of each file
    std::uint64_t compaction_bytes = 0;  // still to rewrite; an estimate
    std::uint64_t batches = 0;           // written
    std::uint64_t groups = 0;            // of batches that went down together
    std::uint64_t slowed_writes = 0;     // that waited for the background
    bool direct_io = false;              // asked for, and granted
};

class Store : public Reader {
public:
    // Batches take effect, and become durable, in the order of these calls. When it returns the batch is visible to
    // every later read. An empty batch is a write too (kSynced: all before it is durable). Concurrent synced writes share one sync.
    virtual Task<Result<void>> write(WriteBatch batch, Durability durability) = 0;
    // All batches whose write() has returned, and those called before this, are durable.
    virtual Task<Result<void>> flush() = 0;

    virtual Task<Result<std::unique_ptr<Snapshot>>> snapshot() = 0;
    // Flushes first: the files hold all batches whose write() has returned.
    virtual Task<Result<std::unique_ptr<PinnedFiles>>> pin_files() = 0;
    // Rewrites all files into as few as can be, free of what was removed; for tests and administration.
    virtual Task<Result<void>> compact() = 0;
    // Reads all files against their checksums; the log was read when the store was opened. kCorrupt names the file.
    virtual Task<Result<void>> verify() = 0;

    virtual Task<Result<Statistics>> statistics() = 0;

    // Why every later call answers kUnavailable: a write, a flush or background work failed, and only open() can tell what
    // is on disk. Its code is kIo, kNoSpace or kCorrupt.
    virtual std::optional<Error> stopped() const = 0;
    // Completes when the store stops, or with kClosed.
    virtual Task<Error> failed() = 0;

    // Refuses new calls, completes the running ones, flushes if it has not stopped (who must know whether that went well
    // calls flush() first), closes the files. Must have completed before destruction. May be called again.
    virtual Task<void> close() = 0;
};

struct StoreOptions {
    // Made if need be, with missing parents, unless read_only. Nobody else puts files there.
    std::string directory;
    // A log makes single batches durable, at the price of one sync. A store is opened with the same value each time.
    bool log = false;
    // kInvalidArgument for writes; kNotFound when there is no store. Also takes the directory for itself.
    bool read_only = false;
    // Bytes of one store's newest batches after which it begins to move them to disk.
    std::size_t write_buffer_bytes = 16 * 1024 * 1024;
    // Without the page cache when files are written in the background, where the file system can.
    bool direct_io = true;
    // Free bytes of the file system below which writes are refused.
    std::uint64_t keep_free_bytes = 16 * 1024 * 1024;
};

// Brings the files of a pin into a directory. Nothing is there until finish() has returned ok; a restore that was not
// finished leaves nothing that open() sees. One call at a time; end it before the Engine ends.
class Restore {
public:
    virtual ~Restore() = default;

    // Files one after the other, each in pieces from its start. kInvalidArgument for a name that is none of a pin's.
    virtual Task<Result<void>> write(std::string name, Bytes piece) = 0;
    virtual Task<Result<void>> finish() = 0;
};

struct EngineOptions {
    // Shared by all stores.
    std::size_t cache_bytes = 64 * 1024 * 1024;
    // Of all stores together; the store that writes above it moves its part to disk.
    std::size_t write_buffers_bytes = 64 * 1024 * 1024;
    int background_threads = 2;
    // Of background writing, all stores together. 0: no limit.
    std::uint64_t background_bytes_per_second = 0;
};

class Engine {
public:
    virtual ~Engine() = default;  // after all its stores

    // kInUse names the process that has the directory; kCorrupt names the file; kUnsupported: written by another version or
    // not by this engine; kNotFound; kNoSpace, kIo, kPermissionDenied. The runtime outlives the store.
    virtual Task<Result<std::unique_ptr<Store>>> open(Runtime runtime, StoreOptions options) = 0;
    // kAlreadyExists when there is a store in the directory; kInUse.
    virtual Task<Result<std::unique_ptr<Restore>>> restore(Runtime runtime, std::string directory) = 0;
    // Removes the store, what a restore left there, and the directory; ok when there is none. kInUse.
    virtual Task<Result<void>> destroy(Runtime runtime, std::string directory) = 0;

    // Of the shared memory, for metrics.
    virtual std::size_t cache_bytes_used() const = 0;
    virtual std::size_t write_buffers_bytes_used() const = 0;
};

}  // namespace millrace::keyvalue
