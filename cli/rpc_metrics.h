// SPDX-License-Identifier: Apache-2.0
//
// Counts the calls that a server answers: how many, how long, and with which errors.
#pragma once

#include <memory>

#include "common/rpc/rpc.h"
#include "common/runtime/clock.h"
#include "common/telemetry/metrics.h"

namespace millrace::cli {

struct RpcMetrics {
    // `method`: the last part of the name of one that is served, or "other".
    explicit RpcMetrics(const std::string& method);

    telemetry::Counter& calls;
    telemetry::Histogram& seconds;
    telemetry::ErrorCounters errors;
};

// What `inner` serves is counted; its channels are handed out as they are. `clock` outlives every call.
std::unique_ptr<rpc::Rpc> count_calls(std::unique_ptr<rpc::Rpc> inner, Clock& clock);

}  // namespace millrace::cli
