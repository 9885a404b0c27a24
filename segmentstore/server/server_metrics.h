// SPDX-License-Identifier: Apache-2.0
//
// What the store's face counts. Bounded labels only.
#pragma once

#include <array>

#include "common/telemetry/metrics.h"
#include "common/transport/connection_options.h"

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
    telemetry::Gauge& containers_halted;
    telemetry::Gauge& admitted_bytes;
    telemetry::Gauge& admitted_bytes_max;
    telemetry::ErrorCounters errors{"millrace_segmentstore_errors_total", "What ended connections or the store, by error code"};

    // Shows what the transport has counted since the last call.
    void count(const transport::ConnectionResources& connections);

private:
    std::array<telemetry::Counter*, transport::kEndReasons> connections_ended_{};
    telemetry::Counter& received_bytes_;
    telemetry::Counter& sent_bytes_;
    telemetry::Counter& budget_waits_;
    telemetry::Gauge& budget_bytes_;
    telemetry::Gauge& budget_bytes_max_;
    telemetry::Gauge& queued_bytes_;
    telemetry::Gauge& idle_buffer_bytes_;
    transport::ConnectionCounters counted_;
};

}  // namespace millrace::segmentstore
