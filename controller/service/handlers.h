// SPDX-License-Identifier: Apache-2.0
//
// The service's calls as handlers of bytes, by the names under which clients call them.
#pragma once

#include <map>
#include <string>

#include "common/rpc/rpc.h"
#include "controller/service/service.h"

namespace millrace::controller::service {

// `service` outlives every call of every handler.
std::map<std::string, rpc::Handler> handlers(Service& service);

// For every other call: UNIMPLEMENTED, with a sentence that names it.
rpc::Handler otherwise();

}  // namespace millrace::controller::service
