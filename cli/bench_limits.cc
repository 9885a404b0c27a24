// SPDX-License-Identifier: Apache-2.0
//
// millrace bench limits: what this machine's disk and loopback could do at best, so that other
// figures can be read as ratios. It measures the kernel, not us: system calls and threads of its
// own, on purpose.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/histogram.h"
#include "cli/machine.h"
#include "common/runtime/aligned_buffer.h"

namespace millrace::cli {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;
// The area that is synced again and again, as a journal file is.
constexpr std::size_t kSyncFileBytes = 32 * kMiB;
constexpr std::size_t kSyncs4k = 3'000;
constexpr std::size_t kSyncs64k = 1'500;
constexpr std::size_t kSequentialBytes = 512 * kMiB;
constexpr std::size_t kPings = 20'000;
constexpr std::size_t kPingBytes = 100;
constexpr std::size_t kLoopbackBytes = 1024 * kMiB;
constexpr std::size_t kLoopbackChunk = 256 * 1024;

struct Limits {
    Histogram sync_4k_ns;
    Histogram sync_64k_ns;
    double write_mb_s = 0;
    double read_mb_s = 0;
    Histogram ping_ns;
    double loopback_mb_s = 0;
};

Error limits_error(const std::string& what) { return Error{ErrorCode::kIo, what + ": " + std::strerror(errno)}; }

double mb_per_second(std::size_t bytes, std::int64_t nanoseconds) {
    return static_cast<double>(bytes) / 1e6 / (static_cast<double>(std::max<std::int64_t>(1, nanoseconds)) / 1e9);
}

// Removed when it goes out of scope.
class ScratchFile {
public:
    static Result<ScratchFile> create(const std::string& directory) {
        ScratchFile file;
        file.path_ = directory + "/millrace-limits-" + std::to_string(::getpid());
        file.direct_ = true;
        int fd = ::open(file.path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT, 0600);
        if (fd < 0 && errno == EINVAL) {  // a file system without direct I/O: tmpfs
            file.direct_ = false;
            fd = ::open(file.path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        }
        if (fd < 0) return limits_error("cannot create '" + file.path_ + "'");
        file.descriptor_ = Descriptor{fd};
        return file;
    }
    ScratchFile(ScratchFile&&) = default;
    ~ScratchFile() {
        if (descriptor_.number() >= 0) ::unlink(path_.c_str());
    }

    int number() const { return descriptor_.number(); }
    const std::string& path() const { return path_; }
    bool direct() const { return direct_; }

private:
    ScratchFile() = default;
    std::string path_;
    bool direct_ = false;
    Descriptor descriptor_;
};

Result<void> write_range(const ScratchFile& file, const AlignedBuffer& buffer, std::size_t bytes) {
    for (std::size_t at = 0; at < bytes; at += buffer.size()) {
        if (::pwrite(file.number(), buffer.data(), buffer.size(), static_cast<off_t>(at)) !=
            static_cast<ssize_t>(buffer.size())) {
            return limits_error("cannot write '" + file.path() + "'");
        }
    }
    return ok();
}

Result<void> measure_syncs(const ScratchFile& file, const AlignedBuffer& buffer, std::size_t size, std::size_t times,
                           Histogram& histogram) {
    for (std::size_t i = 0; i < times; ++i) {
        const std::size_t at = i * size % kSyncFileBytes;
        const std::int64_t begin = now_ns();
        if (::pwrite(file.number(), buffer.data(), size, static_cast<off_t>(at)) != static_cast<ssize_t>(size) ||
            ::fdatasync(file.number()) != 0) {
            return limits_error("cannot write and sync '" + file.path() + "'");
        }
        histogram.record(static_cast<std::uint64_t>(now_ns() - begin));
    }
    return ok();
}

Result<void> measure_disk(const std::string& directory, Limits& limits) {
    AlignedBuffer buffer{kMiB};
    std::memset(buffer.data(), 0, buffer.size());
    {
        MR_TRY(const ScratchFile file, ScratchFile::create(directory));
        MR_TRY_VOID(write_range(file, buffer, kSyncFileBytes));
        if (::fdatasync(file.number()) != 0) return limits_error("cannot sync '" + file.path() + "'");
        std::memset(buffer.data(), 0x5a, buffer.size());
        MR_TRY_VOID(measure_syncs(file, buffer, 4096, kSyncs4k, limits.sync_4k_ns));
        MR_TRY_VOID(measure_syncs(file, buffer, 65536, kSyncs64k, limits.sync_64k_ns));
    }
    MR_TRY(const ScratchFile file, ScratchFile::create(directory));
    std::int64_t begin = now_ns();
    MR_TRY_VOID(write_range(file, buffer, kSequentialBytes));
    if (::fdatasync(file.number()) != 0) return limits_error("cannot sync '" + file.path() + "'");
    limits.write_mb_s = mb_per_second(kSequentialBytes, now_ns() - begin);
    begin = now_ns();
    for (std::size_t at = 0; at < kSequentialBytes; at += buffer.size()) {
        if (::pread(file.number(), buffer.data(), buffer.size(), static_cast<off_t>(at)) !=
            static_cast<ssize_t>(buffer.size())) {
            return limits_error("cannot read '" + file.path() + "'");
        }
    }
    limits.read_mb_s = mb_per_second(kSequentialBytes, now_ns() - begin);
    return ok();
}

struct Pair {
    Descriptor near;
    Descriptor far;
};

Result<Pair> loopback_pair() {
    const Descriptor listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener.number(), generic, length) != 0 || ::listen(listener.number(), 1) != 0 ||
        ::getsockname(listener.number(), generic, &length) != 0) {
        return limits_error("cannot listen on 127.0.0.1");
    }
    Pair pair;
    pair.near = Descriptor{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (::connect(pair.near.number(), generic, length) != 0) return limits_error("cannot connect to 127.0.0.1");
    pair.far = Descriptor{::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (pair.far.number() < 0) return limits_error("cannot accept on 127.0.0.1");
    const int on = 1;
    for (const Descriptor* end : {&pair.near, &pair.far}) {
        ::setsockopt(end->number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return pair;
}

bool receive_all(int descriptor, char* into, std::size_t size) {
    while (size > 0) {
        const ssize_t got = ::recv(descriptor, into, size, 0);
        if (got <= 0) return false;
        into += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

bool send_all(int descriptor, const char* from, std::size_t size) {
    while (size > 0) {
        const ssize_t sent = ::send(descriptor, from, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        from += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

Result<void> measure_ping_pong(Limits& limits) {
    MR_TRY(const Pair pair, loopback_pair());
    std::thread echo{[far = pair.far.number()] {
        char message[kPingBytes];
        for (std::size_t i = 0; i < kPings; ++i) {
            if (!receive_all(far, message, sizeof message) || !send_all(far, message, sizeof message)) return;
        }
    }};
    char message[kPingBytes] = {};
    bool fine = true;
    for (std::size_t i = 0; i < kPings && fine; ++i) {
        const std::int64_t begin = now_ns();
        fine = send_all(pair.near.number(), message, sizeof message) && receive_all(pair.near.number(), message, sizeof message);
        limits.ping_ns.record(static_cast<std::uint64_t>(now_ns() - begin));
    }
    if (!fine) ::shutdown(pair.near.number(), SHUT_RDWR);
    echo.join();
    if (!fine) return limits_error("the loopback connection broke");
    return ok();
}

Result<void> measure_loopback(Limits& limits) {
    MR_TRY(const Pair pair, loopback_pair());
    std::thread source{[far = pair.far.number()] {
        const std::vector<char> chunk(kLoopbackChunk);
        for (std::size_t sent = 0; sent < kLoopbackBytes; sent += chunk.size()) {
            if (!send_all(far, chunk.data(), chunk.size())) return;
        }
    }};
    std::vector<char> chunk(kLoopbackChunk);
    const std::int64_t begin = now_ns();
    bool fine = true;
    for (std::size_t got = 0; got < kLoopbackBytes && fine; got += chunk.size()) {
        fine = receive_all(pair.near.number(), chunk.data(), chunk.size());
    }
    limits.loopback_mb_s = mb_per_second(kLoopbackBytes, now_ns() - begin);
    if (!fine) ::shutdown(pair.near.number(), SHUT_RDWR);
    source.join();
    if (!fine) return limits_error("the loopback connection broke");
    return ok();
}

int bench_limits(const CommandLine& line, const std::string& directory) {
    Limits limits;
    if (auto result = measure_disk(directory, limits); !result) return fail(line, result.error());
    if (auto result = measure_ping_pong(limits); !result) return fail(line, result.error());
    if (auto result = measure_loopback(limits); !result) return fail(line, result.error());

    const auto micros = [](const Histogram& histogram, double share) {
        return std::round(static_cast<double>(histogram.at(share)) / 100.0) / 10.0;
    };
    const std::vector<std::pair<std::string, double>> figures{
        {"fdatasync_4k_p50_us", micros(limits.sync_4k_ns, 0.5)},
        {"fdatasync_4k_p99_us", micros(limits.sync_4k_ns, 0.99)},
        {"fdatasync_64k_p50_us", micros(limits.sync_64k_ns, 0.5)},
        {"direct_write_mb_s", std::round(limits.write_mb_s * 10) / 10},
        {"direct_read_mb_s", std::round(limits.read_mb_s * 10) / 10},
        {"ping_pong_p50_us", micros(limits.ping_ns, 0.5)},
        {"loopback_mb_s", std::round(limits.loopback_mb_s * 10) / 10}};
    if (line.json()) {
        nlohmann::ordered_json json;
        for (const auto& [name, value] : figures) json[name] = value;
        return print_line(line, json.dump()) ? kDone : kFailed;
    }
    std::vector<std::vector<std::string>> rows;
    for (const auto& [name, value] : figures) {
        char text[32];
        std::snprintf(text, sizeof text, "%.1f", value);
        rows.push_back({name, text});
    }
    return print_line(line, format_table(rows)) ? kDone : kFailed;
}

}  // namespace

void add_bench_limits_command(CLI::App& bench, CommandLine& line) {
    const auto directory = std::make_shared<std::string>(".");
    CLI::App* limits = bench.add_subcommand("limits", "Measure what this machine's disk and loopback can do at best");
    limits->add_option("--dir", *directory, "A directory on the disk to measure; needs 600 MB there")
        ->type_name("DIR")
        ->capture_default_str();
    add_output_option(*limits, line);
    limits->footer("Needs no server; takes some seconds.\n"
                   "Examples:\n  millrace bench limits --dir /var/lib/millrace --output json");
    limits->callback([&line, directory] { line.action = [&line, directory] { return bench_limits(line, *directory); }; });
}

}  // namespace millrace::cli
