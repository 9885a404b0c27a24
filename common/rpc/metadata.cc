// SPDX-License-Identifier: Apache-2.0
//
// The library ends the process when it is given a header that HTTP/2 does not allow, so none gets there.
#include "common/rpc/rpc.h"

namespace millrace::rpc {

namespace {

bool is_key_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool is_key(std::string_view key) {
    for (const char c : key) {
        if (!is_key_character(c)) return false;
    }
    for (const std::string_view taken : {"connection", "content-type", "host", "te", "transfer-encoding", "user-agent"}) {
        if (key == taken) return false;
    }
    return !key.empty() && !key.starts_with("grpc-") && !key.ends_with("-bin");
}

bool is_value(std::string_view value) {
    for (const char c : value) {
        if (c < 0x20 || c > 0x7e) return false;
    }
    return value.empty() || (value.front() != ' ' && value.back() != ' ');
}

}  // namespace

Result<void> check_metadata(const Metadata& metadata) {
    std::size_t bytes = 0;
    for (const auto& [key, value] : metadata) {
        if (!is_key(key)) {
            return Error{ErrorCode::kInvalidArgument, "'" + key + "' cannot be a key of metadata: a-z 0-9 - _ . without grpc- "
                                                      "at the begin and -bin at the end, and no header of HTTP's own"};
        }
        if (!is_value(value)) {
            return Error{ErrorCode::kInvalidArgument,
                         "the metadata of key '" + key + "' is not printable ASCII without blanks at its ends"};
        }
        bytes += key.size() + value.size();
    }
    if (bytes > kMaxMetadataBytes) {
        return Error{ErrorCode::kTooLarge, "metadata of " + std::to_string(bytes) + " bytes; at most " +
                                               std::to_string(kMaxMetadataBytes) + " go with a call"};
    }
    return ok();
}

}  // namespace millrace::rpc
