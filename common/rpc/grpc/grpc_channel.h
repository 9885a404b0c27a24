// SPDX-License-Identifier: Apache-2.0
//
// A generic gRPC client. Thread rule: as Channel, on the runtime's executor.
#pragma once

#include <memory>

#include "common/rpc/grpc/poller.h"
#include "common/rpc/rpc.h"
#include "common/runtime/runtime.h"

namespace millrace::rpc {

// `poller`: of a client's queue; shared by channels.
std::unique_ptr<Channel> make_grpc_channel(Runtime runtime, std::shared_ptr<Poller> poller, Endpoint target);

}  // namespace millrace::rpc
