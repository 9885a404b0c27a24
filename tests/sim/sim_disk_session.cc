// SPDX-License-Identifier: Apache-2.0
//
// What a process sees of SimDisk: Disk, File and DirectoryLock.
#include <filesystem>

#include "common/runtime/rare.h"
#include "tests/sim/sim_disk_impl.h"

namespace millrace::sim {

namespace {

using DiskPtr = std::shared_ptr<SimDisk::Impl>;
using SessionPtr = std::shared_ptr<SessionState>;

Error disk_error(ErrorCode code, const std::string& what, const std::string& path) {
    return Error{code, what + " " + path};
}

Error process_is_dead(const std::string& path) {
    return disk_error(ErrorCode::kClosed, "process is dead:", path);
}

// A write that a crash may tear while it waits to take effect.
class UnderWay {
public:
    UnderWay(SessionPtr session, InodePtr inode, const Change& change)
        : session_{std::move(session)} {
        if (session_->alive)
            at_ = session_->under_way.emplace(session_->under_way.end(), std::move(inode), &change);
        listed_ = session_->alive;
    }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    ~UnderWay() { done(); }
    void done() {
        // The list is emptied when the process dies.
        if (listed_ && session_->alive) session_->under_way.erase(at_);
        listed_ = false;
    }

private:
    SessionPtr session_;
    std::list<std::pair<InodePtr, const Change*>>::iterator at_;
    bool listed_ = false;
};

class SimFile final : public File {
public:
    SimFile(DiskPtr disk, SessionPtr session, std::string path, InodePtr inode, OpenOptions options)
        : disk_{std::move(disk)},
          session_{std::move(session)},
          path_{std::move(path)},
          inode_{std::move(inode)},
          writable_{options.mode != OpenMode::kReadOnly},
          direct_{options.direct && disk_->options.grants_direct} {}

    Task<Result<std::size_t>> read_at(std::uint64_t offset, MutableByteView into) override {
        MR_CO_TRY_VOID(check_alignment(offset, into));
        co_await sleep_for(disk_->clock, disk_->latency(into.size()));
        if (!session_->alive) co_return process_is_dead(path_);
        if (disk_->strikes(disk_->faults.fail_read_in, disk_->faults.fail_read_one_in)) {
            MR_PROBE("sim.disk.read_failed");
            disk_->note("read fails", path_, offset, into.size());
            co_return disk_error(ErrorCode::kIo, "read at " + std::to_string(offset) + ":", path_);
        }
        const std::size_t count = inode_->cached.read(offset, into);
        disk_->note("read", path_, offset, count);
        co_await sleep_for(disk_->clock, disk_->latency());
        if (!session_->alive) co_return process_is_dead(path_);
        co_return count;
    }

    Task<Result<void>> write_at(std::uint64_t offset, ByteView bytes) override {
        MR_CO_TRY_VOID(check_alignment(offset, bytes));
        Change change;
        change.offset = offset;
        change.length = bytes.size();
        change.bytes.append(bytes);
        co_return co_await change_contents(std::move(change));
    }

    Task<Result<void>> sync() override {
        if (!session_->alive) co_return process_is_dead(path_);
        // Only what was complete when the call was made is promised to be durable after it.
        const std::uint64_t covers = disk_->last_change;
        co_await sleep_for(disk_->clock, disk_->latency());
        if (!session_->alive) co_return process_is_dead(path_);
        const bool lies = disk_->strikes(disk_->faults.lie_about_sync_in);
        const bool fails = !lies && disk_->strikes(disk_->faults.fail_sync_in, disk_->faults.fail_sync_one_in);
        if (lies) MR_PROBE("sim.disk.lied_about_sync");
        if (fails) MR_PROBE("sim.disk.sync_failed");
        auto& unsynced = inode_->unsynced;
        while (!lies && !unsynced.empty() && unsynced.front().number <= covers) {
            if (fails) {
                disk_->apply_in_part(inode_->durable, unsynced.front(), false);
            } else {
                SimDisk::Impl::apply(inode_->durable, unsynced.front());
            }
            unsynced.pop_front();
        }
        disk_->note(fails ? "sync fails" : lies ? "sync lies" : "sync", path_, covers);
        co_await sleep_for(disk_->clock, disk_->latency());
        if (!session_->alive) co_return process_is_dead(path_);
        if (fails) co_return disk_error(ErrorCode::kIo, "sync:", path_).with_unknown_fate();
        co_return ok();
    }

    Task<Result<void>> write_and_sync(std::uint64_t offset, ByteView bytes) override {
        MR_CO_TRY_VOID(co_await write_at(offset, bytes));
        co_return co_await sync();
    }

    Task<Result<void>> zero_fill(std::uint64_t length) override {
        MR_CO_TRY_VOID(co_await truncate(0));
        Change change;
        change.kind = Change::Kind::kZero;
        change.length = length;
        MR_CO_TRY_VOID(co_await change_contents(std::move(change)));
        co_return co_await sync();
    }

