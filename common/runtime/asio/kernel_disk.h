// SPDX-License-Identifier: Apache-2.0
//
// Files through POSIX calls on a pool of threads. A call is one hop to the pool and one back.
#pragma once

#include <memory>

#include "common/runtime/disk.h"

namespace millrace {

class BlockingPool;

// The pool outlives the disk and its files. Use the disk from any executor.
std::unique_ptr<Disk> make_kernel_disk(BlockingPool& pool);

}  // namespace millrace
