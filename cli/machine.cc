// SPDX-License-Identifier: Apache-2.0
#include "cli/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
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

TerminalSize terminal_size(int descriptor) {
    TerminalSize size;
    winsize window{};
    if (::ioctl(descriptor, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 0) {
        return {window.ws_col, window.ws_row};
    }
    const auto from_environment = [](const char* name, std::size_t& value) {
        const char* text = std::getenv(name);
        const long number = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
        if (number > 0 && number < 100'000) value = static_cast<std::size_t>(number);
    };
    from_environment("COLUMNS", size.columns);
    from_environment("LINES", size.lines);
    return size;
}

bool locale_is_utf8() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const char* text = std::getenv(name);
        if (text == nullptr || *text == '\0') continue;
        std::string locale{text};
        for (char& c : locale) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    }
    return false;
}

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

std::vector<std::pair<std::string, std::string>> environment_variables() {
    std::vector<std::pair<std::string, std::string>> variables;
    for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text{*entry};
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return variables;
}

namespace {

// Of /proc: their size is not known before they are read. Empty when that is not possible.
std::string proc_file(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    const Descriptor file{fd};
    std::string contents(16 * 1024, '\0');
    std::size_t have = 0;
    while (have < contents.size()) {
        const ssize_t got = ::read(fd, contents.data() + have, contents.size() - have);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        have += static_cast<std::size_t>(got);
    }
    contents.resize(have);
    return contents;
}

std::uint64_t count_descriptors() {
    DIR* directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return 0;
    std::uint64_t count = 0;
    while (const dirent* entry = ::readdir(directory)) {
        if (entry->d_name[0] != '.') ++count;
    }
    ::closedir(directory);
    return count == 0 ? 0 : count - 1;  // without the one that counts
}

}  // namespace

telemetry::ProcessSample sample_process() {
    telemetry::ProcessSample sample;
    // The second field is a name in parentheses, which may hold anything; the third follows the last of them.
    const std::string stat = proc_file("/proc/self/stat");
    std::vector<double> fields(3);  // by number from 1; the first three are no numbers
    if (const std::size_t name_end = stat.rfind(')'); name_end != std::string::npos && stat.size() > name_end + 4) {
        std::istringstream rest{stat.substr(name_end + 4)};
        for (double field = 0; rest >> field;) fields.push_back(field);
    }
    const auto field = [&fields](std::size_t number) { return number <= fields.size() ? fields[number - 1] : 0.0; };
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    sample.cpu_seconds = (field(14) + field(15)) / ticks;
    sample.threads = static_cast<std::uint64_t>(field(20));
    sample.virtual_bytes = static_cast<std::uint64_t>(field(23));
    sample.resident_bytes = static_cast<std::uint64_t>(field(24)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    // Began so many ticks after the machine did.
    if (const std::string boot = proc_file("/proc/stat"); !boot.empty()) {
        if (const std::size_t line = boot.find("\nbtime "); line != std::string::npos) {
            sample.start_time_seconds = std::strtod(boot.c_str() + line + 7, nullptr) + field(22) / ticks;
        }
    }
    sample.open_descriptors = count_descriptors();
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) sample.descriptors_max = limit.rlim_cur;
    return sample;
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
