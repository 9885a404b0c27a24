// SPDX-License-Identifier: Apache-2.0
//
// The same call for many segments, a bounded number of them at once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/task.h"

namespace millrace::controller::workflow {

inline constexpr std::size_t kSegmentsAtOnce = 64;

// Completes when every call has ended; after a failure no further ones are begun. The first error.
Task<Result<void>> for_all(std::vector<std::string> items, std::function<Task<Result<void>>(std::string)> act);

}  // namespace millrace::controller::workflow
