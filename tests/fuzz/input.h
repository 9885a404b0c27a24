// SPDX-License-Identifier: Apache-2.0
//
// What the entries do with their input before it is decoded.
// Thread rule: pure.
#pragma once

#include <algorithm>

#include "common/base/bytes.h"
#include "common/base/error.h"

namespace millrace::fuzz {

// Of exactly its own size on the heap: a step beyond it is seen.
inline ByteBuffer own_buffer(ByteView bytes) {
    ByteBuffer copy(bytes.size());
    std::ranges::copy(bytes, copy.begin());
    copy.shrink_to_fit();
    return copy;
}
inline Bytes own_copy(ByteView bytes) { return Bytes{own_buffer(bytes)}; }

// A field in the order of this machine, as its files have it; nothing where the buffer has already ended.
template <class T>
void overwrite(ByteBuffer& into, std::size_t at, T value) {
    if (at + sizeof value <= into.size()) std::memcpy(into.data() + at, &value, sizeof value);
}

// What is refused is damaged, or of a version that nobody knows.
inline void check_refusal(const Error& error) {
    MR_CHECK(error.is(ErrorCode::kCorrupt) || error.is(ErrorCode::kUnsupported));
}

}  // namespace millrace::fuzz
