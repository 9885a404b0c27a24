// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/frame_call.h"

#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>

#include "tests/bench/bench.h"

namespace millrace::bench {

void send_all(int socket, ByteView bytes) {
    while (!bytes.empty()) {
        bytes =
            bytes.subspan(static_cast<std::size_t>(checked(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL))));
    }
}

void receive_all(int socket, MutableByteView into) {
    while (!into.empty()) {
        const ssize_t got = checked(::recv(socket, into.data(), into.size(), 0));
        if (got == 0) {
            std::fprintf(stderr, "the server ended the connection\n");
            std::exit(1);
        }
        into = into.subspan(static_cast<std::size_t>(got));
    }
}

ByteBuffer receive_frame(int socket, wire::FrameType expected) {
    ByteBuffer header(wire::kFrameHeaderBytes);
    receive_all(socket, header.mutable_view());
    const wire::FrameHeader answer = wire::read_frame_header(header.view());
    ByteBuffer payload(static_cast<std::size_t>(answer.length));
    receive_all(socket, payload.mutable_view());
    if (answer.type != expected) {
        std::fprintf(stderr, "unexpected reply: %s instead of %s\n", wire::to_string(answer.type).c_str(),
                     wire::to_string(expected).c_str());
        std::exit(1);
    }
    return payload;
}

void say_hello(int socket) {
    (void)call(socket, wire::Hello{.high_version = 16, .low_version = 5}, wire::FrameType::kHello);
}

}  // namespace millrace::bench
