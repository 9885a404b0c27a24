// SPDX-License-Identifier: Apache-2.0
//
// What a controller asks of the segment store. Every call may be repeated: what is there already, or
// gone already, is success.
// Thread rule: one executor.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.h"
#include "common/runtime/deadline.h"
#include "common/runtime/task.h"

namespace millrace::controller::segments {

struct CreateOptions {
    std::int8_t scale_type = 0;  // 0 none, 1 KB/s, 2 events/s
    std::int32_t target_rate = 0;
    std::int64_t rollover_bytes = 0;  // 0: the store's choice
    bool operator==(const CreateOptions&) const = default;
};

// Errors: kUnavailable and kTimedOut (fate unknown; repeat), kWrongHost (repeat), kClosed,
// kUnauthenticated, kNotFound (no such segment; not of create and remove), kInternal (the store's own words).
class Segments {
public:
    virtual ~Segments() = default;

    virtual Task<Result<void>> create(std::string segment, CreateOptions options, Deadline deadline) = 0;
    virtual Task<Result<void>> seal(std::string segment, Deadline deadline) = 0;
    // What lies before `offset` goes. An offset that the segment does not have, and one that is gone already, change nothing.
    virtual Task<Result<void>> truncate(std::string segment, std::int64_t offset, Deadline deadline) = 0;
    virtual Task<Result<void>> remove(std::string segment, Deadline deadline) = 0;

    // Bytes that were ever written to it, truncated ones too.
    virtual Task<Result<std::int64_t>> length(std::string segment, Deadline deadline) = 0;
};

}  // namespace millrace::controller::segments
