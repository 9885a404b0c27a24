// SPDX-License-Identifier: Apache-2.0
//
// An event writer without the border to the application: routes events to segment writers and hands
// sealed segments over to their successors.
// Thread rule: write(), begin_flush() and staging() from any thread; everything else on the executor.
// Lifetime: stop() must have completed before destruction.
#pragma once

#include <atomic>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "client/client_core.h"
#include "client/writer/segment_writer.h"
#include "client/writer/staging.h"
#include "common/runtime/gate.h"
#include "millrace/event_writer.h"

namespace millrace::client {

class WriterCore : public std::enable_shared_from_this<WriterCore> {
public:
    // kInvalidArgument, kNotFound, kSealed, kUnavailable.
    static Task<Result<std::shared_ptr<WriterCore>>> open(ClientCore& client, StreamName stream, WriterOptions options);

    WriterCore(ClientCore& client, StreamName stream, WriterOptions options, const std::vector<SegmentRange>& segments);
    ~WriterCore();

    // Any thread. On the executor's own thread it never waits and sends at once.
    Result<void> write(std::optional<double> position, std::string_view payload, EventWriter::Acknowledged acknowledged);
    // Never waits. False: there is no room.
    Result<bool> try_write(double position, std::string_view payload, EventWriter::Acknowledged acknowledged);
    Staging& staging() { return staging_; }
    EventWriter::Stats stats();

    // As Staging::wait_flushed, for coroutines.
    Task<Result<void>> flush(std::uint64_t flush);
    // Ends everything; events that are not acknowledged fail with kClosed.
    Task<void> stop();

private:
    friend class SegmentWriter;

    Result<bool> stage(std::optional<double> position, std::string_view payload, EventWriter::Acknowledged acknowledged,
                       Staging::WhenFull when_full);
    SegmentWriter& segment_writer(const SegmentRange& segment);
    void drain();

    // ---- For segment writers ----
    bool stopping() const { return stopping_; }
    // Completes early, with false, when the writer stops.
    Task<bool> pause(std::chrono::nanoseconds duration);
    // Calls the callbacks and takes the blocks off the account.
    void finish(std::deque<BlockPtr> blocks, const Result<void>& outcome);
    // The segment takes no more events: gives what it has not stored to its successors, or fails it
    // when there are none. Nothing, or the error that ends the writer. `gone`: it was deleted as well, so that nobody can
    // say any more what it had stored.
    Task<Result<void>> hand_over(SegmentWriter& sealed, bool gone);
    // The writer cannot go on: every outstanding event fails.
    void fail(Error error);
    // Stops the segment writers; what is outstanding is told `error`.
    void end(const Error& error);

    ClientCore& client_;
    const StreamName stream_;
    Staging staging_;

    std::unordered_map<SegmentId, SegmentRange> ranges_;
    std::unordered_map<SegmentId, std::unique_ptr<SegmentWriter>> segments_;
    std::vector<std::unique_ptr<SegmentWriter>> retired_;  // sealed, their coroutines about to end
    std::int64_t next_flow_ = 1;
    bool stopping_ = false;
    bool connected_before_ = false;  // any segment: the first contact has been made
    std::atomic<std::uint64_t> reconnects_ = 0;
    Signal stop_;
    Signal settled_;
    Gate gate_;
};

}  // namespace millrace::client
