// SPDX-License-Identifier: Apache-2.0
//
// Records as values of nodes (docs/formats/controller-metadata.md). Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.h"
#include "common/metadata/tree_rules.h"

namespace millrace::controller::store {

// Of each record's layout. The first ones were written without: that is 0.
inline constexpr std::uint32_t kRecordVersion = 1;

template <class Record>
Result<Record> parsed(const std::string& path, const std::string& value) {
    Record record;
    if (!record.ParseFromString(value)) return Error{ErrorCode::kCorrupt, "the record at " + path + " cannot be read"};
    if (record.version() > kRecordVersion) {
        return Error{ErrorCode::kUnsupported, "the record at " + path + " has version " + std::to_string(record.version()) +
                                                  "; this one knows " + std::to_string(kRecordVersion)};
    }
    return record;
}

// The value to store.
template <class Record>
std::string stored(Record record) {
    record.set_version(kRecordVersion);
    return record.SerializeAsString();
}

inline Result<void> fits(const std::string& path, const std::string& value) {
    if (value.size() <= metadata::kMaxValueBytes) return ok();
    return Error{ErrorCode::kTooLarge, "the record at " + path + " would have " + std::to_string(value.size()) +
                                           " bytes; at most " + std::to_string(metadata::kMaxValueBytes)};
}

}  // namespace millrace::controller::store
