// SPDX-License-Identifier: Apache-2.0
//
// Requests on the data port and their replies, one after the other, by plain system calls that wait. An error ends the
// program.
#pragma once

#include "common/base/bytes.h"
#include "common/wire/messages.h"

namespace millrace::bench {

void send_all(int socket, ByteView bytes);
void receive_all(int socket, MutableByteView into);

// The payload of the next frame, which must be of this type.
ByteBuffer receive_frame(int socket, wire::FrameType expected);

// REQUIRES: nothing is under way on the connection.
template <class Request>
ByteBuffer call(int socket, const Request& request, wire::FrameType expected) {
    ByteBuffer out;
    wire::encode(request, out);
    send_all(socket, out.view());
    return receive_frame(socket, expected);
}

// The first words of a connection.
void say_hello(int socket);

}  // namespace millrace::bench
