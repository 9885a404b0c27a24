// SPDX-License-Identifier: Apache-2.0
//
// An event reader without the border to the application: one fetcher for each segment being read,
// which asks for the next bytes as soon as the last have come and there is room for them.
// Thread rule: executor-confined, except handover() and start_position().
// Lifetime: stop() must have completed before destruction.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "client/client_core.h"
#include "client/reader/handover.h"
#include "client/reader/run_cutter.h"
#include "client/reader/segment_graph.h"
#include "client/segment/retry.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "millrace/event_reader.h"

namespace millrace::client {

class ReaderCore : public std::enable_shared_from_this<ReaderCore> {
public:
    // kInvalidArgument, kNotFound, kUnavailable.
    static Task<Result<std::shared_ptr<ReaderCore>>> open(ClientCore& client, StreamName stream, ReaderOptions options);

    ReaderCore(ClientCore& client, StreamName stream, ReaderOptions options, Position start);
    ~ReaderCore();

    Handover& handover() { return handover_; }
    const Position& start_position() const { return start_; }

    // Fetchers that waited for room look again.
    void resume() { room_.notify_all(); }
    // Completes when something is handed over, or at `when`.
    Task<void> wait_arrived(MonotonicTime when) { co_await arrived_.wait_until(client_.runtime.clock, when); }
    Task<void> stop();

private:
    struct Fetcher {
        SegmentId segment;
        std::string name;
        std::int64_t offset = 0;  // of the next byte to ask for
        std::optional<std::int64_t> until;
        RunCutter cutter;
        std::shared_ptr<ReadAhead> read_ahead;
        Retry retry;
    };
    // What became of a segment, or of one read.
    enum class Progress : std::uint8_t { kMore, kEnded, kStop };

    Task<Result<void>> begin();
    void begin_fetching(SegmentId segment, std::int64_t offset);
    Task<void> fetch(std::shared_ptr<Fetcher> fetcher);
    // One read, or one pause after a failed one.
    Task<Progress> read_once(std::shared_ptr<Fetcher> fetcher);
    // A read was with a store from `asked` until now: waiting for events does not count as retrying.
    void waited_since(Fetcher& fetcher, MonotonicTime asked);
    Task<Progress> take_reply(std::shared_ptr<Fetcher> fetcher, wire::Message reply);
    // Hands over whole events; kStop when the bytes are no events.
    Progress take_data(Fetcher& fetcher, Bytes data);
    // A sealed segment has been read to its end; kStop when that lies inside an event.
    Progress at_end(const Fetcher& fetcher);
    Task<Progress> segment_missing(std::shared_ptr<Fetcher> fetcher);
    Task<void> segment_ended(SegmentId segment, bool at_until);
    // With retries; kClosed when the reader stops.
    Task<Result<std::vector<Successor>>> successors(SegmentId segment);
    // Whether the segment lies before `until`, wholly or in part.
    Task<Result<bool>> is_wanted(SegmentId segment);
    Task<bool> pause(std::chrono::nanoseconds duration);
    // Nothing more can be read.
    void fail(Error error);
    std::size_t read_ahead_bytes() const;

    ClientCore& client_;
    const StreamName stream_;
    const ReaderOptions options_;
    const Position start_;
    Handover handover_;
    // Of this reader only: a read that waits for new events ends with the connection.
    SegmentPool pool_;
    std::optional<SegmentGraph> graph_;
    std::map<SegmentId, bool> wanted_;  // answers of is_wanted()
    bool connected_before_ = false;
    bool stopping_ = false;
    Signal room_;
    Signal arrived_;
    Signal stop_;
    Gate gate_;
};

}  // namespace millrace::client
