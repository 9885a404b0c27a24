// SPDX-License-Identifier: Apache-2.0
//
// The service's calls as handlers of bytes, by the names under which clients call them.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "common/rpc/rpc.h"
#include "controller/service/service.h"

namespace millrace::controller::service {

// `service` outlives every call of every handler.
std::map<std::string, rpc::Handler> handlers(Service& service);

// Answers UNIMPLEMENTED with a sentence that names the call.
rpc::Handler otherwise();

// What a call needs to be allowed to, once somebody checks. Every call of the protocol has an entry.
enum class Permission : std::uint8_t { kNone, kRead, kReadUpdate };
enum class Resource : std::uint8_t { kNone, kRoot, kScope, kStream, kKeyValueTable };
struct Access {
    std::string_view method;
    Permission permission;
    Resource resource;
};
std::span<const Access> access_table();

}  // namespace millrace::controller::service
