// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/rocksdb/errors.h"

#include <string>

namespace millrace::keyvalue {

namespace {

ErrorCode code_of(const rocksdb::Status& status) {
    switch (status.code()) {
        case rocksdb::Status::kCorruption: return ErrorCode::kCorrupt;
        case rocksdb::Status::kNotFound: return ErrorCode::kNotFound;
        case rocksdb::Status::kIOError:
            if (status.subcode() == rocksdb::Status::kNoSpace) return ErrorCode::kNoSpace;
            // RocksDB knows by its manifest which files there must be.
            if (status.subcode() == rocksdb::Status::kPathNotFound) return ErrorCode::kCorrupt;
            // No subcode tells this one.
            if (status.ToString().find("Permission denied") != std::string::npos) return ErrorCode::kPermissionDenied;
            return ErrorCode::kIo;
        case rocksdb::Status::kInvalidArgument:
        case rocksdb::Status::kNotSupported: return ErrorCode::kUnsupported;
        case rocksdb::Status::kShutdownInProgress: return ErrorCode::kClosed;
        case rocksdb::Status::kBusy:
        case rocksdb::Status::kTryAgain:
        case rocksdb::Status::kTimedOut: return ErrorCode::kUnavailable;
        default: return ErrorCode::kInternal;
    }
}

}  // namespace

Error to_error(const rocksdb::Status& status, std::string_view what) {
    return {code_of(status), std::string{what} + ": " + status.ToString()};
}

bool must_wait(const rocksdb::Status& status) { return status.IsIncomplete(); }

}  // namespace millrace::keyvalue
