// SPDX-License-Identifier: Apache-2.0
//
// A store's directory (docs/formats/keyvalue.md): LOCK and PID of its owner, `db` with RocksDB's files, `restoring`
// while a restore is under way. All through RocksDB's file system, so that tests can put a failing one in its place.
// Thread rule: everything here blocks; a thread of the blocking pool, one at a time.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace millrace::keyvalue {

class Directory {
public:
    // Takes the directory, made if need be with its parents; kInUse names the process that has it. With `must_exist`
    // kNotFound when there is no store in it.
    static Result<std::unique_ptr<Directory>> take(std::shared_ptr<rocksdb::FileSystem> files, std::string path,
                                                   bool must_exist);
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory();

    const std::string& path() const { return path_; }
    std::string db_path() const { return path_ + "/db"; }
    std::string restoring_path() const { return path_ + "/restoring"; }
    rocksdb::FileSystem& files() { return *files_; }

    Result<bool> has_store();
    // What a restore that was not finished left behind.
    Result<void> remove_restoring();
    // A database that never came into being. REQUIRES: !has_store().
    Result<void> remove_unmade_store();
    // The store, what is beside it, and the directory itself. Ends the ownership.
    Result<void> destroy();
    // Whether files can be written there without the page cache.
    bool grants_direct_io();

    Result<void> sync(const std::string& directory);
    Result<std::uint64_t> free_bytes();

private:
    Directory(std::shared_ptr<rocksdb::FileSystem> files, std::string path, rocksdb::FileLock* lock)
        : files_{std::move(files)}, path_{std::move(path)}, lock_{lock} {}

    Result<void> remove_files(const std::string& directory, const std::string& first);
    void unlock();

    const std::shared_ptr<rocksdb::FileSystem> files_;
    const std::string path_;
    rocksdb::FileLock* lock_;
};

// Exactly `length` bytes of a file from `offset`, or to its end when that comes first.
Result<ByteBuffer> read_piece(rocksdb::FileSystem& files, const std::string& path, std::uint64_t offset,
                              std::size_t length);

}  // namespace millrace::keyvalue
