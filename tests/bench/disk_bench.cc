// SPDX-License-Identifier: Apache-2.0
//
// Write and fdatasync of 4 KiB and 64 KiB, one after the other, into a file that was zero-filled: through our Disk seam, on
// its threads and on the caller's, against a loop of pwrite and fdatasync. All three take turns in each round, on files of
// their own in one directory. Prints calls/s, the median latency, and the ratio of each round: its median and spread.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/runtime/aligned_buffer.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"

namespace millrace {
namespace {

using BenchClock = std::chrono::steady_clock;
constexpr std::uint64_t kBenchFileBytes = 64ull * 1024 * 1024;

[[noreturn]] void give_up(const std::string& what) {
    std::fprintf(stderr, "disk_bench: %s\n", what.c_str());
    std::exit(74);
}

struct Round {
    double calls_per_second = 0;
    double median_us = 0;
};

// Calls `step(offset)` until the time is over.
template <class Step>
Task<Round> timed(std::chrono::milliseconds time, std::size_t bytes, Step step) {
    std::vector<double> latencies;
    const auto begin = BenchClock::now();
    const auto end = begin + time;
    auto now = begin;
    for (std::uint64_t offset = 0; now < end; offset = (offset + bytes) % kBenchFileBytes) {
        co_await step(offset);
        const auto after = BenchClock::now();
        latencies.push_back(std::chrono::duration<double, std::micro>(after - now).count());
        now = after;
    }
    std::nth_element(latencies.begin(), latencies.begin() + static_cast<std::ptrdiff_t>(latencies.size() / 2), latencies.end());
    co_return Round{static_cast<double>(latencies.size()) / std::chrono::duration<double>(now - begin).count(),
                    latencies[latencies.size() / 2]};
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

Task<bool> measure(Disk& disk, std::string directory, std::size_t bytes, int rounds, std::chrono::milliseconds time) {
    const std::string ours_path = directory + "/disk_bench.ours", bare_path = directory + "/disk_bench.bare";
    auto ours = co_await disk.open(ours_path, {.mode = OpenMode::kCreate, .direct = true});
    if (!ours) give_up(ours.error().to_string());
    auto bare_made = co_await disk.open(bare_path, {.mode = OpenMode::kCreate, .direct = true});
    if (!bare_made) give_up(bare_made.error().to_string());
    for (File* file : {ours->get(), bare_made->get()}) {
        if (const auto filled = co_await file->zero_fill(kBenchFileBytes); !filled) give_up(filled.error().to_string());
    }
    const int fd = ::open(bare_path.c_str(), O_WRONLY | O_CLOEXEC | ((*ours)->direct() ? O_DIRECT : 0));
    if (fd < 0) give_up("cannot open " + bare_path);
    AlignedBuffer buffer{bytes};
    std::memset(buffer.data(), 0x5a, bytes);

    std::vector<double> bare_calls, bare_us, pool_calls, pool_us, here_calls, here_us, pool_ratio, here_ratio;
    for (int round = 0; round < rounds; ++round) {
        const Round bare = co_await timed(time, bytes, [&](std::uint64_t offset) -> Task<void> {
            if (::pwrite(fd, buffer.data(), bytes, static_cast<off_t>(offset)) != static_cast<ssize_t>(bytes) ||
                ::fdatasync(fd) != 0) {
                give_up("cannot write " + bare_path);
            }
            co_return;
        });
        const auto check = [](const Result<void>& written) {
            if (!written) give_up(written.error().to_string());
        };
        const Round here = co_await timed(time, bytes, [&](std::uint64_t offset) -> Task<void> {
            check(co_await (*ours)->write_and_sync_here(offset, buffer.view()));
        });
        const Round pool = co_await timed(time, bytes, [&](std::uint64_t offset) -> Task<void> {
            check(co_await (*ours)->write_and_sync(offset, buffer.view()));
        });
        bare_calls.push_back(bare.calls_per_second);
        bare_us.push_back(bare.median_us);
        here_calls.push_back(here.calls_per_second);
        here_us.push_back(here.median_us);
        pool_calls.push_back(pool.calls_per_second);
        pool_us.push_back(pool.median_us);
        here_ratio.push_back(here.calls_per_second / bare.calls_per_second);
        pool_ratio.push_back(pool.calls_per_second / bare.calls_per_second);
    }
    ::close(fd);
    std::printf("%6zu B %s  bare %8.0f calls/s %6.1f us\n", bytes, (*ours)->direct() ? "direct  " : "buffered", median(bare_calls),
                median(bare_us));
    const auto line = [](const char* name, const std::vector<double>& calls, const std::vector<double>& us,
                         const std::vector<double>& ratio, const char* target) {
        std::printf("    %-22s %8.0f calls/s %6.1f us   ratio median %.2f (%.2f to %.2f)%s\n", name, median(calls), median(us),
                    median(ratio), *std::min_element(ratio.begin(), ratio.end()), *std::max_element(ratio.begin(), ratio.end()),
                    target);
    };
    line("on the caller's thread", here_calls, here_us, here_ratio, ", target 0.95");
    line("on the disk's threads", pool_calls, pool_us, pool_ratio, "");
    (void)co_await disk.remove(ours_path);
    (void)co_await disk.remove(bare_path);
    co_return true;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
    using namespace millrace;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 7;
    const int milliseconds = argc > 3 ? std::atoi(argv[3]) : 500;
    if (argc < 2 || argc > 4 || rounds < 1 || milliseconds < 10) {
        std::fprintf(stderr, "usage: %s DIRECTORY [rounds, at least 1] [milliseconds, at least 10]\n", argv[0]);
        return 64;
    }
    AsioRuntime runtime{AsioRuntimeOptions{}};
    runtime.start_thread("bench");
    const Runtime bundle = runtime.bundle();
    for (const std::size_t bytes : {std::size_t{4096}, std::size_t{65536}}) {
        block_on(bundle.executor, [&bundle, directory = std::string{argv[1]}, bytes, rounds, milliseconds] {
            return measure(bundle.disk, directory, bytes, rounds, std::chrono::milliseconds{milliseconds});
        });
    }
    return 0;
}
