// SPDX-License-Identifier: Apache-2.0
//
// The handshake of the data port: the client speaks first, the server answers, and both look
// whether they have a version in common (docs/protocol/wire.md, "Hello").
// Thread rule: the connection's executor.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "common/runtime/deadline.h"
#include "common/transport/connection.h"
#include "common/wire/messages.h"

namespace millrace::transport {

// What both our ends announce: layouts up to wire version 16 are written, those since 5 understood.
inline constexpr wire::Hello kOurHello{.high_version = 16, .low_version = 5};

// kUnsupported says which versions met which.
Result<void> check_compatible(const wire::Hello& peer);

// The client's part: sends our Hello and waits for a compatible answer. Returns the frames that came
// with the answer, if any. After an error the connection is over. `connection` lives until the end.
// Errors: kTimedOut; kBadRequest (another frame came first); kUnsupported; as Connection::receive.
Task<Result<std::vector<wire::Frame>>> client_hello(Connection& connection, Deadline deadline);

// The server's part, whenever a Hello arrives: answers it. After an error the server closes the
// connection, having let the answer out (close_after_drain).
Result<void> answer_hello(Connection& connection, const wire::Hello& peer);

}  // namespace millrace::transport
