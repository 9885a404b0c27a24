// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/container_metrics.h"

namespace millrace::container {

namespace {

telemetry::Labels of_container(ContainerId id) { return {{"container", to_string(id)}}; }

telemetry::Labels read_from(const char* source) { return {{"source", source}}; }

}  // namespace

ContainerMetrics::ContainerMetrics(ContainerId id)
    : appended_events{telemetry::counter("millrace_segmentstore_appended_events_total", "Events committed",
                                         of_container(id))},
      appended_bytes{telemetry::counter("millrace_segmentstore_appended_bytes_total", "Bytes of events committed",
                                        of_container(id))},
      append_seconds{telemetry::histogram("millrace_segmentstore_append_seconds",
                                          "From the admission of an append to its commit")},
      read_bytes_cache{telemetry::counter("millrace_segmentstore_read_bytes_total", "Bytes given to readers",
                                          read_from("cache"))},
      read_bytes_log{telemetry::counter("millrace_segmentstore_read_bytes_total", "Bytes given to readers",
                                        read_from("log"))},
      read_bytes_storage{telemetry::counter("millrace_segmentstore_read_bytes_total", "Bytes given to readers",
                                            read_from("storage"))},
      segments{telemetry::gauge("millrace_segmentstore_segments_count", "Segments that exist", of_container(id))},
      full{telemetry::gauge("millrace_segmentstore_container_full_state",
                            "1 while appends are refused because the disk is full", of_container(id))},
      tiered_bytes{telemetry::counter("millrace_segmentstore_tiered_bytes_total",
                                      "Bytes of events moved to long-term storage", of_container(id))},
      tiering_failures{telemetry::counter("millrace_segmentstore_tiering_failures_total",
                                          "Attempts to move a window or a snapshot to long-term storage that failed",
                                          of_container(id))},
      untiered_bytes{telemetry::gauge("millrace_segmentstore_untiered_bytes",
                                      "Bytes of the log that wait to be moved to long-term storage", of_container(id))} {}

}  // namespace millrace::container
