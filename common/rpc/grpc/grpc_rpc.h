// SPDX-License-Identifier: Apache-2.0
//
// Rpc over gRPC: one generic server and one generic stub carry every call as bytes. The library's
// threads do nothing of ours but post to the executor.
#pragma once

#include <memory>

#include "common/rpc/rpc.h"
#include "common/runtime/runtime.h"

namespace millrace::rpc {

// Calls that a server has at once, and the bytes of their requests; what is beyond is refused with
// RESOURCE_EXHAUSTED.
inline constexpr std::size_t kMaxRunningCalls = 4096;
inline constexpr std::size_t kMaxRunningBytes = 64 * 1024 * 1024;

// Servers and channels made by it belong to the runtime's executor and must be closed, and their
// close() awaited, before they are destroyed. They may outlive the Rpc itself.
std::unique_ptr<Rpc> make_grpc_rpc(Runtime runtime);

}  // namespace millrace::rpc
