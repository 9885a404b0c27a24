// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/server/server_metrics.h"

namespace millrace::segmentstore {

ServerMetrics::ServerMetrics()
    : connections{telemetry::gauge("millrace_segmentstore_connections_count", "Connections on the data port")},
      connections_accepted{telemetry::counter("millrace_segmentstore_connections_accepted_total", "Connections accepted")},
      connections_refused{telemetry::counter("millrace_segmentstore_connections_refused_total",
                                             "Connections refused because there were too many")},
      protocol_errors{telemetry::counter("millrace_segmentstore_protocol_errors_total",
                                         "Connections closed because of what the peer sent")},
      frames_received{telemetry::counter("millrace_segmentstore_frames_received_total", "Frames received")},
      braked{telemetry::counter("millrace_segmentstore_appends_braked_total",
                                "Appends that waited because too much was not committed yet")},
      waiting_reads{telemetry::gauge("millrace_segmentstore_waiting_reads_count", "Reads that wait or are being served")},
      cache_bytes{telemetry::gauge("millrace_segmentstore_cache_bytes", "Memory held for readers")},
      admitted_bytes{telemetry::gauge("millrace_segmentstore_admitted_bytes", "Bytes admitted and not committed")} {}

}  // namespace millrace::segmentstore
