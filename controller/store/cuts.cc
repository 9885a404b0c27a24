// SPDX-License-Identifier: Apache-2.0
#include "controller/store/cuts.h"

#include <algorithm>
#include <map>

#include "controller/store/records.h"

namespace millrace::controller::store {

namespace {

Error not_of_stream(const StreamName& name, SegmentId segment) {
    return {ErrorCode::kInvalidArgument,
            "stream cut: stream '" + name.to_string() + "' has no segment " + std::to_string(segment.value)};
}

// It was one when it was stored.
Error as_corrupt(Error error) {
    if (!error.is(ErrorCode::kInvalidArgument)) return error;
    return {ErrorCode::kCorrupt, error.detail()};
}

// The cut's segments, as far as they are the stream's, and their keys. Not whether it is a cut.
Task<Result<std::vector<stream::CutEntry>>> find_entries(StreamStore& store, StreamName name, SharedStream stream,
                                                         records::StreamCutRecord cut) {
    if (static_cast<std::size_t>(cut.segments_size()) > stream::kMaxCutSegments) {
        co_return Error{ErrorCode::kInvalidArgument, "stream cut: it names " + std::to_string(cut.segments_size()) +
                                                         " segments; at most " +
                                                         std::to_string(stream::kMaxCutSegments)};
    }
    std::map<SegmentId, std::int64_t> offsets;
    for (int i = 0; i < cut.segments_size(); ++i) offsets.emplace(SegmentId{cut.segments(i)}, cut.offsets(i));
    std::vector<stream::CutEntry> entries;
    const std::int32_t newest = newest_told_epoch(stream->record);
    for (auto at = offsets.begin(); at != offsets.end();) {
        const std::int32_t epoch = at->first.epoch().number();
        if (epoch < 0 || epoch > newest) co_return not_of_stream(name, at->first);
        MR_CO_TRY(std::vector<stream::Segment> created, co_await created_in_epoch(store, name, stream, epoch));
        std::sort(created.begin(), created.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
        for (; at != offsets.end() && at->first.epoch().number() == epoch; ++at) {
            const auto found = std::lower_bound(created.begin(), created.end(), at->first,
                                                [](const stream::Segment& s, SegmentId id) { return s.id < id; });
            if (found == created.end() || found->id != at->first) co_return not_of_stream(name, at->first);
            entries.push_back({*found, at->second});
        }
    }
    co_return entries;
}

}  // namespace

std::int32_t newest_told_epoch(const records::StreamRecord& record) {
    const auto current = static_cast<std::int32_t>(record.current().epoch());
    return record.has_scale() && record.scale().published() ? current + 1 : current;
}

Task<Result<std::vector<stream::Segment>>> created_in_epoch(StreamStore& store, StreamName name, SharedStream stream,
                                                            std::int32_t epoch) {
    std::vector<stream::Segment> created;
    if (epoch > static_cast<std::int32_t>(stream->record.current().epoch())) {
        if (epoch != newest_told_epoch(stream->record)) {
            co_return Error{ErrorCode::kCorrupt, "stream '" + name.to_string() + "' has segments of epoch " +
                                                     std::to_string(epoch) + ", which is yet to come"};
        }
        created = to_segments(stream->record.scale().created());
    } else {
        MR_CO_TRY(const std::shared_ptr<const records::EpochRecord> record,
                  co_await store.epoch_record(name, stream, epoch));
        created = segments_created_in(*record);
    }
    for (const stream::Segment& segment : created) {
        if (!(segment.range.low >= 0.0 && segment.range.low < segment.range.high && segment.range.high <= 1.0)) {
            co_return Error{ErrorCode::kCorrupt, "segment " + std::to_string(segment.id.value) + " of '" +
                                                     name.to_string() + "' has no keys"};
        }
    }
    co_return created;
}

Task<Result<stream::Cut>> find_cut(StreamStore& store, StreamName name, SharedStream stream,
                                   records::StreamCutRecord cut) {
    MR_CO_TRY(std::vector<stream::CutEntry> entries, co_await find_entries(store, name, stream, std::move(cut)));
    MR_CO_TRY(stream::Cut found, stream::Cut::of(std::move(entries)));
    for (std::int32_t epoch = found.first_epoch().number(); epoch <= found.last_epoch().number(); ++epoch) {
        MR_CO_TRY(const std::vector<stream::Segment> created, co_await created_in_epoch(store, name, stream, epoch));
        for (const stream::Segment& segment : created) {
            if (found.reading(segment) != stream::Reading::kTorn) continue;
            co_return Error{ErrorCode::kInvalidArgument,
                            "stream cut: segment " + std::to_string(segment.id.value) +
                                " would have been read for some of its keys and not for others"};
        }
    }
    co_return found;
}

Task<Result<stream::Cut>> accepted_cut(StreamStore& store, StreamName name, SharedStream stream,
                                       records::StreamCutRecord cut) {
    if (cut.segments_size() == 0) {
        MR_CO_TRY(const stream::Epoch first, co_await store.epoch(name, stream, 0));
        MR_CO_TRY_VOID(stream::check_tiles(first.segments));
        co_return stream::Cut::before(first);
    }
    Result<std::vector<stream::CutEntry>> entries = co_await find_entries(store, name, stream, std::move(cut));
    if (!entries) co_return as_corrupt(std::move(entries).error());
    Result<stream::Cut> found = stream::Cut::of(std::move(*entries));
    if (!found) co_return as_corrupt(std::move(found).error());
    co_return found;
}

}  // namespace millrace::controller::store
