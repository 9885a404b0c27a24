// SPDX-License-Identifier: Apache-2.0
//
// The only way to files. What is written is durable after a successful sync() of the file and, for
// names (create, rename, remove), after sync_directory(). After a crash an unsynced write may be
// there wholly, in part (in units of kDirectAlignment) or not at all, in any order among unsynced
// writes; unsynced names likewise.
// After a failed write or sync of a file nothing of that file may be trusted to become durable: the
// owner stops and recovers, it does not sync again.
// Errors: kNotFound, kAlreadyExists, kNoSpace, kPermissionDenied, kIo; the detail names the path
// (and offset). Lifetime: memory handed to a call stays valid until the call completes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/aligned_buffer.h"
#include "common/runtime/task.h"

namespace millrace {

enum class OpenMode : std::uint8_t {
    kReadOnly,
    kReadWrite,
    kCreate,      // read-write; created when absent
    kCreateNew,   // read-write; kAlreadyExists when present
};

struct OpenOptions {
    OpenMode mode = OpenMode::kReadOnly;
    // Bypass the page cache. Then offsets, lengths and memory are multiples of kDirectAlignment.
    // File systems that refuse are opened buffered: see File::direct().
    bool direct = false;
};

class File {
public:
    virtual ~File() = default;  // closes

    // Reads into `into` from `offset`; fewer bytes than asked only at the end of the file.
    virtual Task<Result<std::size_t>> read_at(std::uint64_t offset, MutableByteView into) = 0;
    // Writes all of `bytes`, extending the file as needed.
    virtual Task<Result<void>> write_at(std::uint64_t offset, ByteView bytes) = 0;
    // fdatasync: all completed writes, and the size, are durable.
    virtual Task<Result<void>> sync() = 0;
    // write_at, then sync, as one step on the disk's thread.
    virtual Task<Result<void>> write_and_sync(std::uint64_t offset, ByteView bytes) = 0;
    // The same on the calling thread, which waits for the disk: for who has nothing else to do meanwhile and a fast
    // disk, it saves two changes of threads, about half of a short sync.
    virtual Task<Result<void>> write_and_sync_here(std::uint64_t offset, ByteView bytes) {
        return write_and_sync(offset, bytes);
    }
    // Makes the file exactly `length` bytes of zeros, really written (not merely reserved), and
    // syncs: later overwrites then need no metadata and cannot meet a full disk.
    virtual Task<Result<void>> zero_fill(std::uint64_t length) = 0;
    virtual Task<Result<void>> truncate(std::uint64_t length) = 0;
    virtual Task<Result<std::uint64_t>> size() = 0;

    // Whether direct I/O was asked for and granted.
    virtual bool direct() const = 0;
    virtual const std::string& path() const = 0;
};

// Held for as long as the object lives; ends with the process, however it ends.
class DirectoryLock {
public:
    virtual ~DirectoryLock() = default;
};

class Disk {
public:
    virtual ~Disk() = default;

    virtual Task<Result<std::unique_ptr<File>>> open(std::string path, OpenOptions options) = 0;
    // Names (not paths) in a directory, sorted.
    virtual Task<Result<std::vector<std::string>>> list(std::string directory) = 0;
    // Creates missing parents too; each new name is durable in its parent on return.
    virtual Task<Result<void>> create_directories(std::string path) = 0;
    virtual Task<Result<void>> rename(std::string from, std::string to) = 0;
    virtual Task<Result<void>> remove(std::string path) = 0;
    virtual Task<Result<void>> sync_directory(std::string path) = 0;
    virtual Task<Result<std::uint64_t>> free_bytes(std::string path) = 0;
    // Takes <directory>/LOCK and writes this process's pid into it. kInUse names the holder's pid.
    virtual Task<Result<std::unique_ptr<DirectoryLock>>> lock_directory(std::string directory) = 0;
};

}  // namespace millrace
