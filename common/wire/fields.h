// SPDX-License-Identifier: Apache-2.0
//
// The layout of every message, said once: fields() walks a message's fields in wire order and a
// visitor measures, writes or reads them. Internal to this room.
//
// A visitor has i8, i32, i64, boolean, id, utf, blob (length and bytes), rest (all that is left) and
// zeros. more() asks whether a field that older peers leave out is there; a writer always says yes.
#pragma once

#include <type_traits>

#include "common/wire/messages.h"

namespace millrace::wire {

template <class Visitor, class Message>
using FieldsOf = std::conditional_t<Visitor::kReads, Message&, const Message&>;

template <class V>
void fields(V& v, FieldsOf<V, Hello> m) {
    v.i32(m.high_version);
    v.i32(m.low_version);
}
template <class V>
void fields(V&, FieldsOf<V, KeepAlive>) {}
template <class V>
void fields(V& v, FieldsOf<V, Padding> m) {
    v.zeros(m.length);
}
template <class V>
void fields(V& v, FieldsOf<V, PartialEvent> m) {
    v.rest(m.data);
}

template <class V>
void fields(V& v, FieldsOf<V, SetupAppend> m) {
    v.i64(m.request_id);
    v.id(m.writer_id);
    v.utf(m.segment);
    v.utf(m.delegation_token);
}
template <class V>
void fields(V& v, FieldsOf<V, AppendSetup> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    v.id(m.writer_id);
    v.i64(m.last_event_number);
}
template <class V>
void fields(V& v, FieldsOf<V, AppendBlock> m) {
    v.id(m.writer_id);
    v.rest(m.data);
}
template <class V>
void fields(V& v, FieldsOf<V, AppendBlockEnd> m) {
    v.id(m.writer_id);
    v.i32(m.size_of_whole_events);
    v.blob(m.data);
    v.i32(m.num_events);
    v.i64(m.last_event_number);
    if (v.more()) v.i64(m.request_id);
}
template <class V>
void fields(V& v, FieldsOf<V, DataAppended> m) {
    v.id(m.writer_id);
    v.i64(m.event_number);
    if (v.more()) v.i64(m.previous_event_number);
    if (v.more()) v.i64(m.request_id);
    if (v.more()) v.i64(m.current_segment_write_offset);
}

template <class V>
void fields(V& v, FieldsOf<V, ReadSegment> m) {
    v.utf(m.segment);
    v.i64(m.offset);
    v.i32(m.suggested_length);
    v.utf(m.delegation_token);
    if (v.more()) v.i64(m.request_id);
}
template <class V>
void fields(V& v, FieldsOf<V, SegmentRead> m) {
    v.utf(m.segment);
    v.i64(m.offset);
    v.boolean(m.at_tail);
    v.boolean(m.end_of_segment);
    v.blob(m.data);
    if (v.more()) v.i64(m.request_id);
}

template <class V>
void fields(V& v, FieldsOf<V, GetStreamSegmentInfo> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    v.utf(m.delegation_token);
}
template <class V>
void fields(V& v, FieldsOf<V, StreamSegmentInfo> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    v.boolean(m.exists);
    v.boolean(m.is_sealed);
    v.boolean(m.is_deleted);
    v.i64(m.last_modified_ms);
    v.i64(m.write_offset);
    if (v.more()) v.i64(m.start_offset);
}
template <class V>
void fields(V& v, FieldsOf<V, CreateSegment> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    v.i32(m.target_rate);
    v.i8(m.scale_type);
    v.utf(m.delegation_token);
    if (v.more()) v.i64(m.rollover_size_bytes);
}
template <class V>
void fields(V& v, FieldsOf<V, SegmentCreated> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
}
template <class V>
void fields(V& v, FieldsOf<V, SealSegment> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    v.utf(m.delegation_token);
}
template <class V>
void fields(V& v, FieldsOf<V, SegmentSealed> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
}
template <class V>
void fields(V& v, FieldsOf<V, DeleteSegment> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    v.utf(m.delegation_token);
}
template <class V>
void fields(V& v, FieldsOf<V, SegmentDeleted> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
}

template <class V>
void fields(V& v, FieldsOf<V, WrongHost> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    v.utf(m.correct_host);
    if (v.more()) v.utf(m.server_stack_trace);
}
template <class V>
void fields(V& v, FieldsOf<V, SegmentIsSealed> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    if (v.more()) v.utf(m.server_stack_trace);
    if (v.more()) v.i64(m.offset);
}
template <class V>
void fields(V& v, FieldsOf<V, SegmentAlreadyExists> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    if (v.more()) v.utf(m.server_stack_trace);
}
template <class V>
void fields(V& v, FieldsOf<V, NoSuchSegment> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    if (v.more()) v.utf(m.server_stack_trace);
    if (v.more()) v.i64(m.offset);
}
template <class V>
void fields(V& v, FieldsOf<V, InvalidEventNumber> m) {
    v.id(m.writer_id);
    v.i64(m.request_id);
    if (v.more()) v.utf(m.server_stack_trace);
    if (v.more()) v.i64(m.event_number);
}
template <class V>
void fields(V& v, FieldsOf<V, SegmentIsTruncated> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    v.i64(m.start_offset);
    if (v.more()) v.utf(m.server_stack_trace);
    if (v.more()) v.i64(m.offset);
}
template <class V>
void fields(V& v, FieldsOf<V, OperationUnsupported> m) {
    v.i64(m.request_id);
    v.utf(m.operation_name);
    if (v.more()) v.utf(m.server_stack_trace);
}
template <class V>
void fields(V& v, FieldsOf<V, AuthTokenCheckFailed> m) {
    v.i64(m.request_id);
    if (v.more()) v.utf(m.server_stack_trace);
    if (v.more()) v.i32(m.error_code);
}
template <class V>
void fields(V& v, FieldsOf<V, ErrorMessage> m) {
    v.i64(m.request_id);
    v.utf(m.segment);
    v.utf(m.message);
    v.i32(m.error_code);
}

template <class T>
inline constexpr FrameType kTypeOf{};
#define MR_WIRE_TYPE(name) \
    template <>            \
    inline constexpr FrameType kTypeOf<name> = FrameType::k##name

MR_WIRE_TYPE(Hello);
MR_WIRE_TYPE(KeepAlive);
MR_WIRE_TYPE(Padding);
MR_WIRE_TYPE(PartialEvent);
MR_WIRE_TYPE(SetupAppend);
MR_WIRE_TYPE(AppendSetup);
MR_WIRE_TYPE(AppendBlock);
MR_WIRE_TYPE(AppendBlockEnd);
MR_WIRE_TYPE(DataAppended);
MR_WIRE_TYPE(ReadSegment);
MR_WIRE_TYPE(SegmentRead);
MR_WIRE_TYPE(GetStreamSegmentInfo);
MR_WIRE_TYPE(StreamSegmentInfo);
MR_WIRE_TYPE(CreateSegment);
MR_WIRE_TYPE(SegmentCreated);
MR_WIRE_TYPE(SealSegment);
MR_WIRE_TYPE(SegmentSealed);
MR_WIRE_TYPE(DeleteSegment);
MR_WIRE_TYPE(SegmentDeleted);
MR_WIRE_TYPE(WrongHost);
MR_WIRE_TYPE(SegmentIsSealed);
MR_WIRE_TYPE(SegmentAlreadyExists);
MR_WIRE_TYPE(NoSuchSegment);
MR_WIRE_TYPE(InvalidEventNumber);
MR_WIRE_TYPE(SegmentIsTruncated);
MR_WIRE_TYPE(OperationUnsupported);
MR_WIRE_TYPE(AuthTokenCheckFailed);
MR_WIRE_TYPE(ErrorMessage);
#undef MR_WIRE_TYPE

}  // namespace millrace::wire
