// SPDX-License-Identifier: Apache-2.0
//
// What a controller counts of the retention of streams.
#pragma once

#include "common/telemetry/metrics.h"

namespace millrace::controller::retention {

struct RetentionMetrics {
    telemetry::Counter& cuts = telemetry::counter("millrace_controller_retention_cuts_total",
                                                  "Cuts that were recorded at the ends of streams, to truncate them there later");
    telemetry::Counter& truncations = telemetry::counter("millrace_controller_retention_truncations_total",
                                                         "Truncations that retention policies began");
    telemetry::Counter& failures =
        telemetry::counter("millrace_controller_retention_failures_total",
                           "Streams whose retention could not be seen to when it was their turn; it is tried again in the next period");
    telemetry::Gauge& streams = telemetry::gauge("millrace_controller_retention_streams_count",
                                                 "Streams that had a retention policy in the last period");
    telemetry::Gauge& round_seconds = telemetry::gauge("millrace_controller_retention_round_seconds",
                                                       "How long it took to see to all of them the last time");
};

}  // namespace millrace::controller::retention
