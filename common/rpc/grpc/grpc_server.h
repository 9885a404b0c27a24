// SPDX-License-Identifier: Apache-2.0
//
// A generic gRPC server. Thread rule: as Server, on the runtime's executor.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/rpc/rpc.h"
#include "common/runtime/runtime.h"

namespace millrace::rpc {

Result<std::unique_ptr<Server>> start_grpc_server(Runtime runtime, Endpoint listen,
                                                  std::map<std::string, Handler> handlers, Handler otherwise);

}  // namespace millrace::rpc
