// SPDX-License-Identifier: Apache-2.0
//
// How the process is, for /health: what it is doing, and what is wrong with which part.
// Thread rule: one executor.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/telemetry/http_server.h"

namespace millrace::telemetry {

// Serving: takes requests. Degraded: takes some of them; no reason to be taken out of service. Failed: takes none, and
// will not before a restart.
enum class HealthState : std::uint8_t { kStarting, kServing, kDegraded, kStopping, kFailed };
std::string_view to_string(HealthState state);

class Health {
public:
    // Of the process as a whole. Failed is for good.
    void starting() { advance(HealthState::kStarting); }
    void serving() { advance(HealthState::kServing); }
    void stopping() { advance(HealthState::kStopping); }

    // A part cannot do what it should, with a reason for people; an empty reason takes it back.
    void degraded(const std::string& part, std::string reason);
    // A part has failed for good.
    void failed(const std::string& part, std::string reason);

    HealthState state() const;
    // {"status":"degraded","reasons":["journal: the disk is full"]}, no reasons without any. 200 when serving or
    // degraded, otherwise 503.
    HttpResponse response() const;

private:
    void advance(HealthState state) { process_ = state; }

    HealthState process_ = HealthState::kStarting;
    std::map<std::string, std::string> degraded_;  // reasons by part
    std::map<std::string, std::string> failed_;
};

}  // namespace millrace::telemetry
