// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/rocksdb/testing/fault_file_system.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/base/check.h"

namespace millrace::keyvalue {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

std::string parent_of_path(const std::string& path) { return std::filesystem::path{path}.parent_path().string(); }

constexpr std::uint64_t kPageBytes = 4096;

}  // namespace

void FaultDisk::fail_in(std::uint64_t calls, Fault fault, bool for_good) {
    const std::lock_guard lock{mutex_};
    fail_at_ = changes_ + calls;
    fail_for_good_ = for_good;
    fault_ = fault;
}

void FaultDisk::die_in(std::uint64_t calls) {
    const std::lock_guard lock{mutex_};
    die_at_ = changes_ + calls;
}

void FaultDisk::hold(std::string name_ends_with) {
    const std::lock_guard lock{mutex_};
    held_ = std::move(name_ends_with);
}

void FaultDisk::release() {
    const std::lock_guard lock{mutex_};
    held_.clear();
    released_.notify_all();
}

std::uint64_t FaultDisk::changes() const {
    const std::lock_guard lock{mutex_};
    return changes_;
}

bool FaultDisk::dead(std::uint64_t generation) const {
    return generation != generation_ || (die_at_ != 0 && changes_ >= die_at_);
}

FaultDisk::Call::Call(FaultDisk& disk, std::uint64_t generation, const std::string& path) {
    {
        std::unique_lock lock{disk.mutex_};
        disk.released_.wait(lock, [&] { return disk.held_.empty() || !path.ends_with(disk.held_) || disk.dead(generation); });
    }
    under_way_ = std::shared_lock{disk.calls_};
}

// Called with the mutex held by nobody, within a Call.
IOStatus FaultDisk::change(std::uint64_t generation, const std::string& path, bool* partly) {
    const std::lock_guard lock{mutex_};
    if (dead(generation)) return IOStatus::IOError("no power");
    ++changes_;
    if (die_at_ != 0 && changes_ == die_at_) {
        if (partly != nullptr) *partly = true;
        return IOStatus::IOError("no power");
    }
    if (fail_at_ != 0 && (changes_ == fail_at_ || (fail_for_good_ && changes_ > fail_at_))) {
        return fault_ == Fault::kIo ? IOStatus::IOError("injected", path) : IOStatus::NoSpace("injected", path);
    }
    return IOStatus::OK();
}

std::string FaultDisk::bury(const std::string& path) {
    const std::lock_guard lock{mutex_};
    std::string kept = graveyard_ + "/" + std::to_string(++buried_);
    return ::link(path.c_str(), kept.c_str()) == 0 ? kept : std::string{};
}

void FaultDisk::note(NameChange change) {
    const std::lock_guard lock{mutex_};
    names_[parent_of_path(change.path)].push_back(std::move(change));
}

void FaultDisk::lose_bytes(const std::string& path, const Tracked& file) {
    std::error_code gone;
    if (!std::filesystem::exists(path, gone) || file.written <= file.synced) return;
    std::uint64_t length = file.written;
    switch (random_.between(0, 4)) {
        case 0: length = file.synced; break;
        case 1: break;
        default: length = random_.between(file.synced, file.written + 1); break;
    }
    if (random_.one_in(2)) {
        const int fd = ::open(path.c_str(), O_RDWR);
        MR_CHECK(fd >= 0);
        const std::string zeros(kPageBytes, '\0');
        for (std::uint64_t at = file.synced; at < length;) {
            const std::uint64_t end = std::min(length, (at / kPageBytes + 1) * kPageBytes);
            if (random_.one_in(2)) {
                MR_CHECK(::pwrite(fd, zeros.data(), end - at, static_cast<off_t>(at)) == static_cast<ssize_t>(end - at));
            }
            at = end;
        }
        ::close(fd);
    }
    std::filesystem::resize_file(path, length);
}

void FaultDisk::undo(const NameChange& change) {
    std::error_code ignored;
    switch (change.kind) {
        case NameChange::Kind::kMade: std::filesystem::remove(change.path, ignored); break;
        case NameChange::Kind::kMadeDirectory: std::filesystem::remove_all(change.path, ignored); break;
        case NameChange::Kind::kRenamed: std::filesystem::rename(change.path, change.before, ignored); [[fallthrough]];
        case NameChange::Kind::kRemoved:
            if (!change.kept.empty()) std::filesystem::rename(change.kept, change.path, ignored);
            break;
    }
}