    Task<Result<void>> truncate(std::uint64_t length) override {
        Change change;
        change.kind = Change::Kind::kResize;
        change.offset = length;
        co_return co_await change_contents(std::move(change));
    }

    Task<Result<std::uint64_t>> size() override {
        co_await sleep_for(disk_->clock, disk_->latency());
        if (!session_->alive) co_return process_is_dead(path_);
        co_return inode_->cached.size();
    }

    bool direct() const override { return direct_; }
    const std::string& path() const override { return path_; }

private:
    template <class View>
    Result<void> check_alignment(std::uint64_t offset, View bytes) const {
        if (!direct_) return ok();
        const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
        if (offset % kDirectAlignment == 0 && bytes.size() % kDirectAlignment == 0 &&
            address % kDirectAlignment == 0) {
            return ok();
        }
        return disk_error(ErrorCode::kInvalidArgument,
                          "direct I/O of " + std::to_string(bytes.size()) + " bytes at " +
                              std::to_string(offset) + " is not aligned:",
                          path_);
    }

    Task<Result<void>> change_contents(Change change) {
        if (!writable_)
            co_return disk_error(ErrorCode::kPermissionDenied, "opened for reading only:", path_);
        if (!session_->alive) co_return process_is_dead(path_);
        UnderWay under_way{session_, inode_, change};
        co_await sleep_for(disk_->clock, disk_->latency(change.length));
        if (!session_->alive) co_return process_is_dead(path_);
        under_way.done();

        const std::uint64_t size = inode_->cached.size();
        const std::uint64_t end = change.offset + change.length;
        if (end > size && disk_->used() + (end - size) > disk_->options.capacity_bytes) {
            MR_PROBE("sim.disk.full");
            disk_->note("disk full", path_, change.offset, change.length);
            co_return disk_error(ErrorCode::kNoSpace,
                                 "write of " + std::to_string(change.length) + " bytes at " +
                                     std::to_string(change.offset) + ":",
                                 path_);
        }
        const bool fails = disk_->strikes(disk_->faults.fail_write_in, disk_->faults.fail_write_one_in);
        if (fails) MR_PROBE("sim.disk.write_failed");
        disk_->note(fails ? "write fails" : "write", path_, change.offset, change.length);
        const std::uint64_t offset = change.offset;
        if (fails) {
            // A part of it is in the cache; whether that reaches the platters is open.
            disk_->apply_in_part(inode_->cached, change, false);
            disk_->apply_in_part(inode_->durable, change, false);
        } else {
            disk_->take_effect(*inode_, std::move(change));
        }
        co_await sleep_for(disk_->clock, disk_->latency());
        if (!session_->alive) co_return process_is_dead(path_);
        if (fails)
            co_return disk_error(ErrorCode::kIo, "write at " + std::to_string(offset) + ":", path_).with_unknown_fate();
        co_return ok();
    }

    DiskPtr disk_;
    SessionPtr session_;
    std::string path_;
    InodePtr inode_;
    bool writable_;
    bool direct_;
};

class SimDirectoryLock final : public DirectoryLock {
public:
    SimDirectoryLock(SessionPtr session, std::string path)
        : session_{std::move(session)}, path_{std::move(path)} {}
    ~SimDirectoryLock() override { session_->locks.erase(path_); }

private:
    SessionPtr session_;
    std::string path_;
};

class SimDiskSession final : public DiskSession {
public:
    explicit SimDiskSession(DiskPtr disk) : disk_{std::move(disk)} {}

    void die() override {
        if (session_->alive) disk_->end_session(*session_);
    }

    Task<Result<std::unique_ptr<File>>> open(std::string path, OpenOptions options) override {
        path = clean_path(path);
        co_await pause();
        if (!session_->alive) co_return process_is_dead(path);
        InodePtr inode = disk_->find(path);
        const bool creates =
            options.mode == OpenMode::kCreate || options.mode == OpenMode::kCreateNew;
        if (inode == nullptr) {
            if (!creates || !disk_->is_directory(parent_of(path))) {
                co_return disk_error(ErrorCode::kNotFound, "no such file:", path);
            }
            inode = std::make_shared<Inode>();
            change_name(NameChange{{}, path, inode});
        } else if (options.mode == OpenMode::kCreateNew) {
            co_return disk_error(ErrorCode::kAlreadyExists, "file exists:", path);
        }
        disk_->note("open", path, static_cast<std::uint64_t>(options.mode));
        co_await pause();
        if (!session_->alive) co_return process_is_dead(path);
        std::unique_ptr<File> file =
            std::make_unique<SimFile>(disk_, session_, path, std::move(inode), options);
        co_return std::move(file);
    }

    Task<Result<std::vector<std::string>>> list(std::string directory) override {
        directory = clean_path(directory);
        co_await pause();
        if (!session_->alive) co_return process_is_dead(directory);
        if (!disk_->is_directory(directory))
            co_return disk_error(ErrorCode::kNotFound, "no such directory:", directory);
        std::set<std::string> names;
        for (const auto& [path, inode] : disk_->cached_names) {
            if (parent_of(path) == directory)
                names.insert(std::filesystem::path{path}.filename().string());
        }
        for (const std::string& path : disk_->directories) {
            if (parent_of(path) == directory)
                names.insert(std::filesystem::path{path}.filename().string());
        }
        if (disk_->lock_files.contains(directory)) names.insert("LOCK");
        disk_->note("list", directory, names.size());
        co_return std::vector<std::string>{names.begin(), names.end()};
    }

