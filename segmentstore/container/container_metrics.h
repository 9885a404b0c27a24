// SPDX-License-Identifier: Apache-2.0
//
// What a container counts.
#pragma once

#include "common/model/ids.h"
#include "common/telemetry/metrics.h"

namespace millrace::container {

struct ContainerMetrics {
    explicit ContainerMetrics(ContainerId id);

    telemetry::Counter& appended_events;  // committed
    telemetry::Counter& appended_bytes;
    telemetry::Histogram& append_seconds;  // from admission to commit
    telemetry::Counter& read_bytes_cache;
    telemetry::Counter& read_bytes_log;
    telemetry::Counter& read_bytes_storage;
    telemetry::Gauge& segments;
    telemetry::Gauge& full;
    telemetry::Counter& tiered_bytes;
    telemetry::Counter& tiering_failures;
    telemetry::Gauge& untiered_bytes;  // of the log, and so with all that an entry carries
};

}  // namespace millrace::container
