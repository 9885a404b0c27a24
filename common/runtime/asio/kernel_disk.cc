// SPDX-License-Identifier: Apache-2.0
//
// Thread rule: the functions that take an OpenFile or a path block and run on the pool; all they
// share with other threads is the descriptor and one atomic.
#include "common/runtime/asio/kernel_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/runtime/blocking_pool.h"

namespace millrace {

namespace {

constexpr std::size_t kZeroBlockBytes = 1024 * 1024;
// In .bss, never written: reading it costs no memory.
alignas(kDirectAlignment) std::byte zero_block[kZeroBlockBytes];

// Runs `work` on the pool and resumes the awaiting coroutine with its result. Unlike run_blocking it
// carries the coroutine's handler along: two allocations in all, on the latency path of every append.
template <class F, class R = std::invoke_result_t<F&>>
Task<R> on_disk_thread(BlockingPool& pool, F work) {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(R)>(
        [&pool](auto handler, F job) {
            pool.submit([handler = std::move(handler), job = std::move(job)]() mutable {
                auto home = boost::asio::get_associated_executor(handler);
                // The job and the file that it keeps open are gone before its caller goes on.
                R result = [&] {
                    F mine = std::move(job);
                    return mine();
                }();
                boost::asio::post(home, [handler = std::move(handler), result = std::move(result)]() mutable {
                    std::move(handler)(std::move(result));
                });
            });
        },
        boost::asio::use_awaitable, std::move(work));
}

ErrorCode disk_code(int number) {
    switch (number) {
        case ENOENT: return ErrorCode::kNotFound;
        case EEXIST: return ErrorCode::kAlreadyExists;
        case ENOSPC:
        case EDQUOT:
        case EFBIG: return ErrorCode::kNoSpace;
        case EACCES:
        case EPERM:
        case EROFS: return ErrorCode::kPermissionDenied;
        default: return ErrorCode::kIo;
    }
}

Error disk_error(int number, std::string_view what, std::string_view path) {
    std::string detail{what};
    detail.append(" ").append(path).append(": ").append(std::generic_category().message(number));
    return Error{disk_code(number), std::move(detail)};
}

Error disk_error_at(int number, std::string_view what, std::string_view path, std::uint64_t offset) {
    std::string where{path};
    where.append(" at offset ").append(std::to_string(offset));
    return disk_error(number, what, where);
}

// Repeats a call that a signal interrupted.
template <class Call>
auto uninterrupted(Call call) {
    for (;;) {
        const auto result = call();
        if (result >= 0 || errno != EINTR) return result;
    }
}

struct Descriptor {
    explicit Descriptor(int number) : fd{number} {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
    const int fd;
};

struct OpenFile {
    OpenFile(int fd, std::string name, bool asked, bool granted)
        : descriptor{fd}, path{std::move(name)}, direct_asked{asked}, direct{granted} {}

    int fd() const { return descriptor.fd; }

