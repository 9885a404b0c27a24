// SPDX-License-Identifier: Apache-2.0
//
// What the process's key-value stores hold in memory.
#pragma once

#include "common/keyvalue/keyvalue.h"
#include "common/telemetry/metrics.h"

namespace millrace::cli {

struct EngineMetrics {
    telemetry::Gauge& cache_bytes = telemetry::gauge("millrace_keyvalue_cache_bytes", "Memory for what was read from key-value stores");
    telemetry::Gauge& write_buffers_bytes =
        telemetry::gauge("millrace_keyvalue_write_buffers_bytes", "Memory for what is not in the files of key-value stores yet");

    void sample(const keyvalue::Engine& engine) {
        cache_bytes.set(static_cast<double>(engine.cache_bytes_used()));
        write_buffers_bytes.set(static_cast<double>(engine.write_buffers_bytes_used()));
    }
};

}  // namespace millrace::cli
