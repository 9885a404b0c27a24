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
    telemetry::Gauge& segments;
    telemetry::Gauge& full;
};

}  // namespace millrace::container
