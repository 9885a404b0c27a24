// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/write_batch.h"

#include <algorithm>
#include <limits>

namespace millrace::keyvalue {

void WriteBatch::add(Kind kind, std::string_view key, std::string_view value) {
    MR_CHECK(key.size() <= std::numeric_limits<std::uint32_t>::max());
    MR_CHECK(value.size() <= std::numeric_limits<std::uint32_t>::max());
    entries_.push_back(
        {kind, static_cast<std::uint32_t>(key.size()), static_cast<std::uint32_t>(value.size())});
    memory_.append(as_bytes(key));
    memory_.append(as_bytes(value));
    key_bytes_most_ = std::max(key_bytes_most_, key.size());
    // The end of a range is a key.
    if (kind == Kind::kRemoveRange) key_bytes_most_ = std::max(key_bytes_most_, value.size());
    else value_bytes_most_ = std::max(value_bytes_most_, value.size());
}

void WriteBatch::append(const WriteBatch& other) {
    other.for_each([this](Kind kind, std::string_view key, std::string_view value) { add(kind, key, value); });
}

}  // namespace millrace::keyvalue
