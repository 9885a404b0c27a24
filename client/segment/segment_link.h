// SPDX-License-Identifier: Apache-2.0
//
// A connection to a segment store, seen as messages: says hello, keeps the connection alive, and
// ends it when the other side has been silent for too long (docs/protocol/wire.md).
// Thread rule: executor-confined. Lifetime: close() must have completed before destruction.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/runtime/runtime.h"
#include "common/transport/connection.h"
#include "common/wire/messages.h"

namespace millrace::client {

class SegmentLink {
public:
    // Connects and sends the hello, whose answer is checked when it comes: what is sent meanwhile
    // travels right behind it. kUnavailable, kTimedOut.
    // `resources`: shared with other connections, or null; outlive it.
    static Task<Result<std::unique_ptr<SegmentLink>>> open(Runtime runtime, Endpoint endpoint, Deadline deadline,
                                                           transport::ConnectionResources* resources = nullptr);

    SegmentLink(Runtime runtime, std::unique_ptr<ByteStream> stream, transport::ConnectionResources* resources);

    // At least one message, in order; hellos and keep-alives are taken care of here. One receive at
    // a time. Errors: as of transport::Connection; kUnavailable also for a frame that is no message,
    // which ends the connection; kUnsupported when the versions do not meet.
    Task<Result<std::vector<wire::Message>>> receive();

    void send(const wire::Message& message);
    void send(Bytes frames);

    // Ends receive(), without waiting.
    void shut(Error reason);
    Task<void> close();

    const std::string& peer() const;

private:
    transport::Connection connection_;
};

}  // namespace millrace::client
