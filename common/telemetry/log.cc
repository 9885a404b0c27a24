// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/log.h"

#include <array>
#include <csignal>
#include <ctime>
#include <memory>
#include <mutex>
#include <utility>

#include <spdlog/details/os.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "common/runtime/rare.h"
#include "common/telemetry/log_format.h"
#include "common/telemetry/log_queue.h"
#include "common/telemetry/log_writer.h"
#include "common/telemetry/metrics.h"

namespace millrace::log_line {

namespace {

spdlog::level::level_enum spdlog_level(Level level) {
    switch (level) {
        case Level::kDebug: return spdlog::level::debug;
        case Level::kInfo: return spdlog::level::info;
        case Level::kWarn: return spdlog::level::warn;
        case Level::kError: return spdlog::level::err;
    }
    return spdlog::level::err;
}

std::unique_ptr<spdlog::logger> make_stderr_logger() {
    auto made = std::make_unique<spdlog::logger>("millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::trace);  // enabled() decides
    made->flush_on(spdlog::level::trace);
    return made;
}

// The process's log, with what counts it.
struct Log {
    const std::unique_ptr<spdlog::logger> to_stderr = make_stderr_logger();
    LogQueue queue{{.bytes_max = kQueueBytesMax,
                    .error_reserve_bytes = kErrorReserveBytes,
                    .write = [this](Level level, std::int64_t wall_ns, const std::string& line) {
                        using Clock = spdlog::log_clock;
                        const Clock::time_point when{
                            std::chrono::duration_cast<Clock::duration>(std::chrono::nanoseconds{wall_ns})};
                        to_stderr->log(when, {}, spdlog_level(level), spdlog::string_view_t{line.data(), line.size()});
                    }}};
    std::array<telemetry::Counter*, 4> lines{};
    telemetry::Gauge& repeats = telemetry::sampled_counter("millrace_telemetry_log_dropped_total", "Log lines not written",
                                                           {{"why", "repeated"}});
    telemetry::Gauge& overflow = telemetry::sampled_counter("millrace_telemetry_log_dropped_total", "Log lines not written",
                                                            {{"why", "slow_stderr"}});
    telemetry::ScrapeHook count_dropped{[this] {
        const LogQueueCounts now = queue.counts();
        repeats.set(static_cast<double>(now.repeats_dropped));
        overflow.set(static_cast<double>(now.overflow_dropped));
    }};

    std::mutex observer_mutex;
    std::shared_ptr<const Observer> observer;
    std::atomic<bool> observed{false};

    Log() {
        for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError}) {
            lines[static_cast<std::size_t>(level)] =
                &telemetry::counter("millrace_telemetry_log_lines_total", "Log lines, those dropped included",
                                    {{"level", std::string{to_string(level)}}});
        }
    }
};

// Lives as long as the process: destructors of others may log.
Log& process_log() {
    static auto* const instance = new Log;
    return *instance;
}

// abort() is how a broken invariant ends the process: the lines before it are those that matter most. Everything here is
// async-signal-safe. A stderr that is stuck gets a fifth of a second.
LogQueue* queue_at_abort = nullptr;
void wait_for_lines_at_abort(int) {
    for (int i = 0; i < 100 && !queue_at_abort->idle(); ++i) {
        const timespec pause{.tv_sec = 0, .tv_nsec = 2'000'000};
        ::nanosleep(&pause, nullptr);
    }
    // Sent by somebody else it would not end the process by itself.
    std::signal(SIGABRT, SIG_DFL);
    std::raise(SIGABRT);
}

void tell_observer(Log& log, Level level, const std::string& line) {
    std::shared_ptr<const Observer> observer;
    {
        const std::lock_guard lock{log.observer_mutex};
        observer = log.observer;
    }
    if (observer && *observer) (*observer)(level, line);
}

}  // namespace

Logger::Logger(std::initializer_list<Field> context) { append_fields(context_, context); }

Logger Logger::with(std::initializer_list<Field> more) const {
    Logger both = *this;
    append_fields(both.context_, more);
    return both;
}

void write(Site& site, const Logger* logger, std::initializer_list<Field> fields) {
    std::string line = format(site.level, site.event, fields, logger != nullptr ? logger->context() : std::string{});
    // A simulated test fails on errors that it did not expect.
    if (site.level == Level::kError && simulation_hook != nullptr) simulation_hook->error_line(line);
    Log& log = process_log();
    if (log.observed.load(std::memory_order_acquire)) tell_observer(log, site.level, line);
    log.lines[static_cast<std::size_t>(site.level)]->add();
    const auto now = spdlog::details::os::now().time_since_epoch();
    log.queue.add(site, std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(), std::move(line));
}

void set_level(Level level) { detail::lowest_level.store(level, std::memory_order_relaxed); }

void describe_metrics() { (void)process_log(); }

void set_log_observer(Observer observer) {
    Log& log = process_log();
    const std::lock_guard lock{log.observer_mutex};
    log.observed.store(observer != nullptr, std::memory_order_release);
    log.observer = observer ? std::make_shared<const Observer>(std::move(observer)) : nullptr;
}

void write_in_background(BlockingPool& pool) {
    LogQueue& queue = process_log().queue;
    queue.start(pool);
    // A sanitizer's or a test's own handler is left alone.
    const auto before = std::signal(SIGABRT, SIG_DFL);
    if (before == SIG_DFL) {
        queue_at_abort = &queue;
        std::signal(SIGABRT, wait_for_lines_at_abort);
    } else {
        std::signal(SIGABRT, before);
    }
}

bool flush(std::chrono::milliseconds patience) { return process_log().queue.flush(patience); }

bool stop_background(std::chrono::milliseconds patience) {
    if (!process_log().queue.stop(patience)) return false;
    if (queue_at_abort != nullptr) std::signal(SIGABRT, SIG_DFL);
    queue_at_abort = nullptr;
    return true;
}

}  // namespace millrace::log_line