    const Descriptor descriptor;
    const std::string path;
    const bool direct_asked;
    std::atomic<bool> direct;
};

// Some file systems grant O_DIRECT at open and refuse it (EINVAL) at first use.
void continue_buffered(OpenFile& file) {
    const int flags = ::fcntl(file.fd(), F_GETFL);
    if (flags >= 0) ::fcntl(file.fd(), F_SETFL, flags & ~O_DIRECT);
    file.direct.store(false);
}

void check_direct_arguments(const OpenFile& file, std::uint64_t offset, const void* memory, std::size_t length) {
    if (!file.direct_asked) return;
    // Also where direct I/O was not granted: a caller's mistake must not depend on the file system.
    MR_CHECK(offset % kDirectAlignment == 0);
    MR_CHECK(length % kDirectAlignment == 0);
    MR_CHECK(reinterpret_cast<std::uintptr_t>(memory) % kDirectAlignment == 0);
}

Result<std::size_t> read_fully(OpenFile& file, std::uint64_t offset, MutableByteView into) {
    std::size_t done = 0;
    bool retried_buffered = false;
    while (done < into.size()) {
        const ssize_t count = ::pread(file.fd(), into.data() + done, into.size() - done,
                                      static_cast<off_t>(offset + done));
        if (count < 0) {
            if (errno == EINTR) continue;
            if (errno == EINVAL && file.direct_asked && !retried_buffered) {
                retried_buffered = true;
                continue_buffered(file);
                continue;
            }
            return disk_error_at(errno, "read", file.path, offset + done);
        }
        done += static_cast<std::size_t>(count);
        // A direct read that ends off a block boundary has met the end of the file.
        if (count == 0 || (file.direct.load() && done % kDirectAlignment != 0)) break;
    }
    return done;
}

Result<void> write_fully(OpenFile& file, std::uint64_t offset, ByteView bytes) {
    bool retried_buffered = false;
    while (!bytes.empty()) {
        const ssize_t count = ::pwrite(file.fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0) {
            if (errno == EINTR) continue;
            if (errno == EINVAL && file.direct_asked && !retried_buffered) {
                retried_buffered = true;
                continue_buffered(file);
                continue;
            }
            return disk_error_at(errno, "write", file.path, offset).with_unknown_fate();
        }
        auto advance = static_cast<std::size_t>(count);
        // The rest of a short direct write starts at a block again.
        if (advance < bytes.size() && file.direct.load()) advance = align_down(advance);
        if (advance == 0) return disk_error_at(EIO, "write (nothing was taken)", file.path, offset).with_unknown_fate();
        bytes = bytes.subspan(advance);
        offset += advance;
    }
    return ok();
}

Result<void> sync_data(const OpenFile& file) {
    if (uninterrupted([&] { return ::fdatasync(file.fd()); }) != 0) {
        return disk_error(errno, "sync", file.path).with_unknown_fate();
    }
    return ok();
}

Result<void> set_length(const OpenFile& file, std::uint64_t length) {
    if (uninterrupted([&] { return ::ftruncate(file.fd(), static_cast<off_t>(length)); }) != 0) {
        return disk_error(errno, "truncate", file.path).with_unknown_fate();
    }
    return ok();
}

Result<void> fill_with_zeros(OpenFile& file, std::uint64_t length) {
    MR_TRY_VOID(set_length(file, length));
    // Asking for the extents first gets them contiguous and meets a full disk before any write.
    if (length > 0 && uninterrupted([&] { return ::fallocate(file.fd(), 0, 0, static_cast<off_t>(length)); }) != 0 &&
        errno != EOPNOTSUPP && errno != ENOSYS) {
        return disk_error(errno, "allocate", file.path).with_unknown_fate();
    }
    for (std::uint64_t offset = 0; offset < length;) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kZeroBlockBytes, length - offset));
        MR_TRY_VOID(write_fully(file, offset, ByteView{zero_block, count}));
        offset += count;
    }
    return sync_data(file);
}

class KernelFile final : public File {
public:
    KernelFile(BlockingPool& pool, std::shared_ptr<OpenFile> file) : pool_{pool}, file_{std::move(file)} {}

    // Jobs share the descriptor, so that it cannot be closed and reused under one of them.
    Task<Result<std::size_t>> read_at(std::uint64_t offset, MutableByteView into) override {
        check_direct_arguments(*file_, offset, into.data(), into.size());
        return on_disk_thread(pool_, [file = file_, offset, into] { return read_fully(*file, offset, into); });
    }
    Task<Result<void>> write_at(std::uint64_t offset, ByteView bytes) override {
        check_direct_arguments(*file_, offset, bytes.data(), bytes.size());
        return on_disk_thread(pool_, [file = file_, offset, bytes] { return write_fully(*file, offset, bytes); });
    }
    Task<Result<void>> sync() override {
        return on_disk_thread(pool_, [file = file_] { return sync_data(*file); });
    }
    Task<Result<void>> write_and_sync(std::uint64_t offset, ByteView bytes) override {
        check_direct_arguments(*file_, offset, bytes.data(), bytes.size());
        return on_disk_thread(pool_, [file = file_, offset, bytes]() -> Result<void> {
            MR_TRY_VOID(write_fully(*file, offset, bytes));
            return sync_data(*file);
        });
    }
    Task<Result<void>> write_and_sync_here(std::uint64_t offset, ByteView bytes) override {
        check_direct_arguments(*file_, offset, bytes.data(), bytes.size());
        MR_CO_TRY_VOID(write_fully(*file_, offset, bytes));
        co_return sync_data(*file_);
    }
    Task<Result<void>> zero_fill(std::uint64_t length) override {
        check_direct_arguments(*file_, 0, nullptr, length);
        return on_disk_thread(pool_, [file = file_, length] { return fill_with_zeros(*file, length); });
    }
    Task<Result<void>> truncate(std::uint64_t length) override {
        return on_disk_thread(pool_, [file = file_, length] { return set_length(*file, length); });
    }
    Task<Result<std::uint64_t>> size() override {
        return on_disk_thread(pool_, [file = file_]() -> Result<std::uint64_t> {
            struct stat status {};
            if (::fstat(file->fd(), &status) != 0) return disk_error(errno, "stat", file->path);
            return static_cast<std::uint64_t>(status.st_size);
        });
    }
    bool direct() const override { return file_->direct.load(); }
    const std::string& path() const override { return file_->path; }

private:
    BlockingPool& pool_;
    const std::shared_ptr<OpenFile> file_;
};

