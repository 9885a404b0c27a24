// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/health.h"

#include <utility>

namespace millrace::telemetry {

namespace {

std::string json_string(std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string out{'"'};
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20) {
            out += "\\u00";
            out += kHex[byte >> 4];
            out += kHex[byte & 0xf];
        } else {
            out += c;
        }
    }
    return out + '"';
}

}  // namespace

std::string_view to_string(HealthState state) {
    switch (state) {
        case HealthState::kStarting: return "starting";
        case HealthState::kServing: return "serving";
        case HealthState::kDegraded: return "degraded";
        case HealthState::kStopping: return "stopping";
        case HealthState::kFailed: return "failed";
    }
    return "failed";
}

void Health::degraded(const std::string& part, std::string reason) {
    if (reason.empty()) degraded_.erase(part);
    else degraded_[part] = std::move(reason);
}

void Health::failed(const std::string& part, std::string reason) { failed_.emplace(part, std::move(reason)); }

HealthState Health::state() const {
    if (!failed_.empty()) return HealthState::kFailed;
    if (process_ == HealthState::kServing && !degraded_.empty()) return HealthState::kDegraded;
    return process_;
}

HttpResponse Health::response() const {
    const HealthState now = state();
    std::string body = "{\"status\":\"" + std::string{to_string(now)} + "\"";
    std::string reasons;
    for (const auto* parts : {&failed_, &degraded_}) {
        for (const auto& [part, reason] : *parts) {
            reasons += (reasons.empty() ? "" : ",") + json_string(part + ": " + reason);
        }
    }
    if (!reasons.empty()) body += ",\"reasons\":[" + reasons + "]";
    body += "}\n";
    const bool takes_requests = now == HealthState::kServing || now == HealthState::kDegraded;
    return {.status = takes_requests ? 200 : 503, .content_type = "application/json", .body = std::move(body)};
}

}  // namespace millrace::telemetry
