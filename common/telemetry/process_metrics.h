// SPDX-License-Identifier: Apache-2.0
//
// What the process uses of the machine, under the names that Prometheus' own clients use. Who may read the kernel's
// files samples it. Any thread.
#pragma once

#include <cstdint>

#include "common/telemetry/metrics.h"

namespace millrace::telemetry {

struct ProcessSample {
    double cpu_seconds = 0;         // user and system, ever
    double start_time_seconds = 0;  // since 1970
    std::uint64_t resident_bytes = 0;
    std::uint64_t virtual_bytes = 0;
    std::uint64_t threads = 0;
    std::uint64_t open_descriptors = 0;
    std::uint64_t descriptors_max = 0;
};

struct ProcessMetrics {
    Gauge& cpu_seconds = sampled_counter("process_cpu_seconds_total", "User and system time used");
    Gauge& start_time = gauge("process_start_time_seconds", "When the process began, in seconds since 1970");
    Gauge& resident_bytes = gauge("process_resident_memory_bytes", "Memory held in RAM");
    Gauge& virtual_bytes = gauge("process_virtual_memory_bytes", "Address space in use");
    Gauge& threads = gauge("process_threads_count", "Threads");
    Gauge& open_descriptors = gauge("process_open_fds", "Open file descriptors");
    Gauge& descriptors_max = gauge("process_max_fds", "File descriptors that the process may have");

    void set(const ProcessSample& sample) {
        cpu_seconds.set(sample.cpu_seconds);
        start_time.set(sample.start_time_seconds);
        resident_bytes.set(static_cast<double>(sample.resident_bytes));
        virtual_bytes.set(static_cast<double>(sample.virtual_bytes));
        threads.set(static_cast<double>(sample.threads));
        open_descriptors.set(static_cast<double>(sample.open_descriptors));
        descriptors_max.set(static_cast<double>(sample.descriptors_max));
    }
};

}  // namespace millrace::telemetry
