// SPDX-License-Identifier: Apache-2.0
#include "controller/store/records.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "controller/store/paths.h"
#include "controller/stream/scale.h"

namespace millrace::controller::store {

stream::State to_state(records::StreamRecord::State state) {
    switch (state) {
        case records::StreamRecord::CREATING: return stream::State::kCreating;
        case records::StreamRecord::ACTIVE: return stream::State::kActive;
        case records::StreamRecord::SCALING: return stream::State::kScaling;
        case records::StreamRecord::SEALING: return stream::State::kSealing;
        case records::StreamRecord::SEALED: return stream::State::kSealed;
        case records::StreamRecord::TRUNCATING: return stream::State::kTruncating;
        case records::StreamRecord::UPDATING: return stream::State::kUpdating;
        default: return stream::State::kUnknown;
    }
}

records::SegmentRecord to_record(const stream::Segment& segment) {
    records::SegmentRecord record;
    record.set_number(static_cast<std::uint32_t>(segment.id.number()));
    record.set_created_epoch(static_cast<std::uint32_t>(segment.id.epoch().number()));
    record.set_low(segment.range.low);
    record.set_high(segment.range.high);
    return record;
}

stream::Segment to_segment(const records::SegmentRecord& record) {
    return {SegmentId::of(static_cast<std::int32_t>(record.number()),
                          StreamEpoch{static_cast<std::int32_t>(record.created_epoch())}),
            KeyRange{record.low(), record.high()}};
}

std::vector<stream::Segment> to_segments(const google::protobuf::RepeatedPtrField<records::SegmentRecord>& records) {
    std::vector<stream::Segment> segments;
    segments.reserve(static_cast<std::size_t>(records.size()));
    for (const auto& record : records) segments.push_back(to_segment(record));
    return segments;
}

std::vector<SegmentId> to_ids(const google::protobuf::RepeatedField<std::int64_t>& ids) {
    std::vector<SegmentId> result;
    for (const std::int64_t id : ids) result.push_back(SegmentId{id});
    return result;
}

Result<void> check_sound(const records::StreamRecord& record) {
    const records::EpochRecord& current = record.current();
    if (!current.full()) return Error{ErrorCode::kCorrupt, "it has no epoch"};
    if (current.epoch() > static_cast<std::uint32_t>(stream::kMaxEpoch)) {
        return Error{ErrorCode::kCorrupt, "it is in epoch " + std::to_string(current.epoch())};
    }
    MR_TRY_VOID(stream::check_tiles(to_segments(current.segments())));
    using records::StreamRecord;
    const auto fits = [&record](bool intended, StreamRecord::State state) { return !intended || record.state() == state; };
    if (!fits(record.has_scale(), StreamRecord::SCALING) || !fits(record.has_seal(), StreamRecord::SEALING) ||
        !fits(record.has_truncate(), StreamRecord::TRUNCATING) || !fits(record.has_update(), StreamRecord::UPDATING)) {
        return Error{ErrorCode::kCorrupt, "its state is not that of what is being done"};
    }
    const std::int64_t least = record.config().min_segments();
    if (record.has_update() && (least < 1 || least > static_cast<std::int64_t>(stream::kMaxSegments))) {
        return Error{ErrorCode::kCorrupt, "it is to have " + std::to_string(least) + " segments"};
    }
    for (const records::StreamCutRecord* cut : {&record.head(), &record.truncate().from()}) {
        if (cut->segments_size() != cut->offsets_size()) return Error{ErrorCode::kCorrupt, "its head lacks an offset"};
    }
    return ok();
}

Result<void> check_sound(const records::RetentionSetRecord& record) {
    // Far beyond what was ever written anywhere, and far from where counting ends.
    constexpr std::int64_t kBytesMax = std::int64_t{1} << 62;
    std::int64_t bytes = 0;
    for (const records::RetentionCutRecord& cut : record.cuts()) {
        const auto& offsets = cut.cut().offsets();
        if (offsets.empty() || cut.cut().segments_size() != offsets.size()) {
            return Error{ErrorCode::kCorrupt, "one of its cuts lacks a segment or an offset"};
        }
        if (cut.time_ms() < 0 || std::any_of(offsets.begin(), offsets.end(), [](std::int64_t at) { return at < 0; })) {
            return Error{ErrorCode::kCorrupt, "one of its cuts lies before everything"};
        }
        if (cut.bytes() < bytes || cut.bytes() > kBytesMax) {
            return Error{ErrorCode::kCorrupt, "its cuts are not in order"};
        }
        bytes = cut.bytes();
    }
    return ok();
}

records::EpochRecord to_record(const stream::Epoch& epoch, const std::vector<SegmentId>& sealed) {
    records::EpochRecord record;
    record.set_epoch(static_cast<std::uint32_t>(epoch.epoch.number()));
    record.set_reference_epoch(static_cast<std::uint32_t>(epoch.reference.number()));
    record.set_created_ms(epoch.created_ms);
    record.set_full(true);
    for (const stream::Segment& segment : epoch.segments) *record.add_segments() = to_record(segment);
    for (const SegmentId id : sealed) record.add_sealed(id.value);
    return record;
}

stream::Epoch to_epoch(const records::EpochRecord& record) {
    MR_CHECK(record.full());
    stream::Epoch epoch;
    epoch.epoch = StreamEpoch{static_cast<std::int32_t>(record.epoch())};
    epoch.reference = StreamEpoch{static_cast<std::int32_t>(record.reference_epoch())};
    epoch.created_ms = record.created_ms();
    epoch.segments = to_segments(record.segments());
    return epoch;
}

records::EpochRecord to_history(const records::EpochRecord& full) {
    MR_CHECK(full.full());
    if (full.epoch() % kEpochsPerChunk == 0) return full;
    records::EpochRecord difference = full;
    difference.set_full(false);
    difference.clear_segments();
    for (const auto& segment : full.segments()) {
        if (segment.created_epoch() == full.epoch()) *difference.add_segments() = segment;
    }
    return difference;
}

Result<stream::Epoch> follow(const stream::Epoch& before, const records::EpochRecord& record) {
    if (record.full()) return to_epoch(record);
    stream::Epoch epoch = stream::epoch_after(before, to_ids(record.sealed()), to_segments(record.segments()),
                                              record.created_ms());
    epoch.reference = StreamEpoch{static_cast<std::int32_t>(record.reference_epoch())};
    if (epoch.epoch != StreamEpoch{static_cast<std::int32_t>(record.epoch())}) {
        return Error{ErrorCode::kCorrupt, "the history has epoch " + std::to_string(record.epoch()) + " after " +
                                              to_string(before.epoch)};
    }
    MR_TRY_VOID(stream::check_tiles(epoch.segments));
    return epoch;
}

std::vector<stream::Segment> segments_created_in(const records::EpochRecord& record) {
    std::vector<stream::Segment> created;
    for (const auto& segment : record.segments()) {
        if (segment.created_epoch() == record.epoch()) created.push_back(to_segment(segment));
    }
    return created;
}

bool may_begin_removal(const records::StreamRecord& record) {
    return record.intent_case() == records::StreamRecord::INTENT_NOT_SET;
}

void begin_removal(records::StreamRecord& record) {
    MR_CHECK(may_begin_removal(record));
    if (record.state() != records::StreamRecord::CREATING) record.set_state(records::StreamRecord::SEALED);
    record.mutable_remove();
}

std::optional<stream::RetentionPolicy> retention_policy(const records::ConfigRecord& config) {
    stream::RetentionPolicy policy;
    switch (config.retention_type()) {  // of the protocol's numbers
        case 1: policy.by = stream::RetentionPolicy::By::kTime; break;
        case 2: policy.by = stream::RetentionPolicy::By::kSize; break;
        default: return std::nullopt;
    }
    policy.least = config.retention_param();
    // Clients of Java spell "no bound" so.
    policy.most = config.retention_max() == std::numeric_limits<std::int64_t>::max() ? 0 : config.retention_max();
    if (policy.least <= 0 && policy.most <= 0) return std::nullopt;
    return policy;
}

bool has_retention(const records::StreamRecord& record) {
    return retention_policy(record.config()) && record.state() != records::StreamRecord::SEALED && !record.has_remove();
}

records::RetentionSetRecord no_cuts(const records::StreamRecord& stream) {
    records::RetentionSetRecord set;
    set.set_stream(stream.nonce());
    return set;
}

void begin_truncation(records::StreamRecord& record, records::StreamCutRecord cut) {
    MR_CHECK(record.intent_case() == records::StreamRecord::INTENT_NOT_SET);
    record.set_state(records::StreamRecord::TRUNCATING);
    *record.mutable_truncate()->mutable_from() = record.head();
    // Whoever asks for the head from here on is sent behind what is about to be deleted.
    *record.mutable_head() = std::move(cut);
}

bool fits_config(const records::StreamRecord& record) {
    const std::int64_t count = record.current().segments_size();
    // Of the protocol's numbers for policies, 0 is a fixed number of segments.
    if (record.config().scale_type() == 0) return count == record.config().min_segments();
    return count >= record.config().min_segments();
}

void begin_scale(records::StreamRecord& record, const stream::ScalePlan& plan) {
    MR_CHECK(record.state() == records::StreamRecord::ACTIVE && record.intent_case() == records::StreamRecord::INTENT_NOT_SET);
    record.set_state(records::StreamRecord::SCALING);
    records::ScaleIntent& intent = *record.mutable_scale();
    for (const SegmentId id : plan.sealed) intent.add_sealed(id.value);
    std::uint32_t next_number = record.next_number();
    for (const stream::Segment& segment : plan.created) {
        *intent.add_created() = to_record(segment);
        next_number = std::max(next_number, static_cast<std::uint32_t>(segment.id.number()) + 1);
    }
    intent.set_created_ms(plan.next.created_ms);
    record.set_next_number(next_number);
}

stream::Epoch epoch_of_scale(const records::StreamRecord& record) {
    MR_CHECK(record.has_scale());
    return stream::epoch_after(to_epoch(record.current()), to_ids(record.scale().sealed()),
                               to_segments(record.scale().created()), record.scale().created_ms());
}

}  // namespace millrace::controller::store
