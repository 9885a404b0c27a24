// SPDX-License-Identifier: Apache-2.0
//
// What the log does between a formatted line and stderr: limits repeats, queues within bounds, drops and says so.
// The process has one (log.cc); tests make their own. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/runtime/blocking_pool.h"
#include "common/telemetry/log.h"

namespace millrace::log_line {

struct LogQueueOptions {
    std::size_t bytes_max;
    std::size_t error_reserve_bytes;
    // May block. One call at a time; without a pool, under the queue's lock.
    std::function<void(Level level, std::int64_t wall_ns, const std::string& line)> write;
};

struct LogQueueCounts {
    std::uint64_t repeats_dropped = 0;
    std::uint64_t overflow_dropped = 0;
};

class LogQueue {
public:
    explicit LogQueue(LogQueueOptions options) : options_{std::move(options)} {}
    LogQueue(const LogQueue&) = delete;
    LogQueue& operator=(const LogQueue&) = delete;

    // `wall_ns` is now.
    void add(Site& site, std::int64_t wall_ns, std::string line);

    void start(BlockingPool& pool);
    bool flush(std::chrono::milliseconds patience);
    bool stop(std::chrono::milliseconds patience);

    LogQueueCounts counts() const;
    // Async-signal-safe.
    bool idle() const { return idle_.load(std::memory_order_acquire); }

private:
    struct Line {
        Level level;
        std::int64_t wall_ns;
        std::string text;
    };

    // The rest: REQUIRES mutex_ held, except drain().
    bool within_limit(Site& site, std::int64_t wall_ns, std::string& line);
    void report_ended_periods(std::int64_t wall_ns);
    void report_overflow(std::int64_t wall_ns);
    void enqueue(Line line);
    void drain();

    const LogQueueOptions options_;

    mutable std::mutex mutex_;
    std::condition_variable idle_changed_;
    BlockingPool* pool_ = nullptr;
    std::vector<Line> lines_;
    std::size_t bytes_ = 0;  // of lines_ and of what is being written
    bool draining_ = false;
    std::atomic<bool> idle_{true};  // !draining_
    std::vector<Site*> dropping_;
    std::uint64_t overflowed_ = 0;  // since the last line about it
    LogQueueCounts counts_;
};

}  // namespace millrace::log_line
