// SPDX-License-Identifier: Apache-2.0
#include "common/base/error.h"

namespace millrace {

std::string_view to_string(ErrorCode code) {
    switch (code) {
        case ErrorCode::kInternal: return "internal error";
        case ErrorCode::kInvalidArgument: return "invalid argument";
        case ErrorCode::kNotFound: return "not found";
        case ErrorCode::kAlreadyExists: return "already exists";
        case ErrorCode::kSealed: return "sealed";
        case ErrorCode::kTruncated: return "truncated";
        case ErrorCode::kVersionMismatch: return "version mismatch";
        case ErrorCode::kInvalidEventNumber: return "invalid event number";
        case ErrorCode::kCorrupt: return "corrupt data";
        case ErrorCode::kBadRequest: return "protocol violation";
        case ErrorCode::kClosed: return "closed";
        case ErrorCode::kCancelled: return "cancelled";
        case ErrorCode::kTimedOut: return "timed out";
        case ErrorCode::kUnavailable: return "unavailable";
        case ErrorCode::kNoSpace: return "no space";
        case ErrorCode::kIo: return "i/o error";
        case ErrorCode::kTooLarge: return "too large";
        case ErrorCode::kUnsupported: return "unsupported";
        case ErrorCode::kWrongHost: return "wrong host";
        case ErrorCode::kFenced: return "fenced";
        case ErrorCode::kPermissionDenied: return "permission denied";
        case ErrorCode::kUnauthenticated: return "unauthenticated";
        case ErrorCode::kInUse: return "in use";
        case ErrorCode::kFailedPrecondition: return "failed precondition";
    }
    return "unknown error";
}

Error Error::while_doing(std::string_view what) && {
    detail_.insert(0, std::string{what} + ": ");
    return std::move(*this);
}

Error Error::with_unknown_fate() && {
    fate_ = Fate::kUnknown;
    return std::move(*this);
}

std::string Error::to_string() const {
    std::string text{millrace::to_string(code_)};
    if (!detail_.empty()) text.append(": ").append(detail_);
    return text;
}

}  // namespace millrace
