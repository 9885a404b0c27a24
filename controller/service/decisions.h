// SPDX-License-Identifier: Apache-2.0
//
// What calls that change a stream have in common: they read its record, decide, and store what they decided if the
// record is still the same; otherwise they decide again. Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "controller/service/protocol.h"
#include "controller/store/stream_store.h"

namespace millrace::controller::service {

using records::StreamRecord;
using Intent = store::StreamStore::Intent;

// How often a decision is taken again because the record changed.
inline constexpr int kStreamAttempts = 16;

// Never after a change of unknown fate: it may have been made, and undone by somebody else.
inline bool decide_again(const Error& error) {
    return error.fate() != Fate::kUnknown && (error.is(ErrorCode::kVersionMismatch) || error.is(ErrorCode::kNotFound));
}

inline Error gave_up(const StreamName& name, const std::optional<Error>& last) {
    std::string detail = "stream '" + name.to_string() + "' could not be changed";
    if (last) detail += ": " + last->to_string();
    return {ErrorCode::kUnavailable, std::move(detail), Fate::kUnknown};
}

inline std::string too_many(const StreamName& name, std::size_t segments) {
    return "stream '" + name.to_string() + "' would have " + std::to_string(segments) +
           " segments; lists of more than " + std::to_string(max_segments(name)) +
           " do not fit a reply with names this long";
}

// One change at a time.
inline bool busy(const StreamRecord& record) {
    return record.state() == StreamRecord::CREATING || record.intent_case() != StreamRecord::INTENT_NOT_SET;
}

}  // namespace millrace::controller::service
