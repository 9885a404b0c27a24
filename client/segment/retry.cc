// SPDX-License-Identifier: Apache-2.0
//
// Retry rules: which errors pass, how long to pause, what the final error says.
#include "client/segment/retry.h"

#include <algorithm>

namespace millrace::client {

bool may_pass(const Error& error) {
    switch (error.code()) {
        case ErrorCode::kInvalidArgument:
        case ErrorCode::kNotFound:
        case ErrorCode::kAlreadyExists:
        case ErrorCode::kSealed:
        case ErrorCode::kTruncated:
        case ErrorCode::kClosed:
        case ErrorCode::kTooLarge:
        case ErrorCode::kUnsupported:
        case ErrorCode::kPermissionDenied:
        case ErrorCode::kUnauthenticated: return false;
        default: return true;
    }
}

std::string spell_duration(std::chrono::nanoseconds duration) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    if (ms >= 1000 && ms % 1000 == 0) return std::to_string(ms / 1000) + " s";
    return std::to_string(ms) + " ms";
}

std::chrono::nanoseconds Backoff::next() {
    const std::chrono::nanoseconds pause = next_;
    next_ = std::min<std::chrono::nanoseconds>(next_ * 10, kLongest);
    return pause;
}

MonotonicTime Retry::give_up_at() const {
    const auto bound = limit();
    if (bound.count() == 0) return MonotonicTime::max();
    return since_.value_or(clock_.now()) + bound;
}

void Retry::waited(MonotonicTime begin) {
    if (since_) *since_ += clock_.now() - std::max(begin, *since_);
}

void Retry::worked() {
    worked_before_ = true;
    rested();
}

Result<std::chrono::nanoseconds> Retry::failed(Error error, std::string_view what) {
    trying();
    failing_ = true;
    if (!may_pass(error)) return std::move(error).while_doing(what);
    const auto pause = backoff_.next();
    const MonotonicTime end = give_up_at();
    if (end != MonotonicTime::max() && clock_.now() + pause >= end) {
        return Error{ErrorCode::kUnavailable,
                     std::string{what} + " did not work for " + spell_duration(limit()) + ": " + error.to_string(),
                     error.fate()};
    }
    return pause;
}

}  // namespace millrace::client
