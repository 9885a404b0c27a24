// SPDX-License-Identifier: Apache-2.0
//
// What the store's face counts. Bounded labels only.
#pragma once

#include "common/telemetry/metrics.h"

namespace millrace::segmentstore {

struct ServerMetrics {
    ServerMetrics();

    telemetry::Gauge& connections;
    telemetry::Counter& connections_accepted;
    telemetry::Counter& connections_refused;
    telemetry::Counter& protocol_errors;
    telemetry::Counter& frames_received;
    telemetry::Counter& braked;
    telemetry::Gauge& waiting_reads;
    telemetry::Gauge& cache_bytes;
    telemetry::Gauge& admitted_bytes;
};

}  // namespace millrace::segmentstore
