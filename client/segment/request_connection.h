// SPDX-License-Identifier: Apache-2.0
//
// A connection that carries many requests at once; replies find their request by its id and may come
// in any order. For metadata and reads.
// Thread rule: executor-confined. Lifetime: close() must have completed before destruction.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>

#include "client/segment/segment_link.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"

namespace millrace::client {

// The request that a reply answers.
wire::RequestId request_id_of(const wire::Message& message);

class RequestConnection {
public:
    RequestConnection(Runtime runtime, std::unique_ptr<SegmentLink> link);

    // Sends `request`, whose request id is `id`, and waits for the reply with that id.
    // Errors: kUnavailable (broken; fate unknown), kTimedOut, kClosed. REQUIRES: no other request
    // with this id is under way; the object outlives the call.
    Task<Result<wire::Message>> call(wire::Message request, wire::RequestId id, Deadline deadline);

    bool over() const { return over_.has_value(); }
    const std::string& peer() const { return link_->peer(); }

    // Ends all calls.
    Task<void> close();

private:
    using Reply = OneShot<Result<wire::Message>>;

    Task<void> receive_loop();
    void end(Error reason);

    Runtime runtime_;
    std::unique_ptr<SegmentLink> link_;
    std::unordered_map<wire::RequestId, Reply*> waiting_;  // the replies live in the frames of call()
    std::optional<Error> over_;
    Gate gate_;
};

}  // namespace millrace::client
