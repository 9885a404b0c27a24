// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/server/server_metrics.h"

#include <string>

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
      containers_halted{telemetry::gauge("millrace_segmentstore_containers_halted_count", "Containers that damage keeps from serving")},
      admitted_bytes{telemetry::gauge("millrace_segmentstore_admitted_bytes", "Bytes admitted and not committed")},
      admitted_bytes_max{telemetry::gauge("millrace_segmentstore_admitted_max_bytes", "The bound of admitted bytes")},
      received_bytes_{telemetry::counter("millrace_segmentstore_received_bytes_total", "Bytes received on the data port")},
      sent_bytes_{telemetry::counter("millrace_segmentstore_sent_bytes_total", "Bytes sent on the data port")},
      budget_waits_{telemetry::counter("millrace_segmentstore_receive_memory_waits_total",
                                       "Frames that waited for memory to be received into")},
      budget_bytes_{telemetry::gauge("millrace_segmentstore_receive_memory_bytes",
                                     "Memory of received bytes beyond every connection's base buffer")},
      budget_bytes_max_{telemetry::gauge("millrace_segmentstore_receive_memory_max_bytes", "The bound of that memory")},
      queued_bytes_{telemetry::gauge("millrace_segmentstore_unsent_bytes", "Bytes that wait to be sent")},
      idle_buffer_bytes_{telemetry::gauge("millrace_segmentstore_idle_buffer_bytes", "Receive buffers kept for reuse")} {
    for (std::size_t i = 0; i < transport::kEndReasons; ++i) {
        connections_ended_[i] =
            &telemetry::counter("millrace_segmentstore_connections_ended_total", "Connections that ended, by reason",
                                {{"reason", std::string{transport::to_string(static_cast<transport::EndReason>(i))}}});
    }
}

void ServerMetrics::count(const transport::ConnectionResources& connections) {
    const transport::ConnectionCounters& now = connections.counters;
    for (std::size_t i = 0; i < transport::kEndReasons; ++i) connections_ended_[i]->add(now.ended[i] - counted_.ended[i]);
    received_bytes_.add(now.received_bytes - counted_.received_bytes);
    sent_bytes_.add(now.sent_bytes - counted_.sent_bytes);
    budget_waits_.add(now.budget_waits - counted_.budget_waits);
    budget_bytes_.set(static_cast<double>(connections.received->taken()));
    budget_bytes_max_.set(static_cast<double>(connections.received->bytes_max()));
    queued_bytes_.set(static_cast<double>(now.queued_bytes));
    idle_buffer_bytes_.set(static_cast<double>(connections.pool.stats().idle_bytes));
    counted_ = now;
}

}  // namespace millrace::segmentstore