    Task<Result<void>> create_directories(std::string path) override {
        path = clean_path(path);
        co_await pause();
        if (!session_->alive) co_return process_is_dead(path);
        for (std::string at = path; at != "/" && at != "." && !at.empty(); at = parent_of(at)) {
            if (disk_->find(at) != nullptr)
                co_return disk_error(ErrorCode::kIo, "a file has the name", at);
            disk_->directories.insert(at);
        }
        disk_->note("mkdir", path);
        co_return ok();
    }

    Task<Result<void>> rename(std::string from, std::string to) override {
        from = clean_path(from);
        to = clean_path(to);
        co_await pause();
        if (!session_->alive) co_return process_is_dead(from);
        const InodePtr inode = disk_->find(from);
        if (inode == nullptr) co_return disk_error(ErrorCode::kNotFound, "no such file:", from);
        if (!disk_->is_directory(parent_of(to)))
            co_return disk_error(ErrorCode::kNotFound, "no directory for", to);
        change_name(NameChange{from, to, inode});
        disk_->note("rename", from + " " + to);
        co_await pause();
        if (!session_->alive) co_return process_is_dead(from);
        co_return ok();
    }

    Task<Result<void>> remove(std::string path) override {
        path = clean_path(path);
        co_await pause();
        if (!session_->alive) co_return process_is_dead(path);
        const InodePtr inode = disk_->find(path);
        if (inode == nullptr && disk_->directories.contains(path)) {
            if (!disk_->is_empty(path)) co_return disk_error(ErrorCode::kIo, "directory is not empty:", path);
            disk_->note("rmdir", path);
            disk_->directories.erase(path);
            disk_->lock_files.erase(path);
            co_return ok();
        }
        if (inode == nullptr) co_return disk_error(ErrorCode::kNotFound, "no such file:", path);
        change_name(NameChange{path, {}, inode});
        disk_->note("remove", path);
        co_await pause();
        if (!session_->alive) co_return process_is_dead(path);
        co_return ok();
    }

    Task<Result<void>> sync_directory(std::string path) override {
        path = clean_path(path);
        const std::uint64_t covers = disk_->last_change;
        co_await pause();
        if (!session_->alive) co_return process_is_dead(path);
        if (!disk_->is_directory(path))
            co_return disk_error(ErrorCode::kNotFound, "no such directory:", path);
        auto& unsynced = disk_->unsynced_names;
        for (auto change = unsynced.begin(); change != unsynced.end();) {
            const bool here = (!change->from.empty() && parent_of(change->from) == path) ||
                              (!change->to.empty() && parent_of(change->to) == path);
            if (!here || change->number > covers) {
                ++change;
                continue;
            }
            disk_->apply_name(disk_->durable_names, *change);
            change = unsynced.erase(change);
        }
        disk_->note("sync directory", path);
        co_await pause();
        if (!session_->alive) co_return process_is_dead(path);
        co_return ok();
    }

    Task<Result<std::uint64_t>> free_bytes(std::string path) override {
        path = clean_path(path);
        co_await pause();
        if (!session_->alive) co_return process_is_dead(path);
        if (!disk_->is_directory(path) && disk_->find(path) == nullptr)
            co_return disk_error(ErrorCode::kNotFound, "no such directory:", path);
        const std::uint64_t used = disk_->used();
        co_return disk_->options.capacity_bytes > used ? disk_->options.capacity_bytes - used : 0;
    }

    Task<Result<std::unique_ptr<DirectoryLock>>> lock_directory(std::string directory) override {
        directory = clean_path(directory);
        co_await pause();
        if (!session_->alive) co_return process_is_dead(directory);
        if (!disk_->is_directory(directory))
            co_return disk_error(ErrorCode::kNotFound, "no such directory:", directory);
        if (!session_->locks.insert(directory).second) {
            co_return disk_error(ErrorCode::kInUse, "locked by process 1:", directory);
        }
        disk_->lock_files.insert(directory);
        std::unique_ptr<DirectoryLock> lock =
            std::make_unique<SimDirectoryLock>(session_, directory);
        co_return std::move(lock);
    }

private:
    Task<void> pause() { return sleep_for(disk_->clock, disk_->latency()); }

    void change_name(NameChange change) {
        change.number = ++disk_->last_change;
        disk_->apply_name(disk_->cached_names, change);
        disk_->unsynced_names.push_back(std::move(change));
    }

    DiskPtr disk_;
    SessionPtr session_ = std::make_shared<SessionState>();
};

}  // namespace

std::unique_ptr<DiskSession> SimDisk::attach() { return std::make_unique<SimDiskSession>(impl_); }

}  // namespace millrace::sim
