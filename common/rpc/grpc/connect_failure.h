// SPDX-License-Identifier: Apache-2.0
//
// Why there is no connection, in words for a human. The library tells it only as text that is not promised to anybody,
// so what is not recognized is passed on as it came. Pure.
#pragma once

#include <string>
#include <string_view>

namespace millrace::rpc {

// "nothing listens at 127.0.0.1:9090 (connection refused)"
std::string connect_failure(const std::string& address, std::string_view library_text);

}  // namespace millrace::rpc
