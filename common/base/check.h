// SPDX-License-Identifier: Apache-2.0
//
// MR_CHECK states what cannot be false in correct code. It stays on in release builds and stops
// the process: going on with a broken invariant could write lies to disk. Bytes from disk or
// network are never checked this way; they are kCorrupt or kBadRequest.
#pragma once

namespace millrace {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace millrace

#define MR_CHECK(expression)                                                    \
    do {                                                                        \
        if (!(expression)) [[unlikely]]                                         \
            ::millrace::check_failed(#expression, __FILE__, __LINE__);          \
    } while (false)
