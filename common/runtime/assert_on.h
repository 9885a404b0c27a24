// SPDX-License-Identifier: Apache-2.0
//
// MR_ASSERT_ON(executor): this code runs on `executor`, as its thread rule says. On in all builds: it costs a look at
// thread-local state. Not for the innermost loops.
#pragma once

#include "common/base/check.h"
#include "common/runtime/executor.h"

namespace millrace {

// Whether the calling thread runs `executor` now. True for an executor of a kind that cannot tell.
bool runs_on(const Executor& executor);

}  // namespace millrace

#define MR_ASSERT_ON(executor) MR_CHECK(::millrace::runs_on(executor) && "MR_ASSERT_ON")
