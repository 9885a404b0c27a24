// SPDX-License-Identifier: Apache-2.0
#include "controller/service/protocol.h"

#include <algorithm>
#include <limits>

#include "common/rpc/rpc.h"

namespace millrace::controller::service {

namespace {

constexpr int kTagsMax = 127;
constexpr std::size_t kTagBytesMax = 255;

Error bad_config(const std::string& why) { return {ErrorCode::kInvalidArgument, "stream configuration: " + why}; }

}  // namespace

Result<StreamName> to_name(const pb::StreamInfo& info) {
    MR_TRY_VOID(check_internal_name("scope", info.scope()));
    MR_TRY_VOID(check_internal_name("stream", info.stream()));
    return StreamName{info.scope(), info.stream()};
}

pb::StreamInfo to_info(const StreamName& name) {
    pb::StreamInfo info;
    info.set_scope(name.scope);
    info.set_stream(name.stream);
    return info;
}

pb::SegmentId to_id(const StreamName& name, SegmentId id) {
    pb::SegmentId result;
    *result.mutable_streaminfo() = to_info(name);
    result.set_segmentid(id.value);
    return result;
}

pb::SegmentRange to_range(const StreamName& name, const stream::Segment& segment) {
    pb::SegmentRange range;
    *range.mutable_segmentid() = to_id(name, segment.id);
    range.set_minkey(segment.range.low);
    range.set_maxkey(segment.range.high);
    return range;
}

records::StreamCutRecord to_cut(const google::protobuf::Map<std::int64_t, std::int64_t>& cut) {
    std::vector<std::pair<std::int64_t, std::int64_t>> sorted{cut.begin(), cut.end()};
    std::sort(sorted.begin(), sorted.end());
    records::StreamCutRecord record;
    for (const auto& [segment, offset] : sorted) {
        record.add_segments(segment);
        record.add_offsets(offset);
    }
    return record;
}

bool same_cut(const records::StreamCutRecord& a, const records::StreamCutRecord& b) {
    return std::equal(a.segments().begin(), a.segments().end(), b.segments().begin(), b.segments().end()) &&
           std::equal(a.offsets().begin(), a.offsets().end(), b.offsets().begin(), b.offsets().end());
}

std::size_t max_segments(const StreamName& name) {
    // Successors are the largest list: each with the segments it took keys from. Ranges of two epochs
    // that tile the same keys overlap in fewer pairs than both have segments, so that is less than two
    // each on average; a third makes up for the longer length fields of those with many.
    pb::SuccessorResponse reply;
    auto& entry = *reply.add_segments();
    constexpr std::int64_t kLongestId = std::numeric_limits<std::int64_t>::max();
    *entry.mutable_segment() = to_range(name, {SegmentId{kLongestId}, KeyRange{0.5, 1.0}});
    for (int i = 0; i < 3; ++i) entry.add_value(kLongestId);
    return std::min(stream::kMaxSegments, rpc::kMaxMessageBytes / reply.ByteSizeLong());
}

Result<records::ConfigRecord> to_config(const pb::StreamConfig& config) {
    records::ConfigRecord record;
    const pb::ScalingPolicy& scaling = config.scalingpolicy();
    if (scaling.minnumsegments() < 1 || static_cast<std::size_t>(scaling.minnumsegments()) > stream::kMaxSegments) {
        return bad_config("minNumSegments is " + std::to_string(scaling.minnumsegments()) + "; it can be 1 to " +
                          std::to_string(stream::kMaxSegments));
    }
    if (!pb::ScalingPolicy::ScalingPolicyType_IsValid(scaling.scaletype())) {
        return bad_config("scaleType " + std::to_string(scaling.scaletype()) + " is not known");
    }
    if (scaling.scaletype() != pb::ScalingPolicy::FIXED_NUM_SEGMENTS &&
        (scaling.targetrate() < 1 || scaling.scalefactor() < 1)) {
        return bad_config("scaling by rate needs a targetRate and a scaleFactor of at least 1");
    }
    record.set_scale_type(static_cast<std::uint32_t>(scaling.scaletype()));
    record.set_target_rate(scaling.targetrate());
    record.set_scale_factor(scaling.scalefactor());
    record.set_min_segments(scaling.minnumsegments());

    const pb::RetentionPolicy& retention = config.retentionpolicy();
    if (!pb::RetentionPolicy::RetentionPolicyType_IsValid(retention.retentiontype())) {
        return bad_config("retentionType " + std::to_string(retention.retentiontype()) + " is not known");
    }
    // Type UNKNOWN means none; some clients send it with every stream.
    if (retention.retentiontype() != pb::RetentionPolicy::UNKNOWN) {
        if (retention.retentionparam() < 0 || retention.retentionmax() < 0) {
            return bad_config("a retention policy cannot keep less than nothing");
        }
        record.set_retention_type(static_cast<std::uint32_t>(retention.retentiontype()));
        record.set_retention_param(retention.retentionparam());
        record.set_retention_max(retention.retentionmax());
    }
    if (config.tags().tag_size() > kTagsMax) {
        return bad_config(std::to_string(config.tags().tag_size()) + " tags; at most " + std::to_string(kTagsMax));
    }
    for (const std::string& tag : config.tags().tag()) {
        if (tag.size() > kTagBytesMax) return bad_config("a tag of " + std::to_string(tag.size()) + " bytes; at most 255");
        record.add_tags(tag);
    }
    if (config.rolloversizebytes() < 0) {
        return bad_config("rolloverSizeBytes is " + std::to_string(config.rolloversizebytes()) + "; it cannot be negative");
    }
    if (config.timestampaggregationtimeout() < 0) return bad_config("timestampAggregationTimeout cannot be negative");
    record.set_rollover_bytes(config.rolloversizebytes());
    record.set_timestamp_aggregation_timeout_ms(config.timestampaggregationtimeout());
    return record;
}

pb::StreamConfig from_config(const StreamName& name, const records::ConfigRecord& record) {
    pb::StreamConfig config;
    *config.mutable_streaminfo() = to_info(name);
    pb::ScalingPolicy& scaling = *config.mutable_scalingpolicy();
    scaling.set_scaletype(static_cast<pb::ScalingPolicy::ScalingPolicyType>(record.scale_type()));
    scaling.set_targetrate(record.target_rate());
    scaling.set_scalefactor(record.scale_factor());
    scaling.set_minnumsegments(record.min_segments());
    if (record.retention_type() != 0) {
        pb::RetentionPolicy& retention = *config.mutable_retentionpolicy();
        retention.set_retentiontype(static_cast<pb::RetentionPolicy::RetentionPolicyType>(record.retention_type()));
        retention.set_retentionparam(record.retention_param());
        retention.set_retentionmax(record.retention_max());
    }
    pb::Tags& tags = *config.mutable_tags();  // set even when empty: clients look into it
    for (const std::string& tag : record.tags()) tags.add_tag(tag);
    config.set_timestampaggregationtimeout(record.timestamp_aggregation_timeout_ms());
    config.set_rolloversizebytes(record.rollover_bytes());
    return config;
}

}  // namespace millrace::controller::service
