// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/rocksdb/directory.h"

#include <unistd.h>

#include <cstring>
#include <utility>
#include <vector>

#include "common/keyvalue/rocksdb/errors.h"
#include "common/runtime/aligned_buffer.h"

namespace millrace::keyvalue {

namespace {

const rocksdb::IOOptions kPlain;

Result<void> sync_names(rocksdb::FileSystem& files, const std::string& directory) {
    std::unique_ptr<rocksdb::FSDirectory> opened;
    rocksdb::IOStatus status = files.NewDirectory(directory, kPlain, &opened, nullptr);
    if (status.ok()) status = opened->FsyncWithDirOptions(kPlain, nullptr, rocksdb::DirFsyncOptions{});
    if (!status.ok()) return to_error(status, "syncing the directory " + directory);
    return ok();
}

Result<void> make_with_parents(rocksdb::FileSystem& files, const std::string& path) {
    // "/a/b": "/a", then "/a/b".
    for (std::size_t end = path.find('/', 1); ; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        if (!files.FileExists(part, kPlain, nullptr).ok()) {
            const rocksdb::IOStatus made = files.CreateDirIfMissing(part, kPlain, nullptr);
            if (!made.ok()) return to_error(made, "creating the directory " + part);
            const std::size_t slash = part.rfind('/');
            MR_TRY_VOID(sync_names(files, slash == std::string::npos ? "." : slash == 0 ? "/" : part.substr(0, slash)));
        }
        if (end == std::string::npos) return ok();
    }
}

std::string pid_path(const std::string& directory) { return directory + "/PID"; }

std::string name_of_holder(rocksdb::FileSystem& files, const std::string& directory) {
    const Result<ByteBuffer> text = read_piece(files, pid_path(directory), 0, 32);
    if (!text || text->empty()) return "another process";
    std::string_view pid = as_text(text->view());
    return "process " + std::string{pid.substr(0, pid.find('\n'))};
}

// Not synced: it matters only while the process lives.
Result<void> write_pid(rocksdb::FileSystem& files, const std::string& directory) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    rocksdb::IOStatus status = files.NewWritableFile(pid_path(directory), rocksdb::FileOptions{}, &file, nullptr);
    if (status.ok()) status = file->Append(std::to_string(::getpid()) + "\n", kPlain, nullptr);
    if (status.ok()) status = file->Close(kPlain, nullptr);
    if (!status.ok()) return to_error(status, "writing " + pid_path(directory));
    return ok();
}

}  // namespace

Result<ByteBuffer> read_piece(rocksdb::FileSystem& files, const std::string& path, std::uint64_t offset,
                              std::size_t length) {
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    rocksdb::IOStatus status = files.NewRandomAccessFile(path, rocksdb::FileOptions{}, &file, nullptr);
    ByteBuffer bytes;
    if (status.ok()) {
        bytes.resize(length);
        rocksdb::Slice got;
        auto* scratch = reinterpret_cast<char*>(bytes.data());
        status = file->Read(offset, length, kPlain, &got, scratch, nullptr);
        if (status.ok()) {
            if (got.data() != scratch) std::memmove(scratch, got.data(), got.size());
            bytes.resize(got.size());
        }
    }
    if (!status.ok()) return to_error(status, "reading " + path);
    return bytes;
}

Result<std::unique_ptr<Directory>> Directory::take(std::shared_ptr<rocksdb::FileSystem> files, std::string path,
                                                   bool must_exist) {
    if (path.empty()) return Error{ErrorCode::kInvalidArgument, "a store needs a directory"};
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    if (must_exist && !files->FileExists(path + "/db/CURRENT", kPlain, nullptr).ok()) {
        return Error{ErrorCode::kNotFound, "there is no store in " + path};
    }
    MR_TRY_VOID(make_with_parents(*files, path));
    rocksdb::FileLock* lock = nullptr;
    const std::string lock_path = path + "/LOCK";
    const rocksdb::IOStatus locked = files->LockFile(lock_path, kPlain, &lock, nullptr);
    if (!locked.ok()) {
        const Error error = to_error(locked, "locking " + lock_path);
        // RocksDB has no subcode for it: it says "lock hold by current process" or what fcntl said.
        const std::string words = locked.ToString();
        if (words.find("lock hold by current process") != std::string::npos ||
            words.find("Resource temporarily unavailable") != std::string::npos) {
            return Error{ErrorCode::kInUse, "directory " + path + " is in use by " + name_of_holder(*files, path) +
                                                ", which holds " + lock_path};
        }
        return error;
    }
    std::unique_ptr<Directory> taken{new Directory{files, path, lock}};
    MR_TRY_VOID(write_pid(*files, path));
    return taken;
}

