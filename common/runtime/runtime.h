// SPDX-License-Identifier: Apache-2.0
//
// The seams, bundled: what an object is handed at construction. On a real machine they come from
// runtime/asio, in a simulation from tests/sim. All outlive whoever holds the bundle.
#pragma once

#include "common/runtime/blocking_pool.h"
#include "common/runtime/clock.h"
#include "common/runtime/deadline.h"
#include "common/runtime/disk.h"
#include "common/runtime/executor.h"
#include "common/runtime/network.h"
#include "common/runtime/random.h"

namespace millrace {

struct Runtime {
    Executor executor;  // the shard's
    Clock& clock;
    Disk& disk;
    Network& network;
    Random& random;
    BlockingPool& blocking;
    // For file systems that may hang for minutes, such as NFS: calls here never delay those on `disk`.
    Disk& remote_disk;
};

}  // namespace millrace
