// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/grpc/connect_failure.h"

namespace millrace::rpc {

std::string connect_failure(const std::string& address, std::string_view library_text) {
    const auto says = [&](std::string_view part) { return library_text.find(part) != std::string_view::npos; };
    if (says("Connection refused")) return "nothing listens at " + address + " (connection refused)";
    if (says("Failed parsing HTTP/2") || says("http1.x"))
        return "what listens at " + address + " does not speak gRPC; is it another port?";
    if (says("before receiving SETTINGS frame")) {
        return "what listens at " + address +
               " takes connections and says nothing; is it another port, or a server that hangs?";
    }
    if (says("DNS resolution failed")) return "the name in " + address + " is not known to this machine";
    if (says("Socket closed") || says("Connection reset"))
        return "the connection to " + address + " broke; did a server end there, or is it another port?";
    return address + " cannot be reached: " + std::string{library_text};
}

}  // namespace millrace::rpc
