// SPDX-License-Identifier: Apache-2.0
//
// Long-term storage in a directory: a local file system or NFS. One file an object, `<root>/<container>/<epoch>/<sequence>`,
// written past the page cache, synced, and only then given its name. `<root>/STORAGE` says whose the directory is
// (docs/formats/storage-directory.md): an empty directory in place of a mount that went away is noticed, not filled.
// Thread rule: one executor. Lifetime: outlives its writers and calls.
#pragma once

#include <array>
#include <memory>
#include <set>
#include <string>

#include "common/runtime/permits.h"
#include "common/runtime/runtime.h"
#include "segmentstore/storage/object_storage.h"

namespace millrace::storage {

// Random, given when the directory is formatted.
using StorageId = std::array<std::byte, 16>;

ByteBuffer encode_storage_mark(const StorageId& id);
// kCorrupt, kUnsupported (a newer version).
Result<StorageId> decode_storage_mark(ByteView bytes);

class FileStorage final : public ObjectStorage {
public:
    // Makes `root` a storage directory. It may exist, but must be empty. kFailedPrecondition, kIo, kNoSpace.
    static Task<Result<StorageId>> format(Runtime runtime, std::string root);
    // kNotFound: `root` is not a storage directory; kCorrupt, kUnsupported.
    static Task<Result<std::unique_ptr<FileStorage>>> open(Runtime runtime, std::string root);

    // Whether anything was ever put here.
    Task<Result<bool>> used();
    const StorageId& id() const { return id_; }
    const std::string& root() const { return root_; }

    Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectName name) override;
    Task<Result<Bytes>> read(ObjectName name, std::uint64_t offset, std::size_t length) override;
    Task<Result<std::uint64_t>> size(ObjectName name) override;
    Task<Result<void>> remove(ObjectName name) override;
    Task<Result<std::vector<ObjectName>>> list(ContainerId container) override;

private:
    friend class FileObjectWriter;

    FileStorage(Runtime runtime, std::string root, StorageId id)
        : runtime_{runtime}, root_{std::move(root)}, id_{id} {}

    // kUnavailable when the mark is gone or is another's.
    Task<Result<void>> check_mark();
    // What went wrong with an object's file, told apart from a directory that went away.
    Task<Error> explain(Error error);
    Task<Result<std::unique_ptr<File>>> open_object(ObjectName name);
    std::string directory_of(ObjectName name) const;
    std::string path_of(ObjectName name) const { return root_ + "/" + name.to_string(); }

    Runtime runtime_;
    std::string root_;
    StorageId id_;
    // Two keep a disk busy. More of them only make others wait for it: the journal, when it is on the same one, and the
    // objects that are being written.
    Permits reads_{2};
    std::set<std::string> directories_;  // known to exist, durably
};

}  // namespace millrace::storage
