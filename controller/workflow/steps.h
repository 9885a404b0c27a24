// SPDX-License-Identifier: Apache-2.0
//
// What is to be done next for a stream, read from its record, and done. Each step may be repeated
// after any crash: effects on the segment store are idempotent, and the record moves on only by a
// compare-and-set after they succeeded.
//
//   create   segments made                    -> ACTIVE
//   scale    new segments made                -> published: clients are told of the successors
//            old segments sealed              -> the new epoch is current, ACTIVE
//   update   nothing, or                      -> ACTIVE
//            the segments do not fit          -> a scale of all of them
//   truncate segments before the head deleted,
//            those at the head cut off there  -> ACTIVE
//   seal     current segments sealed          -> SEALED
//   delete   segments of all epochs deleted   -> only metadata left
//            history removed                  -> the record is gone, its numbers are remembered
//
// Thread rule: one executor. Lifetime: store and segments outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/model/segment_name.h"
#include "common/runtime/runtime.h"
#include "controller/segments/segments.h"
#include "controller/store/stream_store.h"
#include "controller/stream/cut.h"

namespace millrace::controller::workflow {

enum class Progress : std::uint8_t { kMore, kDone };

class Steps {
public:
    Steps(Runtime runtime, store::StreamStore& store, segments::Segments& segments)
        : runtime_{runtime}, store_{store}, segments_{segments} {}

    using SegmentCall = std::function<Task<Result<void>>(std::string segment, Deadline deadline)>;

    // One step. kDone: the stream has no intent left, or is gone. An error: try again later.
    Task<Result<Progress>> next(StreamName name);

private:
    Task<Result<Progress>> create(StreamName name, store::StoredStream stream);
    Task<Result<Progress>> scale(StreamName name, store::StoredStream stream);
    Task<Result<Progress>> update(StreamName name, store::StoredStream stream);
    Task<Result<Progress>> truncate(StreamName name, store::StoredStream stream);
    Task<Result<Progress>> seal(StreamName name, store::StoredStream stream);
    Task<Result<Progress>> remove(StreamName name, store::StoredStream stream);

    Task<Result<void>> create_segments(StreamName name, std::vector<SegmentId> ids, records::ConfigRecord config);
    Task<Result<void>> seal_segments(StreamName name, std::vector<SegmentId> ids);
    Task<Result<void>> truncate_segments(StreamName name, stream::Cut head);
    Task<Result<void>> delete_segments(StreamName name, std::vector<SegmentId> ids);

    Task<Result<void>> call_all(StreamName name, std::vector<SegmentId> ids, SegmentCall call);

    Runtime runtime_;
    store::StreamStore& store_;
    segments::Segments& segments_;
};

}  // namespace millrace::controller::workflow
