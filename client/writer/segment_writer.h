// SPDX-License-Identifier: Apache-2.0
//
// Writes one segment's blocks over a connection of its own, exactly once: blocks are kept until they
// are acknowledged, and after a reconnect the segment store's last event number of this writer says
// which of them it already has (docs/protocol/wire.md, "Writers").
// Thread rule: executor-confined. Lifetime: what work() began must have ended before destruction.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "client/control/controller_client.h"
#include "client/segment/retry.h"
#include "client/segment/segment_link.h"
#include "client/writer/staging.h"
#include "common/runtime/signal.h"

namespace millrace::client {

class WriterCore;

class SegmentWriter {
public:
    SegmentWriter(WriterCore& owner, SegmentRange segment, WriterId id, std::int64_t request_id);

    const SegmentRange& segment() const { return segment_; }

    // Something may have been staged: sends it, or gets what is needed to send it.
    void work();
    // Ends what work() began soon.
    void interrupt();
    // It has: the object may be destroyed.
    bool ended() const { return !running_; }
    // Whether blocks were sent of which nobody has said what became of them.
    bool waits_for_acknowledgements() const { return !unacknowledged_.empty(); }
    // Blocks sent and not acknowledged, now the caller's.
    std::deque<BlockPtr> surrender();

private:
    // What ended a connection.
    enum class End : std::uint8_t {
        kBroken,  // connect again
        kSealed,  // the segment takes no more
        kGone,    // there is no such segment, or no more
        kFatal,   // the writer cannot go on
    };
    struct Ending {
        End end;
        Error error;
    };

    Task<void> run();
    Task<Ending> one_connection();
    // Nothing while the connection may go on.
    std::optional<Ending> handle(const wire::Message& message);
    std::optional<Ending> handle_setup(const wire::AppendSetup& setup);
    std::optional<Ending> handle_acknowledgement(const wire::DataAppended& appended);
    Ending broken(std::string detail) const;
    void pump();
    void acknowledge_up_to(std::int64_t event_number);
    // The store has the first events of the block only: keeps the others.
    void split_front(std::int64_t last_stored);
    bool has_work();

    WriterCore& owner_;
    const SegmentRange segment_;
    const std::string name_;
    const WriterId id_;
    const std::int64_t request_id_;  // the same for all of them, as one connection serves one writer

    std::deque<BlockPtr> unacknowledged_;  // sent, or to be sent again, in order
    std::size_t unacknowledged_bytes_ = 0;
    std::int64_t last_number_ = 0;  // of the newest event that has a number

    std::unique_ptr<SegmentLink> link_;
    bool ready_ = false;  // the store knows the writer on this connection
    bool was_ready_ = false;
    bool refresh_location_ = false;
    bool running_ = false;
    Signal work_;
    Retry retry_;
};

}  // namespace millrace::client
