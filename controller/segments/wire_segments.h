// SPDX-License-Identifier: Apache-2.0
//
// Segments over the data port (docs/protocol/wire.md): one connection, made when first needed, on
// which requests are pipelined and told apart by their ids. A broken connection fails what was
// outstanding on it; the next call connects again.
// Thread rule: one executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/runtime/gate.h"
#include "common/runtime/runtime.h"
#include "common/runtime/signal.h"
#include "common/transport/connection.h"
#include "common/wire/messages.h"
#include "controller/segments/segments.h"

namespace millrace::controller::segments {

class WireSegments final : public Segments {
public:
    WireSegments(Runtime runtime, Endpoint store);
    ~WireSegments() override;

    Task<Result<void>> create(std::string segment, CreateOptions options, Deadline deadline) override;
    Task<Result<void>> seal(std::string segment, Deadline deadline) override;
    Task<Result<void>> truncate(std::string segment, std::int64_t offset, Deadline deadline) override;
    Task<Result<void>> remove(std::string segment, Deadline deadline) override;
    Task<Result<std::int64_t>> length(std::string segment, Deadline deadline) override;

    // Outstanding and later calls end with kClosed.
    Task<void> close();

private:
    using Reply = OneShot<Result<wire::Message>>;
    struct Link;

    // Sends `message` with a fresh request id and waits for the reply to it.
    template <class Message>
    Task<Result<wire::Message>> ask(Message message, Deadline deadline);
    Task<Result<std::shared_ptr<Link>>> link(Deadline deadline);
    Task<void> read_replies(std::shared_ptr<Link> link);

    Runtime runtime_;
    const Endpoint store_;
    std::shared_ptr<Link> link_;
    bool connecting_ = false;
    Signal connected_;
    wire::RequestId last_request_id_ = 0;
    bool closed_ = false;
    Gate gate_;
};

}  // namespace millrace::controller::segments
