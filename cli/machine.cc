// SPDX-License-Identifier: Apache-2.0
#include "cli/machine.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

namespace millrace::cli {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
// How late read_some() may notice a stop signal that another thread received.
constexpr int kStopPollMs = 200;

std::atomic<bool> stop_flag{false};

void note_stop(int) { stop_flag.store(true, std::memory_order_relaxed); }

Error system_error(const std::string& what, int number) {
    ErrorCode code = ErrorCode::kIo;
    if (number == ENOENT || number == ENOTDIR) code = ErrorCode::kNotFound;
    if (number == EACCES || number == EPERM || number == EROFS) code = ErrorCode::kPermissionDenied;
    if (number == ENOSPC || number == EDQUOT) code = ErrorCode::kNoSpace;
    if (number == EPIPE) code = ErrorCode::kClosed;
    return Error{code, what + ": " + std::strerror(number)};
}

}  // namespace

std::int64_t now_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * kNanosPerSecond + t.tv_nsec;
}

void sleep_until_ns(std::int64_t when) {
    const timespec t{.tv_sec = when / kNanosPerSecond, .tv_nsec = when % kNanosPerSecond};
    while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) == EINTR) {
        if (stop_requested()) return;
    }
}

bool is_terminal(int descriptor) { return ::isatty(descriptor) == 1; }

Descriptor::Descriptor(Descriptor&& other) noexcept
    : number_{std::exchange(other.number_, -1)}, owned_{std::exchange(other.owned_, false)} {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    std::swap(owned_, other.owned_);
    return *this;
}

Descriptor::~Descriptor() {
    if (owned_ && number_ >= 0) ::close(number_);
}

Result<Descriptor> open_for_reading(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return system_error("cannot open '" + path + "'", errno);
    Descriptor descriptor{fd};
    struct stat about {};
    if (::fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
        return Error{ErrorCode::kInvalidArgument, "'" + path + "' is a directory, not a file"};
    }
    return descriptor;
}

Result<std::size_t> read_some(int descriptor, char* into, std::size_t size) {
    while (true) {
        if (stop_requested()) return Error{ErrorCode::kCancelled, "interrupted"};
        pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
        const int ready = ::poll(&waiting, 1, kStopPollMs);
        if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
        const ssize_t got = ::read(descriptor, into, size);
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno == EINTR || errno == EAGAIN) continue;
        return system_error("cannot read the input", errno);
    }
}

Result<void> write_all(int descriptor, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t wrote = ::write(descriptor, bytes.data(), bytes.size());
        if (wrote >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(wrote));
        } else if (errno == EAGAIN) {
            pollfd waiting{.fd = descriptor, .events = POLLOUT, .revents = 0};
            ::poll(&waiting, 1, kStopPollMs);
        } else if (errno != EINTR) {
            return system_error("cannot write the output", errno);
        }
    }
    return ok();
}

Result<std::string> read_small_file(const std::string& path) {
    constexpr std::size_t kSmallFileBytesMax = 1024 * 1024;
    MR_TRY(const Descriptor file, open_for_reading(path));
    std::string contents(kSmallFileBytesMax + 1, '\0');
    std::size_t have = 0;
    while (have < contents.size()) {
        const ssize_t got = ::read(file.number(), contents.data() + have, contents.size() - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error("cannot read '" + path + "'", errno);
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
    }
    if (have > kSmallFileBytesMax) return Error{ErrorCode::kTooLarge, "'" + path + "' is larger than 1 MiB"};
    contents.resize(have);
    return contents;
}

Result<void> replace_file(const std::string& path, std::string_view contents) {
    const std::string temporary = path + ".tmp" + std::to_string(::getpid());
    const auto fail = [&](int number) {
        ::unlink(temporary.c_str());
        return system_error("cannot write '" + path + "'", number);
    };
    {
        const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0) return fail(errno);
        const Descriptor file{fd};
        if (auto written = write_all(fd, contents); !written) {
            ::unlink(temporary.c_str());
            return std::move(written).error().while_doing("writing '" + path + "'");
        }
        if (::fdatasync(fd) != 0) return fail(errno);
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) return fail(errno);
    return ok();
}

void catch_stop_signals() {
    struct sigaction action {};
    action.sa_handler = note_stop;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() { return stop_flag.load(std::memory_order_relaxed); }

void ignore_broken_pipes() { std::signal(SIGPIPE, SIG_IGN); }

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void exit_at_once(int code) { ::_exit(code); }

}  // namespace millrace::cli
