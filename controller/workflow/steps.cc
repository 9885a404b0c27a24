// SPDX-License-Identifier: Apache-2.0
#include "controller/workflow/steps.h"

#include <chrono>
#include <map>
#include <memory>

#include "common/telemetry/log.h"
#include "controller/store/cuts.h"
#include "controller/store/records.h"
#include "controller/stream/companions.h"
#include "controller/stream/scale.h"
#include "controller/workflow/for_all.h"

namespace millrace::controller::workflow {

namespace {

constexpr std::chrono::seconds kSegmentCallTimeout{30};
// A broken connection fails all calls on it: each is tried again on a new one before the whole step is.
constexpr int kSegmentCallAttempts = 3;

using Intent = store::StreamStore::Intent;
using records::StreamRecord;

std::vector<SegmentId> ids_of(const std::vector<stream::Segment>& segments) {
    std::vector<SegmentId> ids;
    for (const stream::Segment& segment : segments) ids.push_back(segment.id);
    return ids;
}
std::vector<SegmentId> ids_of(const google::protobuf::RepeatedPtrField<records::SegmentRecord>& segments) {
    return ids_of(store::to_segments(segments));
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
    if (update.error().is(ErrorCode::kVersionMismatch)) return Progress::more();
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
        if (stream.error().is(ErrorCode::kNotFound)) co_return Progress::all();
        co_return std::move(stream).error();
    }
    const StreamRecord& record = stream->record;
    if (record.has_remove()) co_return co_await remove(name, std::move(*stream));
    if (record.state() == StreamRecord::CREATING) co_return co_await create(name, std::move(*stream));
    if (record.has_scale()) co_return co_await scale(name, std::move(*stream));
    if (record.has_update()) co_return co_await update(name, std::move(*stream));
    if (record.has_truncate()) co_return co_await truncate(name, std::move(*stream));
    if (record.has_seal()) co_return co_await seal(name, std::move(*stream));
    co_return Progress::all();
}

Task<Result<Progress>> Steps::create(StreamName name, store::StoredStream stream) {
    MR_CO_TRY_VOID(co_await create_segments(name, ids_of(stream.record.current().segments()), stream.record.config()));
    StreamRecord now = stream.record;
    change_state(now, StreamRecord::ACTIVE);
    const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kEnds);
    co_return moved_on(updated, Progress::all());
}

Task<Result<Progress>> Steps::scale(StreamName name, store::StoredStream stream) {
    StreamRecord now = stream.record;
    if (!stream.record.scale().published()) {
        MR_CO_TRY_VOID(co_await create_segments(name, ids_of(stream.record.scale().created()), stream.record.config()));
        // From here on clients are told of the successors: only now may the old segments be sealed.
        now.mutable_scale()->set_published(true);
        const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kAsItIs);
        co_return moved_on(updated, Progress::more());
    }
    const std::vector<SegmentId> sealed = store::to_ids(stream.record.scale().sealed());
    MR_CO_TRY_VOID(co_await seal_segments(name, sealed));
    const stream::Epoch epoch = store::epoch_of_scale(stream.record);
    MR_CO_TRY_VOID(stream::check_tiles(epoch.segments));
    *now.mutable_current() = store::to_record(epoch, sealed);
    now.clear_intent();
    change_state(now, StreamRecord::ACTIVE);
    const Result<void> updated = co_await store_.advance_epoch(name, std::move(stream), std::move(now));
    co_return moved_on(updated, Progress::all());
}

Task<Result<Progress>> Steps::update(StreamName name, store::StoredStream stream) {
    StreamRecord now = stream.record;
    now.clear_intent();
    change_state(now, StreamRecord::ACTIVE);
    if (store::fits_config(now)) {
        const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kEnds);
        co_return moved_on(updated, Progress::all());
    }
    const auto count = static_cast<std::size_t>(now.config().min_segments());
    const stream::ScaleRequest all{ids_of(now.current().segments()), stream::even_ranges(count)};
    const auto plan = stream::plan_scale(store::to_epoch(now.current()), all, count, now.next_number(),
                                         runtime_.clock.wall_now().time_since_epoch().count());
    if (const auto* refused = std::get_if<stream::ScaleRefused>(&plan)) {
        // Was looked at before the update was accepted; a stream that cannot get on would be worse.
        MR_LOG_WARN("segments stay as they are", {"stream", name.to_string()}, {"reason", refused->why});
        const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kEnds);
        co_return moved_on(updated, Progress::all());
    }
    store::begin_scale(now, std::get<stream::ScalePlan>(plan));
    const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kAsItIs);
    co_return moved_on(updated, Progress::more());
}

