// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/log_queue.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/telemetry/log_format.h"

namespace millrace::log_line {

void LogQueue::add(Site& site, std::int64_t wall_ns, std::string line) {
    const std::lock_guard lock{mutex_};
    report_ended_periods(wall_ns);
    if (!within_limit(site, wall_ns, line)) return;
    report_overflow(wall_ns);
    enqueue({site.level, wall_ns, std::move(line)});
}

bool LogQueue::within_limit(Site& site, std::int64_t wall_ns, std::string& line) {
    if (site.level == Level::kDebug) return true;
    // Wall time may step back; then a new period begins too.
    const std::int64_t age = wall_ns - site.period_began_ns;
    if (site.lines == 0 || age < 0 || age >= Site::kPeriodNs) {
        site.period_began_ns = wall_ns;
        site.lines = 0;
    }
    if (site.lines >= Site::kLinesMax) {
        ++site.dropped;
        ++counts_.repeats_dropped;
        if (!std::exchange(site.listed, true)) dropping_.push_back(&site);
        return false;
    }
    ++site.lines;
    if (site.dropped > 0) append_fields(line, {{"lines_dropped", std::exchange(site.dropped, 0)}});
    return true;
}

void LogQueue::report_ended_periods(std::int64_t wall_ns) {
    std::erase_if(dropping_, [&](Site* site) {
        const std::int64_t age = wall_ns - site->period_began_ns;
        if (age >= 0 && age < Site::kPeriodNs) return false;
        site->listed = false;
        if (site->dropped > 0) {
            const std::uint64_t dropped = std::exchange(site->dropped, 0);
            enqueue({site->level, wall_ns,
                     format(site->level, "repeated lines dropped", {{"event", site->event}, {"lines_dropped", dropped}})});
        }
        return true;
    });
}

void LogQueue::report_overflow(std::int64_t wall_ns) {
    if (overflowed_ == 0 || bytes_ > options_.bytes_max / 2) return;
    enqueue({Level::kWarn, wall_ns,
             format(Level::kWarn, "log lines dropped: stderr is too slow",
                    {{"lines_dropped", std::exchange(overflowed_, 0)}})});
}

void LogQueue::enqueue(Line line) {
    if (pool_ == nullptr) {
        options_.write(line.level, line.wall_ns, line.text);
        return;
    }
    const std::size_t size = sizeof(Line) + line.text.size();
    const std::size_t room = options_.bytes_max + (line.level == Level::kError ? options_.error_reserve_bytes : 0);
    if (bytes_ + size > room) {
        ++overflowed_;
        ++counts_.overflow_dropped;
        return;
    }
    bytes_ += size;
    lines_.push_back(std::move(line));
    if (draining_) return;
    draining_ = true;
    idle_.store(false, std::memory_order_release);
    pool_->submit([this] { drain(); });
}

void LogQueue::drain() {
    std::unique_lock lock{mutex_};
    while (!lines_.empty()) {
        const std::vector<Line> taken = std::exchange(lines_, {});
        lock.unlock();
        std::int64_t newest = 0;
        for (const Line& line : taken) {
            options_.write(line.level, line.wall_ns, line.text);
            newest = line.wall_ns;
        }
        lock.lock();
        for (const Line& line : taken) bytes_ -= sizeof(Line) + line.text.size();
        report_overflow(newest);
    }
    draining_ = false;
    idle_.store(true, std::memory_order_release);
    idle_changed_.notify_all();
}

void LogQueue::start(BlockingPool& pool) {
    const std::lock_guard lock{mutex_};
    MR_CHECK(pool_ == nullptr);
    pool_ = &pool;
}

bool LogQueue::flush(std::chrono::milliseconds patience) {
    std::unique_lock lock{mutex_};
    return idle_changed_.wait_for(lock, patience, [this] { return !draining_; });
}

bool LogQueue::stop(std::chrono::milliseconds patience) {
    std::unique_lock lock{mutex_};
    if (!idle_changed_.wait_for(lock, patience, [this] { return !draining_; })) return false;
    pool_ = nullptr;
    return true;
}

LogQueueCounts LogQueue::counts() const {
    const std::lock_guard lock{mutex_};
    return counts_;
}

}  // namespace millrace::log_line