Directory::~Directory() { unlock(); }

void Directory::unlock() {
    if (lock_ == nullptr) return;
    files_->DeleteFile(pid_path(path_), kPlain, nullptr).PermitUncheckedError();
    files_->UnlockFile(std::exchange(lock_, nullptr), kPlain, nullptr).PermitUncheckedError();
}

Result<bool> Directory::has_store() {
    const rocksdb::IOStatus status = files_->FileExists(db_path() + "/CURRENT", kPlain, nullptr);
    if (status.ok()) return true;
    if (status.IsNotFound()) return false;
    return to_error(status, "looking for a store in " + path_);
}

Result<void> Directory::remove_files(const std::string& directory, const std::string& first) {
    if (!files_->FileExists(directory, kPlain, nullptr).ok()) return ok();
    std::vector<std::string> names;
    const rocksdb::IOStatus listed = files_->GetChildren(directory, kPlain, &names, nullptr);
    if (!listed.ok()) return to_error(listed, "listing " + directory);
    if (!first.empty() && files_->FileExists(directory + "/" + first, kPlain, nullptr).ok()) {
        const rocksdb::IOStatus removed = files_->DeleteFile(directory + "/" + first, kPlain, nullptr);
        if (!removed.ok()) return to_error(removed, "removing " + directory + "/" + first);
        MR_TRY_VOID(sync(directory));
    }
    for (const std::string& name : names) {
        if (name == "." || name == ".." || name == first) continue;
        const rocksdb::IOStatus removed = files_->DeleteFile(directory + "/" + name, kPlain, nullptr);
        if (!removed.ok()) return to_error(removed, "removing " + directory + "/" + name);
    }
    const rocksdb::IOStatus removed = files_->DeleteDir(directory, kPlain, nullptr);
    if (!removed.ok()) return to_error(removed, "removing " + directory);
    return sync(path_);
}

Result<void> Directory::remove_restoring() { return remove_files(restoring_path(), {}); }

Result<void> Directory::remove_unmade_store() { return remove_files(db_path(), {}); }

Result<void> Directory::destroy() {
    MR_TRY_VOID(remove_restoring());
    // Without CURRENT nothing else of it is looked at, should this be interrupted.
    MR_TRY_VOID(remove_files(db_path(), "CURRENT"));
    unlock();
    files_->DeleteFile(path_ + "/LOCK", kPlain, nullptr).PermitUncheckedError();
    const rocksdb::IOStatus removed = files_->DeleteDir(path_, kPlain, nullptr);
    if (!removed.ok()) return to_error(removed, "removing " + path_);
    return ok();
}

bool Directory::grants_direct_io() {
    const std::string path = path_ + "/direct-io-probe";
    rocksdb::FileOptions direct;
    direct.use_direct_writes = true;
    std::unique_ptr<rocksdb::FSWritableFile> file;
    bool granted = files_->NewWritableFile(path, direct, &file, nullptr).ok();
    if (granted) {
        AlignedBuffer block{kDirectAlignment};
        std::memset(block.data(), 0, block.size());
        // Some file systems grant it at open and refuse it at first use.
        granted = file->PositionedAppend(rocksdb::Slice{reinterpret_cast<const char*>(block.data()), block.size()}, 0,
                                         kPlain, nullptr)
                      .ok() &&
                  file->Close(kPlain, nullptr).ok();
        file.reset();
    }
    files_->DeleteFile(path, kPlain, nullptr).PermitUncheckedError();
    return granted;
}

Result<void> Directory::sync(const std::string& directory) { return sync_names(*files_, directory); }

Result<std::uint64_t> Directory::free_bytes() {
    std::uint64_t bytes = 0;
    const rocksdb::IOStatus status = files_->GetFreeSpace(path_, kPlain, &bytes, nullptr);
    if (!status.ok()) return to_error(status, "asking for the free space of " + path_);
    return bytes;
}

}  // namespace millrace::keyvalue