void FaultDisk::crash() {
    {
        const std::lock_guard lock{mutex_};
        ++generation_;
        die_at_ = fail_at_ = 0;
        held_.clear();
        released_.notify_all();
    }
    // What was allowed before ends first: it must not reach the disk after the power is gone.
    const std::unique_lock none_under_way{calls_};
    const std::lock_guard lock{mutex_};
    for (const auto& [path, file] : files_) lose_bytes(path, file);
    for (auto& [directory, changes] : names_) {
        const std::size_t kept = random_.one_in(2) ? changes.size() : random_.between(0, changes.size() + 1);
        while (changes.size() > kept) {
            undo(changes.back());
            changes.pop_back();
        }
    }
    files_.clear();
    names_.clear();
    for (const auto& entry : std::filesystem::directory_iterator{graveyard_}) std::filesystem::remove(entry.path());
}

class FaultWritableFile final : public rocksdb::FSWritableFileOwnerWrapper {
public:
    FaultWritableFile(FaultDisk& disk, std::uint64_t generation, std::string path,
                      std::unique_ptr<rocksdb::FSWritableFile> target)
        : FSWritableFileOwnerWrapper{std::move(target)}, disk_{disk}, generation_{generation}, path_{std::move(path)} {}

    IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
        return write(data, [&](const Slice& what) { return target()->Append(what, options, context); });
    }
    IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                    IODebugContext* context) override {
        return Append(data, options, context);
    }
    IOStatus PositionedAppend(const Slice& data, std::uint64_t offset, const IOOptions& options,
                              IODebugContext* context) override {
        const FaultDisk::Call call{disk_, generation_, path_};
        const IOStatus allowed = disk_.change(generation_, path_);
        if (!allowed.ok()) return allowed;
        IOStatus status = target()->PositionedAppend(data, offset, options, context);
        if (status.ok()) wrote_to(offset + data.size());
        return status;
    }
    IOStatus PositionedAppend(const Slice& data, std::uint64_t offset, const IOOptions& options,
                              const rocksdb::DataVerificationInfo&, IODebugContext* context) override {
        return PositionedAppend(data, offset, options, context);
    }
    IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* context) override {
        const FaultDisk::Call call{disk_, generation_, path_};
        const IOStatus allowed = disk_.change(generation_, path_);
        if (!allowed.ok()) return allowed;
        IOStatus status = target()->Truncate(size, options, context);
        if (status.ok()) {
            const std::lock_guard lock{disk_.mutex_};
            FaultDisk::Tracked& file = disk_.files_[path_];
            file.written = size;
            file.synced = std::min(file.synced, size);
        }
        return status;
    }
    // Nothing is really synced: the tests would only be slower.
    IOStatus Sync(const IOOptions&, IODebugContext*) override { return sync(); }
    IOStatus Fsync(const IOOptions&, IODebugContext*) override { return sync(); }
    IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus Flush(const IOOptions& options, IODebugContext* context) override { return target()->Flush(options, context); }

private:
    template <class Write>
    IOStatus write(const Slice& data, Write write) {
        bool partly = false;
        const FaultDisk::Call call{disk_, generation_, path_};
        IOStatus allowed = disk_.change(generation_, path_, &partly);
        if (!allowed.ok() && !partly) return allowed;
        const Slice what = partly ? Slice{data.data(), data.size() / 2} : data;
        IOStatus status = write(what);
        if (status.ok()) {
            const std::lock_guard lock{disk_.mutex_};
            if (generation_ == disk_.generation_) disk_.files_[path_].written += what.size();
        }
        return allowed.ok() ? status : allowed;
    }
    void wrote_to(std::uint64_t end) {
        const std::lock_guard lock{disk_.mutex_};
        FaultDisk::Tracked& file = disk_.files_[path_];
        file.written = std::max(file.written, end);
    }
    IOStatus sync() {
        const FaultDisk::Call call{disk_, generation_, path_};
        const IOStatus allowed = disk_.change(generation_, path_);
        if (!allowed.ok()) return allowed;
        const std::lock_guard lock{disk_.mutex_};
        FaultDisk::Tracked& file = disk_.files_[path_];
        file.synced = file.written;
        return IOStatus::OK();
    }

    FaultDisk& disk_;
    const std::uint64_t generation_;
    const std::string path_;
};

class FaultDirectory final : public rocksdb::FSDirectoryWrapper {
public:
    FaultDirectory(FaultDisk& disk, std::uint64_t generation, std::string path, std::unique_ptr<rocksdb::FSDirectory> target)
        : FSDirectoryWrapper{std::move(target)}, disk_{disk}, generation_{generation}, path_{std::move(path)} {}

    IOStatus Fsync(const IOOptions&, IODebugContext*) override {
        const FaultDisk::Call call{disk_, generation_, path_};
        const IOStatus allowed = disk_.change(generation_, path_);
        if (!allowed.ok()) return allowed;
        const std::lock_guard lock{disk_.mutex_};
        disk_.names_.erase(path_);
        return IOStatus::OK();
    }
    IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context, const rocksdb::DirFsyncOptions&) override {
        return Fsync(options, context);
    }

private:
    FaultDisk& disk_;
    const std::uint64_t generation_;
    const std::string path_;
};

