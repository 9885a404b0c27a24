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
//   delete   its marks, a stream as well, gone
//            segments of all epochs deleted   -> only metadata left
//            history removed                  -> the record is gone, its numbers are remembered
//
// Thread rule: one executor. Lifetime: store and segments outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/model/segment_name.h"
#include "common/runtime/runtime.h"
#include "controller/segments/segments.h"
#include "controller/store/stream_store.h"
#include "controller/stream/cut.h"

namespace millrace::controller::workflow {

// What a step leaves to do.
struct Progress {
    bool done = false;                // the stream has no intent left, or is gone
    std::optional<StreamName> after;  // not before this stream has no intent left

    static Progress all() { return {true, std::nullopt}; }
    static Progress more() { return {false, std::nullopt}; }
    static Progress more_after(StreamName other) { return {false, std::move(other)}; }
};

class Steps {
public:
    Steps(Runtime runtime, store::StreamStore& store, segments::Segments& segments)
        : runtime_{runtime}, store_{store}, segments_{segments} {}

    using SegmentCall = std::function<Task<Result<void>>(std::string segment, Deadline deadline)>;

    // One step. An error: try again later.
    Task<Result<Progress>> next(StreamName name);

private:
    Task<Result<Progress>> create(StreamName name, store::StoredStream stream);
    Task<Result<Progress>> scale(StreamName name, store::StoredStream stream);
    Task<Result<Progress>> update(StreamName name, store::StoredStream stream);
    Task<Result<Progress>> truncate(StreamName name, store::StoredStream stream);
    Task<Result<Progress>> seal(StreamName name, store::StoredStream stream);
    Task<Result<Progress>> remove(StreamName name, store::StoredStream stream);
    // Whether the stream is gone; otherwise it is being deleted now, or something else has to end first.
    Task<Result<bool>> remove_companion(StreamName name);

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
