// SPDX-License-Identifier: Apache-2.0
//
// What the journal counts.
#pragma once

#include "common/telemetry/metrics.h"

namespace millrace::log {

struct JournalMetrics {
    telemetry::Counter& batches =
        telemetry::counter("millrace_log_journal_batches_total", "Group commits of the journal");
    telemetry::Counter& entries =
        telemetry::counter("millrace_log_journal_entries_total", "Entries made durable");
    telemetry::Counter& entry_bytes = telemetry::counter("millrace_log_journal_entry_bytes_total",
                                                         "Bytes of the bodies of durable entries");
    telemetry::Counter& written_bytes =
        telemetry::counter("millrace_log_journal_written_bytes_total",
                           "Bytes written to journal files, padding included");
    telemetry::Histogram& commit_seconds =
        telemetry::histogram("millrace_log_journal_commit_seconds", "Write and sync of one batch");
    telemetry::Counter& refused = telemetry::counter(
        "millrace_log_journal_no_space_total", "Appends refused because no new file could be made");
    telemetry::Gauge& files =
        telemetry::gauge("millrace_log_journal_files_count", "Journal files that hold data");
    telemetry::Gauge& queue_bytes =
        telemetry::gauge("millrace_log_journal_queue_bytes", "Appends waiting for a batch");
};

}  // namespace millrace::log
