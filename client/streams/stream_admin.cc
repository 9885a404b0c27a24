// SPDX-License-Identifier: Apache-2.0
//
// Scopes and streams: making, looking at, scaling, sealing, deleting.
#include "client/streams/stream_admin.h"

#include <algorithm>
#include <set>
#include <utility>

#include "client/reader/check_position.h"
#include "client/segment/retry.h"
#include "client/streams/stream_cut.h"

namespace millrace::client {

namespace {

constexpr std::int32_t kMinSegmentsMost = 10'000;
constexpr std::size_t kAskedAtATime = 16;
constexpr std::chrono::minutes kScaleTime{2};
constexpr std::chrono::milliseconds kScalePollFirst{5};
constexpr std::chrono::milliseconds kScalePollLongest{250};

std::string spell_range(const KeyRange& range) {
    return std::to_string(range.low) + "-" + std::to_string(range.high);
}

// Names that begin with '_' are kept by clients and controllers for themselves.
std::vector<std::string> users_own(std::vector<std::string> names) {
    std::erase_if(names, [](const std::string& name) { return name.starts_with("_"); });
    std::sort(names.begin(), names.end());
    return names;
}

Result<void> check_config(const StreamConfig& config) {
    const auto wrong = [](std::string what) { return Error{ErrorCode::kInvalidArgument, "StreamConfig::" + std::move(what)}; };
    if (config.min_segments < 1 || config.min_segments > kMinSegmentsMost) {
        return wrong("min_segments is " + std::to_string(config.min_segments) + "; it can be 1 to 10,000");
    }
    if (config.scaling.by != ScalingPolicy::By::kHand) {
        if (config.scaling.target_rate < 1) {
            return wrong("scaling.target_rate is " + std::to_string(config.scaling.target_rate) + "; by rate it is at least 1");
        }
        if (config.scaling.split_max < 1) {
            return wrong("scaling.split_max is " + std::to_string(config.scaling.split_max) + "; by rate it is at least 1");
        }
    }
    if (config.retention.by != RetentionPolicy::By::kNothing) {
        if (config.retention.least < 0 || config.retention.most < 0) {
            return wrong("retention keeps less than nothing: least " + std::to_string(config.retention.least) + ", most " +
                         std::to_string(config.retention.most));
        }
        if (config.retention.most != 0 && config.retention.most < config.retention.least) {
            return wrong("retention.most is " + std::to_string(config.retention.most) + ", less than retention.least, " +
                         std::to_string(config.retention.least));
        }
    }
    return ok();
}

Result<void> check_stream(const StreamName& stream) {
    MR_TRY_VOID(check_internal_name("scope", stream.scope));
    return check_internal_name("stream", stream.stream);
}

// Calls `work` for each number below `count`, several at a time; the first error ends it.
// `work` lives in the frame of the caller, who waits.
template <class Work>
Task<Result<void>> for_each_at_once(Executor executor, std::size_t count, const Work& work) {
    std::optional<Error> failed;
    std::size_t next = 0;
    Gate workers;
    for (std::size_t i = 0; i < std::min(kAskedAtATime, count); ++i) {
        // What they refer to lives in this frame, which waits for them below.
        workers.spawn(executor, [&]() -> Task<void> {
            while (!failed && next < count) {
                auto done = co_await work(next++);
                if (!done && !failed) failed.emplace(std::move(done).error());
            }
        });
    }
    co_await workers.close();
    if (failed) co_return std::move(*failed);
    co_return ok();
}

}  // namespace

Result<std::vector<KeyRange>> merged_ranges(std::vector<KeyRange> ranges) {
    std::sort(ranges.begin(), ranges.end());
    std::vector<KeyRange> merged;
    for (const KeyRange& range : ranges) {
        // Also catches what is not a number.
        if (!(range.low >= 0.0 && range.low < range.high && range.high <= 1.0)) {
            return Error{ErrorCode::kInvalidArgument,
                         "key range " + spell_range(range) + " is not within 0-1 with its low end below its high end"};
        }
        if (!merged.empty() && range.low < merged.back().high) {
            return Error{ErrorCode::kInvalidArgument,
                         "key range " + spell_range(range) + " overlaps the one before it"};
        }
        if (!merged.empty() && range.low == merged.back().high) merged.back().high = range.high;
        else merged.push_back(range);
    }
    return merged;
}

Task<Result<bool>> StreamAdmin::create_scope(std::string scope) {
    MR_CO_TRY_VOID(check_user_name("scope", scope));
    co_return co_await client_.controller.create_scope(std::move(scope));
}

Task<Result<std::vector<std::string>>> StreamAdmin::list_scopes() {
    MR_CO_TRY(auto names, co_await client_.controller.list_scopes());
    co_return users_own(std::move(names));
}

Task<Result<void>> StreamAdmin::delete_scope(std::string scope) {
    MR_CO_TRY_VOID(check_user_name("scope", scope));
    co_return co_await client_.controller.delete_scope(std::move(scope));
}

Task<Result<bool>> StreamAdmin::create_stream(StreamName stream, StreamConfig config) {
    MR_CO_TRY_VOID(check_user_name("scope", stream.scope));
    MR_CO_TRY_VOID(check_user_name("stream", stream.stream));
    MR_CO_TRY_VOID(check_config(config));
    co_return co_await client_.controller.create_stream(std::move(stream), config);
}

Task<Result<std::vector<std::string>>> StreamAdmin::list_streams(std::string scope) {
    MR_CO_TRY_VOID(check_internal_name("scope", scope));
    MR_CO_TRY(auto names, co_await client_.controller.list_streams(std::move(scope)));
    co_return users_own(std::move(names));
}

Task<Result<StreamConfig>> StreamAdmin::configuration(StreamName stream) {
    MR_CO_TRY_VOID(check_stream(stream));
    co_return co_await client_.controller.configuration(std::move(stream));
}

Task<Result<wire::StreamSegmentInfo>> StreamAdmin::segment_info(StreamName stream, SegmentId segment) {
    const std::string name = segment_name(stream, segment);
    const Clock& clock = client_.runtime.clock;
    Retry retry{clock, client_.timeouts.connect, client_.timeouts.connect};
    auto make = [name](wire::RequestId id) -> wire::Message { return wire::GetStreamSegmentInfo{id, name, ""}; };
    while (true) {
        retry.trying();
        const Deadline deadline{retry.give_up_at()};
        auto reply = co_await client_.pool.call(stream, segment, make, deadline, deadline);
        Error error{ErrorCode::kBadRequest, "the reply is no segment information"};
        if (!reply) {
            error = std::move(reply).error();
        } else if (const auto* info = std::get_if<wire::StreamSegmentInfo>(&*reply)) {
            co_return *info;
        } else if (std::holds_alternative<wire::NoSuchSegment>(*reply)) {
            co_return Error{ErrorCode::kNotFound, "segment " + name + " does not exist"};
        } else if (const auto* refused = std::get_if<wire::ErrorMessage>(&*reply)) {
            error = Error{ErrorCode::kInternal, refused->message};
        } else if (std::holds_alternative<wire::AuthTokenCheckFailed>(*reply)) {
            error = Error{ErrorCode::kUnauthenticated, "the segment store refused the token"};
        }
        MR_CO_TRY(const auto wait, retry.failed(std::move(error), "asking for segment " + name));
        co_await sleep_for(client_.runtime.clock, wait);
    }
}

Task<Result<std::vector<wire::StreamSegmentInfo>>> StreamAdmin::segment_infos(StreamName stream,
                                                                              std::vector<SegmentId> segments) {
    std::vector<wire::StreamSegmentInfo> infos(segments.size());
    const auto ask = [&](std::size_t i) -> Task<Result<void>> {
        MR_CO_TRY(infos[i], co_await segment_info(stream, segments[i]));
        co_return ok();
    };
    MR_CO_TRY_VOID(co_await for_each_at_once(client_.runtime.executor, segments.size(), ask));
    co_return infos;
}

Task<Result<StreamEpoch>> StreamAdmin::newest_epoch(StreamName stream) {
    MR_CO_TRY(const auto current, co_await client_.controller.current_segments(stream, client_.controller.normally()));
    std::vector<SegmentId> ids;
    for (const SegmentRange& segment : current) ids.push_back(segment.id);
    if (ids.empty()) {
        MR_CO_TRY(ids, co_await last_segments(stream));
    }
    // Every scale makes segments, so that the newest epoch made one of these.
    StreamEpoch newest;
    for (const SegmentId id : ids) newest = std::max(newest, id.epoch());
    co_return newest;
}

Task<Result<std::vector<EpochDescription>>> StreamAdmin::epochs(StreamName stream, std::size_t at_most) {
    MR_CO_TRY_VOID(check_stream(stream));
    MR_CO_TRY(const StreamEpoch newest, co_await newest_epoch(stream));
    const auto there_are = static_cast<std::size_t>(newest.number()) + 1;
    const std::size_t first = there_are - std::min(there_are, at_most);
    std::vector<EpochDescription> epochs(there_are - first);
    const auto ask = [&](std::size_t i) -> Task<Result<void>> {
        epochs[i].epoch = StreamEpoch{static_cast<std::int32_t>(first + i)};
        auto segments = co_await client_.controller.epoch_segments(stream, epochs[i].epoch);
        // A controller may have forgotten it.
        if (!segments && segments.error().is(ErrorCode::kNotFound)) co_return ok();
        if (!segments) co_return std::move(segments).error();
        for (const SegmentRange& segment : *segments) epochs[i].segments.push_back({segment.id, segment.range});
        co_return ok();
    };
    MR_CO_TRY_VOID(co_await for_each_at_once(client_.runtime.executor, epochs.size(), ask));
    std::erase_if(epochs, [](const EpochDescription& epoch) { return epoch.segments.empty(); });
    co_return epochs;
}

Task<Result<std::vector<SegmentId>>> StreamAdmin::last_segments(StreamName stream) {
    MR_CO_TRY(const auto head, co_await client_.controller.head(stream));
    std::vector<SegmentId> open;
    for (const auto& [segment, offset] : head) open.push_back(segment);
    std::set<SegmentId> seen{open.begin(), open.end()};
    std::vector<SegmentId> last;
    while (!open.empty()) {
        const SegmentId segment = open.back();
        open.pop_back();
        MR_CO_TRY(const auto successors,
                  co_await client_.controller.successors(stream, segment, client_.controller.normally()));
        if (successors.empty()) last.push_back(segment);
        for (const Successor& successor : successors) {
            if (seen.insert(successor.segment.id).second) open.push_back(successor.segment.id);
        }
    }
    std::sort(last.begin(), last.end());
    co_return last;
}

Task<Result<StreamDescription>> StreamAdmin::describe(StreamName stream) {
    MR_CO_TRY_VOID(check_stream(stream));
    StreamDescription description;
    MR_CO_TRY(description.config, co_await configuration(stream));
    MR_CO_TRY(const auto current, co_await client_.controller.current_segments(stream, client_.controller.normally()));
    std::vector<SegmentId> ids;
    for (const SegmentRange& segment : current) ids.push_back(segment.id);
    description.sealed = current.empty();
    if (description.sealed) {
        MR_CO_TRY(ids, co_await last_segments(stream));
        for (const SegmentId id : ids) description.epoch = std::max(description.epoch, id.epoch());
        co_return description;
    }
    MR_CO_TRY(const auto infos, co_await segment_infos(stream, ids));
    for (std::size_t i = 0; i < current.size(); ++i) {
        description.segments.push_back({current[i].id, current[i].range, infos[i].start_offset, infos[i].write_offset});
        description.epoch = std::max(description.epoch, current[i].id.epoch());
    }
    co_return description;
}

Task<Result<void>> StreamAdmin::scale(StreamName stream, std::vector<SegmentId> sealed, std::vector<KeyRange> ranges) {
    MR_CO_TRY_VOID(check_stream(stream));
    if (sealed.empty() || ranges.empty()) {
        co_return Error{ErrorCode::kInvalidArgument, "scaling needs segments to seal and ranges to replace them"};
    }
    MR_CO_TRY(const auto current, co_await client_.controller.current_segments(stream, client_.controller.normally()));
    if (current.empty()) {
        co_return Error{ErrorCode::kSealed, "stream " + stream.to_string() + " is sealed; it cannot be scaled"};
    }
    std::vector<KeyRange> old_ranges;
    for (const SegmentId segment : sealed) {
        const auto found = std::find_if(current.begin(), current.end(),
                                        [&](const SegmentRange& candidate) { return candidate.id == segment; });
        if (found == current.end()) {
            co_return Error{ErrorCode::kFailedPrecondition,
                            "segment " + segment_name(stream, segment) + " is not a current segment of the stream"};
        }
        old_ranges.push_back(found->range);
    }
    MR_CO_TRY(const auto before, merged_ranges(std::move(old_ranges)));
    MR_CO_TRY(const auto after, merged_ranges(ranges));
    if (before != after) {
        std::string keys;
        for (const KeyRange& range : before) keys += (keys.empty() ? "" : ", ") + spell_range(range);
        co_return Error{ErrorCode::kInvalidArgument,
                        "the ranges must cover exactly the keys of the segments to seal, which are " + keys};
    }

    MR_CO_TRY(const StreamEpoch epoch,
              co_await client_.controller.start_scale(stream, std::move(sealed), std::move(ranges)));
    const Deadline deadline = Deadline::after(client_.runtime.clock, kScaleTime);
    std::chrono::nanoseconds pause = kScalePollFirst;
    while (true) {
        MR_CO_TRY(const bool done, co_await client_.controller.scale_done(stream, epoch));
        if (done) co_return ok();
        if (deadline.passed(client_.runtime.clock)) {
            co_return Error{ErrorCode::kTimedOut,
                            "scaling stream " + stream.to_string() + " has begun but was not done after 2 minutes",
                            Fate::kUnknown};
        }
        co_await sleep_for(client_.runtime.clock, pause);
        pause = std::min<std::chrono::nanoseconds>(pause * 2, kScalePollLongest);
    }
}

Task<Result<void>> StreamAdmin::update_configuration(StreamName stream, StreamConfig config) {
    MR_CO_TRY_VOID(check_stream(stream));
    MR_CO_TRY_VOID(check_config(config));
    co_return co_await client_.controller.update_configuration(std::move(stream), config);
}

Task<Result<std::map<SegmentId, KeyRange>>> StreamAdmin::ranges_of(Position position) {
    std::set<StreamEpoch> epochs;
    for (const auto& [segment, offset] : position.offsets) epochs.insert(segment.epoch());
    std::map<SegmentId, KeyRange> ranges;
    for (const StreamEpoch epoch : epochs) {
        MR_CO_TRY(const auto segments, co_await client_.controller.epoch_segments(position.stream, epoch));
        for (const SegmentRange& segment : segments) {
            if (position.offsets.contains(segment.id)) ranges.emplace(segment.id, segment.range);
        }
    }
    for (const auto& [segment, offset] : position.offsets) {
        if (ranges.contains(segment)) continue;
        co_return Error{ErrorCode::kFailedPrecondition, "the position names segment " + segment_name(position.stream, segment) +
                                                            ", which the stream does not have"};
    }
    co_return ranges;
}

Task<Result<std::vector<Successor>>> StreamAdmin::successors_of(Position position) {
    std::vector<SegmentId> segments;
    for (const auto& [segment, offset] : position.offsets) segments.push_back(segment);
    std::vector<Successor> all;
    const auto ask = [&](std::size_t i) -> Task<Result<void>> {
        MR_CO_TRY(const auto some,
                  co_await client_.controller.successors(position.stream, segments[i], client_.controller.normally()));
        all.insert(all.end(), some.begin(), some.end());
        co_return ok();
    };
    MR_CO_TRY_VOID(co_await for_each_at_once(client_.runtime.executor, segments.size(), ask));
    co_return all;
}

Task<Result<void>> StreamAdmin::truncate(StreamName stream, Position begin) {
    MR_CO_TRY_VOID(check_stream(stream));
    MR_CO_TRY_VOID(check_position("the position to truncate at", begin, stream));
    MR_CO_TRY(const auto ranges, co_await ranges_of(begin));
    std::vector<Successor> successors;
    if (!keys_that_wait(ranges).empty()) {
        MR_CO_TRY(successors, co_await successors_of(begin));
    }
    co_return co_await client_.controller.truncate(std::move(stream), stream_cut(begin.offsets, ranges, successors));
}

Task<Result<void>> StreamAdmin::seal(StreamName stream) {
    MR_CO_TRY_VOID(check_stream(stream));
    co_return co_await client_.controller.seal(std::move(stream));
}

Task<Result<void>> StreamAdmin::remove(StreamName stream) {
    MR_CO_TRY_VOID(check_stream(stream));
    co_return co_await client_.controller.remove(std::move(stream));
}

Task<Result<Position>> StreamAdmin::head(StreamName stream) {
    MR_CO_TRY_VOID(check_stream(stream));
    MR_CO_TRY(auto offsets, co_await client_.controller.head(stream));
    co_return Position{std::move(stream), std::move(offsets)};
}

Task<Result<Position>> StreamAdmin::tail(StreamName stream) {
    MR_CO_TRY_VOID(check_stream(stream));
    MR_CO_TRY(const auto current, co_await client_.controller.current_segments(stream, client_.controller.normally()));
    std::vector<SegmentId> ids;
    for (const SegmentRange& segment : current) ids.push_back(segment.id);
    if (ids.empty()) {
        MR_CO_TRY(ids, co_await last_segments(stream));
    }
    MR_CO_TRY(const auto infos, co_await segment_infos(stream, ids));
    Position position{std::move(stream), {}};
    for (std::size_t i = 0; i < ids.size(); ++i) position.offsets.emplace(ids[i], infos[i].write_offset);
    co_return position;
}

}  // namespace millrace::client
