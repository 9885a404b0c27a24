// SPDX-License-Identifier: Apache-2.0
//
// Our error codes as gRPC's and back. What clients retry depends on it (docs/protocol/controller.md,
// "Status codes"): codes that can never succeed must not become one that is retried.
#include "common/rpc/rpc.h"

namespace millrace::rpc {

StatusCode to_status(ErrorCode code) {
    switch (code) {
        case ErrorCode::kInternal: return StatusCode::kInternal;
        case ErrorCode::kInvalidArgument: return StatusCode::kInvalidArgument;
        case ErrorCode::kNotFound: return StatusCode::kNotFound;
        case ErrorCode::kAlreadyExists: return StatusCode::kAlreadyExists;
        case ErrorCode::kSealed: return StatusCode::kFailedPrecondition;
        case ErrorCode::kTruncated: return StatusCode::kOutOfRange;
        case ErrorCode::kVersionMismatch: return StatusCode::kFailedPrecondition;
        case ErrorCode::kInvalidEventNumber: return StatusCode::kFailedPrecondition;
        case ErrorCode::kCorrupt: return StatusCode::kDataLoss;
        case ErrorCode::kBadRequest: return StatusCode::kInvalidArgument;
        case ErrorCode::kClosed: return StatusCode::kUnavailable;
        case ErrorCode::kCancelled: return StatusCode::kCancelled;
        case ErrorCode::kTimedOut: return StatusCode::kDeadlineExceeded;
        case ErrorCode::kUnavailable: return StatusCode::kUnavailable;
        case ErrorCode::kNoSpace: return StatusCode::kResourceExhausted;
        case ErrorCode::kIo: return StatusCode::kInternal;
        case ErrorCode::kTooLarge: return StatusCode::kInvalidArgument;
        case ErrorCode::kUnsupported: return StatusCode::kUnimplemented;
        case ErrorCode::kWrongHost: return StatusCode::kUnavailable;
        case ErrorCode::kFenced: return StatusCode::kUnavailable;
        case ErrorCode::kPermissionDenied: return StatusCode::kPermissionDenied;
        case ErrorCode::kUnauthenticated: return StatusCode::kUnauthenticated;
        case ErrorCode::kInUse: return StatusCode::kFailedPrecondition;
        case ErrorCode::kFailedPrecondition: return StatusCode::kFailedPrecondition;
    }
    return StatusCode::kInternal;
}

ErrorCode from_status(StatusCode code) {
    switch (code) {
        case StatusCode::kOk: return ErrorCode::kInternal;  // not an error: asking is one
        case StatusCode::kCancelled: return ErrorCode::kCancelled;
        case StatusCode::kUnknown: return ErrorCode::kInternal;
        case StatusCode::kInvalidArgument: return ErrorCode::kInvalidArgument;
        case StatusCode::kDeadlineExceeded: return ErrorCode::kTimedOut;
        case StatusCode::kNotFound: return ErrorCode::kNotFound;
        case StatusCode::kAlreadyExists: return ErrorCode::kAlreadyExists;
        case StatusCode::kPermissionDenied: return ErrorCode::kPermissionDenied;
        case StatusCode::kResourceExhausted: return ErrorCode::kNoSpace;
        case StatusCode::kFailedPrecondition: return ErrorCode::kFailedPrecondition;
        case StatusCode::kAborted: return ErrorCode::kUnavailable;
        case StatusCode::kOutOfRange: return ErrorCode::kTruncated;
        case StatusCode::kUnimplemented: return ErrorCode::kUnsupported;
        case StatusCode::kInternal: return ErrorCode::kInternal;
        case StatusCode::kUnavailable: return ErrorCode::kUnavailable;
        case StatusCode::kDataLoss: return ErrorCode::kCorrupt;
        case StatusCode::kUnauthenticated: return ErrorCode::kUnauthenticated;
    }
    return ErrorCode::kInternal;
}

Fate fate_of(StatusCode code) {
    switch (code) {
        case StatusCode::kCancelled:
        case StatusCode::kUnknown:
        case StatusCode::kDeadlineExceeded:
        case StatusCode::kAborted:
        case StatusCode::kInternal:
        case StatusCode::kUnavailable:
        case StatusCode::kDataLoss: return Fate::kUnknown;
        default: return Fate::kNotApplied;
    }
}

StatusCode status_of(const Error& error) {
    const StatusCode status = to_status(error.code());
    if (error.fate() == Fate::kUnknown && fate_of(status) != Fate::kUnknown) return StatusCode::kInternal;
    return status;
}

}  // namespace millrace::rpc