Task<Result<Progress>> Steps::truncate(StreamName name, store::StoredStream stream) {
    const auto shared = std::make_shared<const store::StoredStream>(stream);
    MR_CO_TRY(const stream::Cut head, co_await store::accepted_cut(store_, name, shared, stream.record.head()));
    MR_CO_TRY(const stream::Cut before, co_await store::accepted_cut(store_, name, shared, stream.record.truncate().from()));
    MR_CO_TRY_VOID(co_await truncate_segments(name, head));
    for (std::int32_t epoch = before.first_epoch().number(); epoch <= head.last_epoch().number(); ++epoch) {
        MR_CO_TRY(const std::vector<stream::Segment> created, co_await store::created_in_epoch(store_, name, shared, epoch));
        std::vector<SegmentId> behind;
        for (const stream::Segment& segment : created) {
            const bool gone = before.reading(segment) == stream::Reading::kDone;
            if (!gone && head.reading(segment) == stream::Reading::kDone) behind.push_back(segment.id);
        }
        MR_CO_TRY_VOID(co_await delete_segments(name, std::move(behind)));
    }
    StreamRecord now = stream.record;
    now.clear_intent();
    change_state(now, StreamRecord::ACTIVE);
    const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kEnds);
    co_return moved_on(updated, Progress::all());
}

Task<Result<Progress>> Steps::seal(StreamName name, store::StoredStream stream) {
    MR_CO_TRY_VOID(co_await seal_segments(name, ids_of(stream.record.current().segments())));
    StreamRecord now = stream.record;
    change_state(now, StreamRecord::SEALED);
    now.clear_intent();
    const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kEnds);
    co_return moved_on(updated, Progress::all());
}

Task<Result<Progress>> Steps::remove(StreamName name, store::StoredStream stream) {
    if (!stream.record.remove().segments_gone()) {
        // Made when first asked for, and not any more: that looks for this intent.
        if (const std::optional<StreamName> marks = stream::marks_of(name)) {
            MR_CO_TRY(const bool gone, co_await remove_companion(*marks));
            if (!gone) co_return Progress::more_after(*marks);
        }
        const auto shared = std::make_shared<const store::StoredStream>(stream);
        // What came with earlier epochs was deleted when the stream was truncated.
        MR_CO_TRY(const stream::Cut head, co_await store::accepted_cut(store_, name, shared, stream.record.head()));
        const auto newest = static_cast<std::int32_t>(stream.record.current().epoch());
        for (std::int32_t epoch = head.first_epoch().number(); epoch <= newest; ++epoch) {
            MR_CO_TRY(const std::vector<stream::Segment> created, co_await store::created_in_epoch(store_, name, shared, epoch));
            MR_CO_TRY_VOID(co_await delete_segments(name, ids_of(created)));
        }
        StreamRecord now = stream.record;
        now.mutable_remove()->set_segments_gone(true);
        const Result<void> updated = co_await store_.update(name, std::move(stream), std::move(now), Intent::kAsItIs);
        co_return moved_on(updated, Progress::more());
    }
    MR_CO_TRY_VOID(co_await store_.remove_history(name));
    const Result<void> removed = co_await store_.remove(name, std::move(stream));
    co_return moved_on(removed, Progress::all());
}

Task<Result<bool>> Steps::remove_companion(StreamName name) {
    Result<store::StoredStream> stream = co_await store_.load(name);
    if (!stream) {
        if (stream.error().is(ErrorCode::kNotFound)) co_return true;
        co_return std::move(stream).error();
    }
    if (store::may_begin_removal(stream->record)) {
        StreamRecord now = stream->record;
        const Intent intent = now.state() == StreamRecord::CREATING ? Intent::kAsItIs : Intent::kBegins;
        store::begin_removal(now);
        const Result<void> updated = co_await store_.update(name, std::move(*stream), std::move(now), intent);
        // Who lost the race waits for what the other one does.
        if (!updated && !updated.error().is(ErrorCode::kVersionMismatch)) co_return updated.error();
    }
    co_return false;
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

Task<Result<void>> Steps::truncate_segments(StreamName name, stream::Cut head) {
    // Shared: the call is copied for every segment.
    auto offsets = std::make_shared<std::map<std::string, std::int64_t>>();
    std::vector<SegmentId> ids;
    for (const stream::CutEntry& entry : head.entries()) {
        if (entry.offset <= 0) continue;
        offsets->emplace(segment_name(name, entry.segment.id), entry.offset);
        ids.push_back(entry.segment.id);
    }
    SegmentCall call = [this, offsets](std::string segment, Deadline deadline) {
        const std::int64_t offset = offsets->at(segment);
        return segments_.truncate(std::move(segment), offset, deadline);
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
