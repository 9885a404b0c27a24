// SPDX-License-Identifier: Apache-2.0
//
// What the measuring programs share: sockets by plain system calls, and the figures of several rounds.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

namespace millrace::bench {

using SteadyClock = std::chrono::steady_clock;

inline double seconds_between(SteadyClock::time_point from, SteadyClock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

// The result of a system call; a failure ends the program.
template <class T>
T checked(T result) {
    if (result < 0) {
        std::perror(program_invocation_short_name);
        std::exit(1);
    }
    return result;
}

inline void set_socket_options(int fd) {
    const int one = 1;
    checked(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
}

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

inline int connect_loopback(std::uint16_t port) {
    const int fd = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    checked(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    set_socket_options(fd);
    return fd;
}

// REQUIRES: not empty.
inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}
inline std::pair<double, double> spread(const std::vector<double>& values) {
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    return {*least, *most};
}

}  // namespace millrace::bench