int open_flags(OpenMode mode) {
    switch (mode) {
        case OpenMode::kReadOnly: return O_RDONLY | O_CLOEXEC;
        case OpenMode::kReadWrite: return O_RDWR | O_CLOEXEC;
        case OpenMode::kCreate: return O_RDWR | O_CREAT | O_CLOEXEC;
        case OpenMode::kCreateNew: return O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    }
    MR_CHECK(false);
}

Result<std::shared_ptr<OpenFile>> open_file(std::string path, OpenOptions options) {
    constexpr mode_t kPermissions = 0644;
    int flags = open_flags(options.mode);
    bool direct = options.direct;
    if (direct) {
        const int fd = uninterrupted([&] { return ::open(path.c_str(), flags | O_DIRECT, kPermissions); });
        if (fd >= 0) return std::make_shared<OpenFile>(fd, std::move(path), true, true);
        if (errno != EINVAL) return disk_error(errno, "open", path);
        direct = false;
        // A refused O_DIRECT may have left the new file behind.
        if (options.mode == OpenMode::kCreateNew) flags &= ~O_EXCL;
    }
    const int fd = uninterrupted([&] { return ::open(path.c_str(), flags, kPermissions); });
    if (fd < 0) return disk_error(errno, "open", path);
    return std::make_shared<OpenFile>(fd, std::move(path), options.direct, direct);
}

Result<std::vector<std::string>> list_names(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entry{directory, error};
    for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
        names.push_back(entry->path().filename().string());
    }
    if (error) return disk_error(error.value(), "list", directory);
    std::sort(names.begin(), names.end());
    return names;
}

Result<void> sync_names(const std::string& directory) {
    const Descriptor opened{
        uninterrupted([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); })};
    if (opened.fd < 0) return disk_error(errno, "open directory", directory);
    if (uninterrupted([&] { return ::fsync(opened.fd); }) != 0) {
        return disk_error(errno, "sync directory", directory).with_unknown_fate();
    }
    return ok();
}

Result<void> make_directories(const std::string& path) {
    std::filesystem::path made;
    bool last_was_there = false;
    std::string last_parent;
    for (const auto& part : std::filesystem::path{path}) {
        const std::filesystem::path parent = made.empty() ? std::filesystem::path{"."} : made;
        made /= part;
        last_was_there = false;
        last_parent = parent.native();
        struct stat status {};
        if (::stat(made.c_str(), &status) == 0) {
            if (!S_ISDIR(status.st_mode)) return disk_error(ENOTDIR, "create directory", made.native());
            last_was_there = true;
            continue;
        }
        if (errno != ENOENT) return disk_error(errno, "create directory", made.native());
        if (::mkdir(made.c_str(), 0755) != 0 && errno != EEXIST) {
            return disk_error(errno, "create directory", made.native());
        }
        MR_TRY_VOID(sync_names(parent.native()));
    }
    // Who made it before may have died just before this. A parent that we may pass but not read is
    // none that such a run could have made it in.
    if (last_was_there) {
        if (auto synced = sync_names(last_parent); !synced && !synced.error().is(ErrorCode::kPermissionDenied)) return synced;
    }
    return ok();
}

