// SPDX-License-Identifier: Apache-2.0
//
// Rpc over gRPC: one generic server and one generic stub carry every call as bytes. The library's
// threads do nothing of ours but post to the executor.
#pragma once

#include <memory>

#include "common/rpc/rpc.h"
#include "common/runtime/runtime.h"

namespace millrace::rpc {

// Servers and channels made by it belong to the runtime's executor and must be closed, and their
// close() awaited, before they are destroyed. They may outlive the Rpc itself.
std::unique_ptr<Rpc> make_grpc_rpc(Runtime runtime);

}  // namespace millrace::rpc
