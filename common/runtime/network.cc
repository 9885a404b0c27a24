// SPDX-License-Identifier: Apache-2.0
//
// Endpoints as text.
#include "common/runtime/network.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace millrace {

namespace {

// The longest DNS name.
constexpr std::size_t kHostBytesMax = 253;

Error bad_endpoint(std::string_view text, std::string_view why) {
    std::string shown{text.substr(0, 300)};
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return Error{ErrorCode::kInvalidArgument,
                 "'" + shown + "' is not HOST:PORT: " + std::string{why}};
}

bool legal_in_host(char c, bool bracketed) {
    const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return alphanumeric || c == '.' || c == '-' || c == '_' || (bracketed && (c == ':' || c == '%'));
}

}  // namespace

std::string Endpoint::to_string() const {
    const bool ipv6 = host.find(':') != std::string::npos;
    return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Endpoint> Endpoint::parse(std::string_view text, bool allow_port_zero) {
    std::string_view host;
    std::string_view port_text;
    const bool bracketed = text.starts_with('[');
    if (bracketed) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return bad_endpoint(text, "the bracket is not closed");
        host = text.substr(1, end - 1);
        port_text = text.substr(end + 1);
        if (!port_text.starts_with(':')) return bad_endpoint(text, "the port is missing");
        port_text.remove_prefix(1);
        if (host.find(':') == std::string_view::npos) return bad_endpoint(text, "brackets are for IPv6 addresses");
    } else {
        const std::size_t colon = text.find(':');
        if (colon == std::string_view::npos) return bad_endpoint(text, "the port is missing");
        if (text.find(':', colon + 1) != std::string_view::npos) {
            return bad_endpoint(text, "an IPv6 address goes in brackets, as in [::1]:9090");
        }
        host = text.substr(0, colon);
        port_text = text.substr(colon + 1);
    }
    if (host.empty()) return bad_endpoint(text, "the host is missing");
    if (host.size() > kHostBytesMax) return bad_endpoint(text, "the host is longer than 253 characters");
    if (!std::all_of(host.begin(), host.end(), [&](char c) { return legal_in_host(c, bracketed); })) {
        return bad_endpoint(text, "the host has an illegal character");
    }
    std::uint16_t port = 0;
    const char* const port_end = port_text.data() + port_text.size();
    const auto [parsed_to, error] = std::from_chars(port_text.data(), port_end, port);
    const std::uint16_t lowest = allow_port_zero ? 0 : 1;
    if (port_text.empty() || error != std::errc{} || parsed_to != port_end || port < lowest) {
        return bad_endpoint(text, allow_port_zero ? "the port is a number from 0 to 65535"
                                                  : "the port is a number from 1 to 65535");
    }
    return Endpoint{std::string{host}, port};
}

}  // namespace millrace
