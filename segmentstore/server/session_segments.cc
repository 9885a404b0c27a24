// SPDX-License-Identifier: Apache-2.0
//
// The life of segments, and the numbers kept beside their bytes.
#include <algorithm>
#include <utility>

#include "segmentstore/server/session.h"
#include "segmentstore/server/session_messages.h"

namespace millrace::segmentstore {

namespace {

container::AttributeId key_of(const AttributeId& id) { return {id.bytes}; }

}  // namespace

Session::Next Session::on(wire::GetStreamSegmentInfo message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    const container::InfoOutcome outcome = container.info(message.segment);
    if (outcome.status == container::Status::kNoSuchSegment) {
        reply(container, outcome.depends_on, no_such_segment(message.request_id, message.segment), message.segment);
    } else if (outcome.status == container::Status::kOk) {
        wire::StreamSegmentInfo info;
        info.request_id = message.request_id;
        info.segment = message.segment;
        info.exists = true;
        info.is_sealed = outcome.sealed;
        info.last_modified_ms = outcome.last_modified_ms;
        info.write_offset = outcome.length;
        info.start_offset = outcome.start_offset;
        reply(container, outcome.depends_on, info, message.segment);
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

Session::Next Session::on(wire::CreateSegment message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    const container::ScalePolicy policy{message.target_rate, message.scale_type,
                                        std::max<std::int64_t>(0, message.rollover_size_bytes)};
    const container::Outcome outcome = shared_.credits.reserve_available()
                                           ? container.create(message.segment, policy)
                                           : container::Outcome{container::Status::kFull, {}};
    if (outcome.status == container::Status::kOk) {
        wire::SegmentCreated created;
        created.request_id = message.request_id;
        created.segment = message.segment;
        reply(container, outcome.depends_on, created, message.segment);
    } else if (outcome.status == container::Status::kAlreadyExists) {
        wire::SegmentAlreadyExists exists;
        exists.request_id = message.request_id;
        exists.segment = message.segment;
        reply(container, outcome.depends_on, exists, message.segment);
    } else if (outcome.status == container::Status::kInvalidArgument) {
        send_message(error_message(message.request_id, message.segment, illegal_name(message.segment), kIllegalArgument));
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

Session::Next Session::on(wire::SealSegment message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    const container::Outcome outcome =
        may_free() ? container.seal(message.segment) : container::Outcome{container::Status::kFull, {}};
    if (outcome.status == container::Status::kOk) {
        wire::SegmentSealed sealed;
        sealed.request_id = message.request_id;
        sealed.segment = message.segment;
        reply(container, outcome.depends_on, sealed, message.segment);
    } else if (outcome.status == container::Status::kSealed) {
        reply(container, outcome.depends_on, segment_is_sealed(message.request_id, message.segment), message.segment);
    } else if (outcome.status == container::Status::kNoSuchSegment) {
        reply(container, outcome.depends_on, no_such_segment(message.request_id, message.segment), message.segment);
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

Session::Next Session::on(wire::DeleteSegment message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    const container::Outcome outcome =
        may_free() ? container.remove(message.segment) : container::Outcome{container::Status::kFull, {}};
    if (outcome.status == container::Status::kOk) {
        wire::SegmentDeleted deleted;
        deleted.request_id = message.request_id;
        deleted.segment = message.segment;
        reply(container, outcome.depends_on, deleted, message.segment);
    } else if (outcome.status == container::Status::kNoSuchSegment) {
        reply(container, outcome.depends_on, no_such_segment(message.request_id, message.segment), message.segment);
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

Session::Next Session::on(wire::TruncateSegment message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    container::TruncateOutcome outcome;
    outcome.status = container::Status::kFull;
    if (may_free()) outcome = container.truncate(message.segment, message.truncation_offset);
    if (outcome.status == container::Status::kOk) {
        wire::SegmentTruncated truncated;
        truncated.request_id = message.request_id;
        truncated.segment = message.segment;
        reply(container, outcome.depends_on, truncated, message.segment);
    } else if (outcome.status == container::Status::kTruncated) {
        // Also of an offset beyond the end.
        wire::SegmentIsTruncated truncated;
        truncated.request_id = message.request_id;
        truncated.segment = message.segment;
        truncated.start_offset = outcome.start_offset;
        truncated.offset = message.truncation_offset;
        reply(container, outcome.depends_on, truncated, message.segment);
    } else if (outcome.status == container::Status::kNoSuchSegment) {
        wire::NoSuchSegment none = no_such_segment(message.request_id, message.segment);
        none.offset = message.truncation_offset;
        reply(container, outcome.depends_on, none, message.segment);
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

Session::Next Session::on(wire::GetSegmentAttribute message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    const container::AttributeOutcome outcome = container.attribute(message.segment, key_of(message.attribute_id));
    if (outcome.status == container::Status::kOk) {
        wire::SegmentAttribute attribute;
        attribute.request_id = message.request_id;
        attribute.value = outcome.value;
        reply(container, outcome.depends_on, attribute, message.segment);
    } else if (outcome.status == container::Status::kNoSuchSegment) {
        reply(container, outcome.depends_on, no_such_segment(message.request_id, message.segment), message.segment);
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

Session::Next Session::on(wire::UpdateSegmentAttribute message) {
    if (refuse_name(message.segment, message.request_id)) return ok();
    container::Container& container = container_for(message.segment);
    container::AttributeOutcome outcome;
    outcome.status = container::Status::kFull;
    if (shared_.credits.reserve_available()) {
        outcome = container.set_attribute(message.segment, key_of(message.attribute_id), message.new_value,
                                          message.expected_value);
    }
    if (outcome.status == container::Status::kOk || outcome.status == container::Status::kConditionFailed) {
        wire::SegmentAttributeUpdated updated;
        updated.request_id = message.request_id;
        updated.success = outcome.status == container::Status::kOk;
        reply(container, outcome.depends_on, updated, message.segment);
    } else if (outcome.status == container::Status::kSealed) {
        reply(container, outcome.depends_on, segment_is_sealed(message.request_id, message.segment), message.segment);
    } else if (outcome.status == container::Status::kNoSuchSegment) {
        reply(container, outcome.depends_on, no_such_segment(message.request_id, message.segment), message.segment);
    } else {
        refuse(outcome.status, message.segment, message.request_id, false);
    }
    return ok();
}

}  // namespace millrace::segmentstore
