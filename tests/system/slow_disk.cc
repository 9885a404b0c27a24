// SPDX-License-Identifier: Apache-2.0
//
// Loaded ahead of the C library (LD_PRELOAD), this makes writes to files below $SLOW_BELOW take as long as a disk of
// $SLOW_BYTES_PER_SECOND would, all of them together: a long-term storage that works but does not keep up.
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

namespace {

using Write = ssize_t (*)(int, const void*, size_t, off_t);
using Clock = std::chrono::steady_clock;

const char* const below = std::getenv("SLOW_BELOW");
const double bytes_per_second = std::atof(std::getenv("SLOW_BYTES_PER_SECOND"));

bool concerns(int fd) {
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    char path[4096];
    const ssize_t length = readlink(link, path, sizeof path - 1);
    return length > 0 && std::strncmp(path, below, std::strlen(below)) == 0;
}

// One disk, one queue.
void take_time(size_t bytes) {
    static std::mutex mutex;
    static Clock::time_point free_at;
    Clock::time_point done;
    {
        const std::lock_guard lock{mutex};
        const std::chrono::duration<double> takes{static_cast<double>(bytes) / bytes_per_second};
        free_at = std::max(free_at, Clock::now()) + std::chrono::duration_cast<Clock::duration>(takes);
        done = free_at;
    }
    std::this_thread::sleep_until(done);
}

ssize_t slow_write(const char* name, int fd, const void* bytes, size_t count, off_t offset) {
    const auto write = reinterpret_cast<Write>(dlsym(RTLD_NEXT, name));
    if (concerns(fd)) take_time(count);
    return write(fd, bytes, count, offset);
}

}  // namespace

extern "C" ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
    return slow_write("pwrite", fd, bytes, count, offset);
}
extern "C" ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
    return slow_write("pwrite64", fd, bytes, count, offset);
}
