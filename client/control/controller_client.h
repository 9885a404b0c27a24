// SPDX-License-Identifier: Apache-2.0
//
// The controller's calls as our values: one method for each call that the client makes, with the
// statuses of docs/protocol/controller.md turned into results, and with retries.
// Thread rule: executor-confined. Lifetime: close() must have completed before destruction.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/key_range.h"
#include "common/model/segment_name.h"
#include "common/rpc/rpc.h"
#include "common/runtime/runtime.h"
#include "millrace/stream_config.h"

namespace millrace::client {

struct SegmentRange {
    SegmentId id;
    KeyRange range;
    bool operator==(const SegmentRange&) const = default;
};

// A segment that took over keys, and all segments that it took keys from.
struct Successor {
    SegmentRange segment;
    std::vector<SegmentId> predecessors;
    bool operator==(const Successor&) const = default;
};

// How long a call is tried, and how long an attempt may wait for its reply beyond that.
struct Patience {
    std::chrono::nanoseconds tries;
    std::chrono::nanoseconds reply;
};

class ControllerClient {
public:
    ControllerClient(Runtime runtime, std::unique_ptr<rpc::Channel> channel, Endpoint address,
                     std::chrono::nanoseconds connect_timeout);

    // For calls that answer at once.
    Patience normally() const { return {connect_timeout_, std::chrono::nanoseconds{0}}; }
    // For calls that complete with a workflow.
    Patience for_workflow() const { return {connect_timeout_, std::chrono::minutes{2}}; }
    // For callers that retry by themselves.
    Patience briefly() const;

    // Every call: kUnavailable (names the address and how long it was tried), kNotFound, others as
    // the controller answers. A stream that is missing is always kNotFound naming it.

    Task<Result<bool>> create_scope(std::string scope);  // false: it was there
    Task<Result<std::vector<std::string>>> list_scopes();
    // kFailedPrecondition: not empty.
    Task<Result<void>> delete_scope(std::string scope);
    Task<Result<bool>> create_stream(StreamName stream, StreamConfig config);
    Task<Result<std::vector<std::string>>> list_streams(std::string scope);
    Task<Result<StreamConfig>> configuration(StreamName stream);
    // What the configuration has besides stays as it is. kSealed, kFailedPrecondition.
    Task<Result<void>> update_configuration(StreamName stream, StreamConfig config);
    // `cut`: as the protocol has it; a negative offset waits for other segments. kSealed, kFailedPrecondition.
    Task<Result<void>> truncate(StreamName stream, std::map<SegmentId, std::int64_t> cut);
    Task<Result<void>> seal(StreamName stream);
    // kFailedPrecondition: not sealed.
    Task<Result<void>> remove(StreamName stream);
    // The epoch that the scale leaves. kFailedPrecondition.
    Task<Result<StreamEpoch>> start_scale(StreamName stream, std::vector<SegmentId> sealed, std::vector<KeyRange> ranges);
    // Whether the stream has left the epoch.
    Task<Result<bool>> scale_done(StreamName stream, StreamEpoch epoch);

    // By range; none when the stream is sealed.
    Task<Result<std::vector<SegmentRange>>> current_segments(StreamName stream, Patience patience);
    // By range. kNotFound: there is no such epoch, or no such stream.
    Task<Result<std::vector<SegmentRange>>> epoch_segments(StreamName stream, StreamEpoch epoch);
    // Where the stream begins now; segments that only follow on others are left out.
    Task<Result<std::map<SegmentId, std::int64_t>>> head(StreamName stream);
    // None: the segment is current, or the stream is sealed.
    Task<Result<std::vector<Successor>>> successors(StreamName stream, SegmentId segment, Patience patience);
    Task<Result<Endpoint>> segment_endpoint(StreamName stream, SegmentId segment, Patience patience);

    Task<void> close() { co_await channel_->close(); }

private:
    Task<Result<std::string>> invoke(std::string_view name, std::string body, Patience patience);
    // The reply as a `Reply`, a message of the .cc.
    template <class Reply, class Ask>
    Task<Result<Reply>> ask(std::string_view name, Ask request, Patience patience);
    template <class Reply, class Ask>
    Task<Result<Reply>> ask_about(StreamName stream, std::string_view name, Ask request, Patience patience);

    Runtime runtime_;
    std::unique_ptr<rpc::Channel> channel_;
    const std::string address_;
    const std::chrono::nanoseconds connect_timeout_;
};

}  // namespace millrace::client
