// SPDX-License-Identifier: Apache-2.0
#include "controller/workflow/steps.h"

#include <chrono>

#include "controller/store/records.h"
#include "controller/workflow/for_all.h"

namespace millrace::controller::workflow {

namespace {

constexpr std::chrono::seconds kSegmentCallTimeout{30};
// A broken connection fails all calls on it: each is tried again on a new one before the whole step is.
constexpr int kSegmentCallAttempts = 3;

using Intent = store::StreamStore::Intent;
using records::StreamRecord;

std::vector<SegmentId> ids_of(const google::protobuf::RepeatedPtrField<records::SegmentRecord>& segments) {
    std::vector<SegmentId> ids;
    for (const stream::Segment& segment : store::to_segments(segments)) ids.push_back(segment.id);
    return ids;
}

std::vector<std::string> names_of(const StreamName& name, const std::vector<SegmentId>& ids) {
    std::vector<std::string> names;
    for (const SegmentId id : ids) names.push_back(segment_name(name, id));
    return names;
}

Task<Result<void>> call_patiently(Clock& clock, Steps::SegmentCall call, std::string segment) {
    Result<void> result;
    for (int attempt = 0; attempt < kSegmentCallAttempts; ++attempt) {
        result = co_await call(segment, Deadline::after(clock, kSegmentCallTimeout));
        if (result || !result.error().is(ErrorCode::kUnavailable)) break;
    }
    co_return result;
}

// Who lost the race for the record looks at it again.
Result<Progress> moved_on(const Result<void>& update, Progress progress) {
    if (update) return progress;
    if (update.error().is(ErrorCode::kVersionMismatch)) return Progress::kMore;
    return update.error();
}

void change_state(StreamRecord& record, StreamRecord::State to) {
    MR_CHECK(stream::can_become(store::to_state(record.state()), store::to_state(to)));
    record.set_state(to);
}

}  // namespace

Task<Result<Progress>> Steps::next(StreamName name) {
    Result<store::StoredStream> stream = co_await store_.load(name);
    if (!stream) {
        if (stream.error().is(ErrorCode::kNotFound)) co_return Progress::kDone;
        co_return std::move(stream).error();
    }
    const StreamRecord& record = stream->record;
    if (record.has_remove()) co_return co_await remove(name, std::move(*stream));
    if (record.state() == StreamRecord::CREATING) co_return co_await create(name, std::move(*stream));
    if (record.has_scale()) co_return co_await scale(name, std::move(*stream));
    if (record.has_seal()) co_return co_await seal(name, std::move(*stream));
    co_return Progress::kDone;
}

Task<Result<Progress>> Steps::create(StreamName name, store::StoredStream stream) {
    MR_CO_TRY_VOID(co_await create_segments(name, ids_of(stream.record.current().segments()), stream.record.config()));
    StreamRecord now = stream.record;
    change_state(now, StreamRecord::ACTIVE);
    const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kEnds);
    co_return moved_on(updated, Progress::kDone);
}

Task<Result<Progress>> Steps::scale(StreamName name, store::StoredStream stream) {
    StreamRecord now = stream.record;
    if (!stream.record.scale().published()) {
        MR_CO_TRY_VOID(co_await create_segments(name, ids_of(stream.record.scale().created()), stream.record.config()));
        // From here on clients are told of the successors: only now may the old segments be sealed.
        now.mutable_scale()->set_published(true);
        const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kAsItIs);
        co_return moved_on(updated, Progress::kMore);
    }
    const std::vector<SegmentId> sealed = store::to_ids(stream.record.scale().sealed());
    MR_CO_TRY_VOID(co_await seal_segments(name, sealed));
    const stream::Epoch epoch = store::epoch_of_scale(stream.record);
    MR_CO_TRY_VOID(stream::check_tiles(epoch.segments));
    *now.mutable_current() = store::to_record(epoch, sealed);
    now.clear_intent();
    change_state(now, StreamRecord::ACTIVE);
    const Result<void> updated = co_await store_.advance_epoch(name, std::move(stream), std::move(now));
    co_return moved_on(updated, Progress::kDone);
}

Task<Result<Progress>> Steps::seal(StreamName name, store::StoredStream stream) {
    MR_CO_TRY_VOID(co_await seal_segments(name, ids_of(stream.record.current().segments())));
    StreamRecord now = stream.record;
    change_state(now, StreamRecord::SEALED);
    now.clear_intent();
    const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kEnds);
    co_return moved_on(updated, Progress::kDone);
}

Task<Result<Progress>> Steps::remove(StreamName name, store::StoredStream stream) {
    if (!stream.record.remove().segments_gone()) {
        const auto shared = std::make_shared<const store::StoredStream>(stream);
        const auto newest = static_cast<std::int32_t>(stream.record.current().epoch());
        for (std::int32_t epoch = 0; epoch <= newest; ++epoch) {
            MR_CO_TRY(const std::shared_ptr<const records::EpochRecord> record,
                      co_await store_.epoch_record(name, shared, epoch));
            MR_CO_TRY_VOID(co_await delete_segments(name, store::created_in(*record)));
        }
        StreamRecord now = stream.record;
        now.mutable_remove()->set_segments_gone(true);
        const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kAsItIs);
        co_return moved_on(updated, Progress::kMore);
    }
    MR_CO_TRY_VOID(co_await store_.remove_history(name));
    const Result<void> removed = co_await store_.remove(name, std::move(stream));
    co_return moved_on(removed, Progress::kDone);
}

Task<Result<void>> Steps::create_segments(StreamName name, std::vector<SegmentId> ids, records::ConfigRecord config) {
    segments::CreateOptions options;
    // The numbers of the two policies are the same on both protocols.
    options.scale_type = static_cast<std::int8_t>(config.scale_type());
    options.target_rate = config.target_rate();
    options.rollover_bytes = config.rollover_bytes();
    SegmentCall call = [this, options](std::string segment, Deadline deadline) {
        return segments_.create(std::move(segment), options, deadline);
    };
    co_return co_await call_all(name, std::move(ids), std::move(call));
}

Task<Result<void>> Steps::seal_segments(StreamName name, std::vector<SegmentId> ids) {
    SegmentCall call = [this](std::string segment, Deadline deadline) {
        return segments_.seal(std::move(segment), deadline);
    };
    co_return co_await call_all(name, std::move(ids), std::move(call));
}

Task<Result<void>> Steps::delete_segments(StreamName name, std::vector<SegmentId> ids) {
    SegmentCall call = [this](std::string segment, Deadline deadline) {
        return segments_.remove(std::move(segment), deadline);
    };
    co_return co_await call_all(name, std::move(ids), std::move(call));
}

Task<Result<void>> Steps::call_all(StreamName name, std::vector<SegmentId> ids, SegmentCall call) {
    std::function<Task<Result<void>>(std::string)> act = [this, call](std::string segment) {
        return call_patiently(runtime_.clock, call, std::move(segment));
    };
    co_return co_await for_all(names_of(name, ids), std::move(act));
}

}  // namespace millrace::controller::workflow
