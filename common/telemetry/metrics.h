// SPDX-License-Identifier: Apache-2.0
//
// What the process counts, rendered in Prometheus' text format. Names are millrace_<room>_<what>_<unit>, with the unit
// "total" last for what only grows: millrace_segmentstore_append_bytes_total. Labels are bounded: a container id,
// never a segment. Counting takes no lock and meets no other thread. Metrics live as long as the process; make them
// once and keep the reference, best in a struct <Thing>Metrics that the thing owns. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/telemetry/cells.h"

namespace millrace::telemetry {

using Labels = std::map<std::string, std::string>;

class Counter {
public:
    void add(std::uint64_t amount = 1) {
        const unsigned slot = detail::slot();
        detail::add_to(cells_.of(slot).value, amount, slot);
    }
    std::uint64_t value() const;

private:
    struct alignas(64) Cell {
        std::atomic<std::uint64_t> value{0};
    };
    detail::Cells<Cell> cells_;
};

// Something that is now so much. Not for hot paths of several threads.
class Gauge {
public:
    void set(double value) { value_.store(value, std::memory_order_relaxed); }
    void add(double amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
    double value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<double> value_{0};
};

// Counts values in fixed buckets.
class Histogram {
public:
    static constexpr std::size_t kBoundsMax = 31;

    // At most kBoundsMax, ascending; a last bucket without a bound is added.
    explicit Histogram(std::vector<double> bounds);
    void observe(double value);

    struct Snapshot {
        std::vector<std::uint64_t> counts;  // by bucket, not cumulative; one more than bounds
        double sum = 0;
    };
    Snapshot snapshot() const;
    const std::vector<double>& bounds() const { return bounds_; }

private:
    struct alignas(64) Cell {
        std::array<std::atomic<std::uint64_t>, kBoundsMax + 1> counts{};
        std::atomic<double> sum{0};
    };
    const std::vector<double> bounds_;
    detail::Cells<Cell> cells_;
};

// 10 us to 100 s, three a decade.
const std::vector<double>& duration_bounds();
// 64 B to 64 MiB, powers of 4.
const std::vector<double>& size_bounds();
// 1 to 65,536, powers of 2.
const std::vector<double>& count_bounds();

// The same name and labels give the same object. A family has at most kSeriesMax label sets: what comes after those is
// counted together, with each label "other".
inline constexpr std::size_t kSeriesMax = 10'000;
Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
// A counter that is kept elsewhere, such as by the kernel, and copied from there.
Gauge& sampled_counter(const std::string& name, const std::string& help, const Labels& labels = {});
// For durations in seconds leave `bounds` out.
Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels = {},
                     const std::vector<double>& bounds = {});

// Errors by code, each code a series from its first error on.
class ErrorCounters {
public:
    // `name` such as "millrace_controller_errors_total".
    ErrorCounters(std::string name, std::string help, Labels labels = {});
    void count(ErrorCode code);

private:
    static constexpr std::size_t kCodes = 32;
    const std::string name_;
    const std::string help_;
    const Labels labels_;
    std::array<std::atomic<Counter*>, kCodes> counters_{};
};

// `refresh` runs at the beginning of each render(), on the thread that calls it, until the handle is gone: for gauges
// that cost too much to keep up to date all the time. It must not render, nor make or drop such handles.
class [[nodiscard]] ScrapeHook {
public:
    explicit ScrapeHook(std::function<void()> refresh);
    ScrapeHook(const ScrapeHook&) = delete;
    ScrapeHook& operator=(const ScrapeHook&) = delete;
    // Waits for a refresh that is running.
    ~ScrapeHook();

private:
    const std::function<void()> refresh_;
};

// Everything, in Prometheus' text exposition format 0.0.4, sorted by name and labels.
std::string render();

struct MetricAbout {
    std::string name;
    std::string type;                  // "counter", "gauge", "histogram"
    std::vector<std::string> labels;   // names
    std::string help;
};
// Every family that was made so far, sorted by name.
std::vector<MetricAbout> all_metrics();

}  // namespace millrace::telemetry
