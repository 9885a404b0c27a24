// SPDX-License-Identifier: Apache-2.0
//
// What the HTTP server counts.
#pragma once

#include "common/telemetry/metrics.h"

namespace millrace::telemetry {

struct HttpMetrics {
    Counter& accepted = counter("millrace_telemetry_http_connections_total", "Connections to the port of health and metrics");
    Counter& evicted = counter("millrace_telemetry_http_evicted_total",
                               "Connections closed because they were slow while others waited");
    Counter& answered = counter("millrace_telemetry_http_responses_total", "Answers by class of status", {{"class", "2xx"}});
    Counter& refused = counter("millrace_telemetry_http_responses_total", "Answers by class of status", {{"class", "4xx"}});
    Counter& failed = counter("millrace_telemetry_http_responses_total", "Answers by class of status", {{"class", "5xx"}});

    void count(int status) { (status >= 500 ? failed : status >= 400 ? refused : answered).add(); }
};

}  // namespace millrace::telemetry
