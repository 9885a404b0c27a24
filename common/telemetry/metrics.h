// SPDX-License-Identifier: Apache-2.0
//
// What the process counts, rendered in Prometheus' text format. Names end in a unit:
// millrace_segmentstore_append_bytes_total. Labels are bounded: a container id, never a segment.
// Metrics live as long as the process; make them once and keep the reference. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace millrace::telemetry {

using Labels = std::map<std::string, std::string>;

class Counter {
public:
    virtual ~Counter() = default;
    virtual void add(std::uint64_t amount = 1) = 0;
};
class Gauge {
public:
    virtual ~Gauge() = default;
    virtual void set(double value) = 0;
};
class Histogram {
public:
    virtual ~Histogram() = default;
    virtual void observe(double value) = 0;
};

// The same name and labels give the same object.
Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
// `bounds` ascending; for durations in seconds leave them out.
Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels = {},
                     const std::vector<double>& bounds = {});

// Everything, in Prometheus' text exposition format 0.0.4.
std::string render();

}  // namespace millrace::telemetry