class LockedDirectory final : public DirectoryLock {
public:
    explicit LockedDirectory(int fd) : descriptor_{fd} {}
    ~LockedDirectory() override {
        // An old pid must not be named between the next owner's lock and its own pid.
        if (::ftruncate(descriptor_.fd, 0) != 0) return;
    }

private:
    const Descriptor descriptor_;
};

// The pid in a lock file; 0 when there is none.
pid_t pid_in(int fd) {
    char text[32] = {};
    const ssize_t count = uninterrupted([&] { return ::pread(fd, text, sizeof text, 0); });
    pid_t pid = 0;
    if (count > 0) std::from_chars(text, text + count, pid);
    return pid;
}

Result<std::unique_ptr<DirectoryLock>> take_lock(const std::string& directory) {
    const std::string path = directory + "/LOCK";
    const int fd = uninterrupted([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644); });
    if (fd < 0) return disk_error(errno, "open", path);
    // Bound to the open file, not to the process: a second lock in this process conflicts too.
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (uninterrupted([&] { return ::fcntl(fd, F_OFD_SETLK, &whole); }) != 0) {
        const Descriptor refused{fd};
        if (errno != EAGAIN && errno != EACCES) return disk_error(errno, "lock", path);
        const pid_t holder = pid_in(fd);
        const std::string who = holder > 0 ? "process " + std::to_string(holder) : "another process";
        return Error{ErrorCode::kInUse, "directory " + directory + " is in use by " + who + ", which holds " + path};
    }
    auto lock = std::make_unique<LockedDirectory>(fd);
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd, 0) != 0 ||
        uninterrupted([&] { return ::pwrite(fd, pid.data(), pid.size(), 0); }) != static_cast<ssize_t>(pid.size())) {
        return disk_error(errno, "write", path);
    }
    return std::unique_ptr<DirectoryLock>{std::move(lock)};
}

class KernelDisk final : public Disk {
public:
    explicit KernelDisk(BlockingPool& pool) : pool_{pool} {}

    Task<Result<std::unique_ptr<File>>> open(std::string path, OpenOptions options) override {
        using Opened = Result<std::unique_ptr<File>>;
        return on_disk_thread(pool_, [this, path = std::move(path), options]() mutable -> Opened {
            MR_TRY(auto file, open_file(std::move(path), options));
            return std::unique_ptr<File>{std::make_unique<KernelFile>(pool_, std::move(file))};
        });
    }
    Task<Result<std::vector<std::string>>> list(std::string directory) override {
        return on_disk_thread(pool_, [directory = std::move(directory)] { return list_names(directory); });
    }
    Task<Result<void>> create_directories(std::string path) override {
        return on_disk_thread(pool_, [path = std::move(path)] { return make_directories(path); });
    }
    Task<Result<void>> rename(std::string from, std::string to) override {
        return on_disk_thread(pool_, [from = std::move(from), to = std::move(to)]() -> Result<void> {
            if (::rename(from.c_str(), to.c_str()) != 0) return disk_error(errno, "rename", from + " to " + to);
            return ok();
        });
    }
    Task<Result<void>> remove(std::string path) override {
        return on_disk_thread(pool_, [path = std::move(path)]() -> Result<void> {
            if (::remove(path.c_str()) != 0) return disk_error(errno, "remove", path);
            return ok();
        });
    }
    Task<Result<void>> sync_directory(std::string path) override {
        return on_disk_thread(pool_, [path = std::move(path)] { return sync_names(path); });
    }
    Task<Result<std::uint64_t>> free_bytes(std::string path) override {
        return on_disk_thread(pool_, [path = std::move(path)]() -> Result<std::uint64_t> {
            struct statvfs status {};
            if (uninterrupted([&] { return ::statvfs(path.c_str(), &status); }) != 0) {
                return disk_error(errno, "look up free space of", path);
            }
            return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
        });
    }
    Task<Result<std::unique_ptr<DirectoryLock>>> lock_directory(std::string directory) override {
        return on_disk_thread(pool_, [directory = std::move(directory)] { return take_lock(directory); });
    }

private:
    BlockingPool& pool_;
};

}  // namespace

std::unique_ptr<Disk> make_kernel_disk(BlockingPool& pool) { return std::make_unique<KernelDisk>(pool); }

}  // namespace millrace
