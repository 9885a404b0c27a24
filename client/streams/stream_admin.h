// SPDX-License-Identifier: Apache-2.0
//
// What the stream manager does, as coroutines: controller calls, and segment lengths from the segment
// stores.
// Thread rule: executor-confined. Lifetime: the client core outlives every call.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/client_core.h"
#include "common/wire/messages.h"
#include "millrace/stream_manager.h"

namespace millrace::client {

class StreamAdmin {
public:
    explicit StreamAdmin(ClientCore& client) : client_{client} {}

    Task<Result<bool>> create_scope(std::string scope);
    Task<Result<std::vector<std::string>>> list_scopes();
    Task<Result<void>> delete_scope(std::string scope);
    Task<Result<bool>> create_stream(StreamName stream, StreamConfig config);
    Task<Result<std::vector<std::string>>> list_streams(std::string scope);
    Task<Result<StreamDescription>> describe(StreamName stream);
    Task<Result<std::vector<EpochDescription>>> epochs(StreamName stream, std::size_t at_most);
    Task<Result<StreamConfig>> configuration(StreamName stream);
    Task<Result<void>> update_configuration(StreamName stream, StreamConfig config);
    Task<Result<void>> truncate(StreamName stream, Position begin);
    Task<Result<void>> scale(StreamName stream, std::vector<SegmentId> sealed, std::vector<KeyRange> ranges);
    Task<Result<void>> seal(StreamName stream);
    Task<Result<void>> remove(StreamName stream);
    Task<Result<Position>> head(StreamName stream);
    Task<Result<Position>> tail(StreamName stream);

private:
    Task<Result<wire::StreamSegmentInfo>> segment_info(StreamName stream, SegmentId segment);
    // In the order of `segments`; several at a time.
    Task<Result<std::vector<wire::StreamSegmentInfo>>> segment_infos(StreamName stream, std::vector<SegmentId> segments);
    // The newest epoch that has segments.
    Task<Result<StreamEpoch>> newest_epoch(StreamName stream);
    // The key range of every segment of a position, from the epochs that made them.
    Task<Result<std::map<SegmentId, KeyRange>>> ranges_of(Position position);
    // Those of every segment of a position.
    Task<Result<std::vector<Successor>>> successors_of(Position position);
    // The segments that nothing follows: those of the last epoch, of a sealed stream too.
    Task<Result<std::vector<SegmentId>>> last_segments(StreamName stream);

    ClientCore& client_;
};

// The public manager, blocking.
std::unique_ptr<StreamManager> make_stream_manager(ClientCore& client);

// The ranges as one, when they touch without gap or overlap; for telling whether two sets cover the
// same keys. Neighbouring bounds must be equal to the bit.
Result<std::vector<KeyRange>> merged_ranges(std::vector<KeyRange> ranges);

}  // namespace millrace::client