class FaultFileSystem final : public rocksdb::FileSystemWrapper {
public:
    explicit FaultFileSystem(FaultDisk& disk)
        : FileSystemWrapper{rocksdb::FileSystem::Default()}, disk_{disk}, generation_{[&disk] {
              const std::lock_guard lock{disk.mutex_};
              return disk.generation_;
          }()} {}

    const char* Name() const override { return "FaultFileSystem"; }

    IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* context) override {
        const FaultDisk::Call call{disk_, generation_, path};
        const IOStatus allowed = disk_.change(generation_, path);
        if (!allowed.ok()) return allowed;
        const bool there = std::filesystem::exists(path);
        const std::string kept = there ? disk_.bury(path) : std::string{};
        if (there) std::filesystem::remove(path);  // what is kept is not the same file
        IOStatus status = target()->NewWritableFile(path, options, result, context);
        if (!status.ok()) return status;
        if (there) disk_.note({FaultDisk::NameChange::Kind::kRemoved, path, {}, kept});
        return wrap_new(path, result);
    }
    IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* context) override {
        const FaultDisk::Call call{disk_, generation_, path};
        const IOStatus allowed = disk_.change(generation_, path);
        if (!allowed.ok()) return allowed;
        IOStatus status = target()->ReopenWritableFile(path, options, result, context);
        if (status.ok()) *result = std::make_unique<FaultWritableFile>(disk_, generation_, path, std::move(*result));
        return status;
    }
    IOStatus ReuseWritableFile(const std::string&, const std::string&, const rocksdb::FileOptions&,
                               std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) override {
        return IOStatus::NotSupported("not by this file system");
    }
    IOStatus NewDirectory(const std::string& path, const IOOptions& options, std::unique_ptr<rocksdb::FSDirectory>* result,
                          IODebugContext* context) override {
        IOStatus status = target()->NewDirectory(path, options, result, context);
        if (status.ok()) *result = std::make_unique<FaultDirectory>(disk_, generation_, path, std::move(*result));
        return status;
    }
    IOStatus DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* context) override {
        const FaultDisk::Call call{disk_, generation_, path};
        const IOStatus allowed = disk_.change(generation_, path);
        if (!allowed.ok()) return allowed;
        std::string kept = disk_.bury(path);
        IOStatus status = target()->DeleteFile(path, options, context);
        if (status.ok()) disk_.note({FaultDisk::NameChange::Kind::kRemoved, path, {}, std::move(kept)});
        return status;
    }
    IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                        IODebugContext* context) override {
        const FaultDisk::Call call{disk_, generation_, to};
        const IOStatus allowed = disk_.change(generation_, to);
        if (!allowed.ok()) return allowed;
        std::string kept = disk_.bury(to);
        IOStatus status = target()->RenameFile(from, to, options, context);
        if (!status.ok()) return status;
        disk_.note({FaultDisk::NameChange::Kind::kRenamed, to, from, std::move(kept)});
        const std::lock_guard lock{disk_.mutex_};
        if (const auto file = disk_.files_.extract(from)) disk_.files_.insert_or_assign(to, file.mapped());
        return status;
    }
    IOStatus CreateDir(const std::string& path, const IOOptions& options, IODebugContext* context) override {
        const FaultDisk::Call call{disk_, generation_, path};
        const IOStatus allowed = disk_.change(generation_, path);
        if (!allowed.ok()) return allowed;
        IOStatus status = target()->CreateDir(path, options, context);
        if (status.ok()) disk_.note({FaultDisk::NameChange::Kind::kMadeDirectory, path, {}, {}});
        return status;
    }
    IOStatus CreateDirIfMissing(const std::string& path, const IOOptions& options, IODebugContext* context) override {
        if (std::filesystem::is_directory(path)) return IOStatus::OK();
        return CreateDir(path, options, context);
    }
    IOStatus DeleteDir(const std::string& path, const IOOptions& options, IODebugContext* context) override {
        const FaultDisk::Call call{disk_, generation_, path};
        const IOStatus allowed = disk_.change(generation_, path);
        return allowed.ok() ? target()->DeleteDir(path, options, context) : allowed;
    }

private:
    IOStatus wrap_new(const std::string& path, std::unique_ptr<rocksdb::FSWritableFile>* result) {
        disk_.note({FaultDisk::NameChange::Kind::kMade, path, {}, {}});
        {
            const std::lock_guard lock{disk_.mutex_};
            disk_.files_[path] = {};
        }
        *result = std::make_unique<FaultWritableFile>(disk_, generation_, path, std::move(*result));
        return IOStatus::OK();
    }

    FaultDisk& disk_;
    const std::uint64_t generation_;
};

std::shared_ptr<rocksdb::FileSystem> make_fault_file_system(FaultDisk& disk) { return std::make_shared<FaultFileSystem>(disk); }

}  // namespace millrace::keyvalue
