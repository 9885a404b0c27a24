// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/operation.h"

#include "common/base/binary.h"
#include "common/base/crc32c.h"

namespace millrace::container {

namespace {

constexpr std::size_t kChecksumAt = 5;

// Of everything but the checksum itself.
std::uint32_t operation_checksum(ByteView head) {
    return crc32c(head.subspan(kOperationHeaderBytes), crc32c(head.first(kChecksumAt)));
}

constexpr std::size_t kRunBytes = 32;

void encode_object_id(ObjectId id, LittleEndianWriter& out) {
    out.u64(id.epoch.number());
    out.u64(id.sequence);
}

ObjectId decode_object_id(LittleEndianReader& in) {
    ObjectId id;
    id.epoch = OwnerEpoch{in.u64()};
    id.sequence = in.u64();
    return id;
}

Error operation_corrupt(std::string detail) { return {ErrorCode::kCorrupt, std::move(detail)}; }

}  // namespace

void encode_operation(const Operation& operation, std::span<const Bytes> data, ByteBuffer& head) {
    MR_CHECK(head.empty());
    LittleEndianWriter out{head};
    out.u8(static_cast<std::uint8_t>(operation.what.index() + 1));
    out.u32(0);  // total length
    out.u32(0);  // checksum
    out.i64(operation.wall_ms);
    if (const auto* create = std::get_if<CreateSegment>(&operation.what)) {
        MR_CHECK(!create->name.empty() && create->name.size() <= kMaxSegmentNameBytes);
        out.u64(create->segment.number());
        out.i32(create->policy.target_rate);
        out.i8(create->policy.scale_type);
        out.i64(create->policy.rollover_size_bytes);
        out.u16(static_cast<std::uint16_t>(create->name.size()));
        out.bytes(as_bytes(create->name));
    } else if (const auto* append = std::get_if<Append>(&operation.what)) {
        out.u64(append->segment.number());
        out.i64(append->offset);
        out.bytes(append->writer.bytes);
        out.i64(append->event_number);
        out.i32(append->event_count);
    } else if (const auto* seal = std::get_if<SealSegment>(&operation.what)) {
        out.u64(seal->segment.number());
        out.i64(seal->length);
    } else if (const auto* remove = std::get_if<DeleteSegment>(&operation.what)) {
        out.u64(remove->segment.number());
    } else if (const auto* truncate = std::get_if<TruncateSegment>(&operation.what)) {
        out.u64(truncate->segment.number());
        out.i64(truncate->start_offset);
    } else if (const auto* set = std::get_if<SetAttribute>(&operation.what)) {
        out.u64(set->segment.number());
        out.bytes(set->attribute.bytes);
        out.i64(set->value);
    } else if (const auto* planned = std::get_if<ObjectPlanned>(&operation.what)) {
        encode_object_id(planned->object, out);
        out.u8(planned->snapshot ? 1 : 0);
    } else {
        const auto& tiered = std::get<WindowTiered>(operation.what);
        encode_object_id(tiered.object, out);
        out.u64(tiered.cursor.index.number());
        out.u64(tiered.cursor.lsn.number());
        out.u32(static_cast<std::uint32_t>(tiered.runs.size()));
        for (const WindowTiered::Run& run : tiered.runs) {
            out.u64(run.segment.number());
            out.i64(run.offset);
            out.u64(run.position);
            out.u32(run.length);
            out.u32(run.crc);
        }
    }
    std::size_t total = head.size();
    for (const Bytes& piece : data) total += piece.size();
    MR_CHECK(total <= kMaxOperationBytes);
    MR_CHECK(total == head.size() || std::holds_alternative<Append>(operation.what));
    out.patch_u32(1, static_cast<std::uint32_t>(total));
    std::uint32_t checksum = operation_checksum(head.view());
    for (const Bytes& piece : data) checksum = crc32c(piece.view(), checksum);
    out.patch_u32(kChecksumAt, checksum);
}

Result<OperationHeader> decode_operation_header(ByteView bytes) {
    if (bytes.size() < kOperationHeaderBytes) return operation_corrupt("an operation is cut inside its header");
    LittleEndianReader in{bytes};
    OperationHeader header;
    header.type = in.u8();
    header.total_bytes = in.u32();
    header.checksum = in.u32();
    if (header.total_bytes < kOperationHeaderBytes || header.total_bytes > kMaxOperationBytes) {
        return operation_corrupt("an operation of type " + std::to_string(header.type) + " claims " +
                                 std::to_string(header.total_bytes) + " bytes");
    }
    return header;
}

Result<DecodedOperation> decode_operation(ByteView bytes) {
    MR_TRY(const OperationHeader header, decode_operation_header(bytes));
    if (header.total_bytes != bytes.size()) return operation_corrupt("an operation's length does not match its bytes");
    if (operation_checksum(bytes) != header.checksum) {
        return operation_corrupt("an operation's checksum does not match its bytes");
    }
    LittleEndianReader in{bytes.subspan(kOperationHeaderBytes)};
    DecodedOperation decoded;
    decoded.operation.wall_ms = in.i64();
    bool has_data = false;
    switch (static_cast<OperationType>(header.type)) {
        case OperationType::kCreateSegment: {
            CreateSegment create;
            create.segment = SegmentKey{in.u64()};
            create.policy.target_rate = in.i32();
            create.policy.scale_type = in.i8();
            create.policy.rollover_size_bytes = in.i64();
            const std::size_t name_bytes = in.u16();
            if (name_bytes == 0 || name_bytes > kMaxSegmentNameBytes) {
                return operation_corrupt("a segment's name has " + std::to_string(name_bytes) + " bytes");
            }
            create.name = as_text(in.bytes(name_bytes));
            decoded.operation.what = std::move(create);
            break;
        }
        case OperationType::kAppend: {
            Append append;
            append.segment = SegmentKey{in.u64()};
            append.offset = in.i64();
            const ByteView writer = in.bytes(append.writer.bytes.size());
            if (!writer.empty()) std::memcpy(append.writer.bytes.data(), writer.data(), writer.size());
            append.event_number = in.i64();
            append.event_count = in.i32();
            decoded.operation.what = append;
            has_data = true;
            break;
        }
        case OperationType::kSealSegment: {
            SealSegment seal;
            seal.segment = SegmentKey{in.u64()};
            seal.length = in.i64();
            decoded.operation.what = seal;
            break;
        }
        case OperationType::kDeleteSegment:
            decoded.operation.what = DeleteSegment{SegmentKey{in.u64()}};
            break;
        case OperationType::kTruncateSegment: {
            TruncateSegment truncate;
            truncate.segment = SegmentKey{in.u64()};
            truncate.start_offset = in.i64();
            decoded.operation.what = truncate;
            break;
        }
        case OperationType::kSetAttribute: {
            SetAttribute set;
            set.segment = SegmentKey{in.u64()};
            const ByteView attribute = in.bytes(set.attribute.bytes.size());
            if (!attribute.empty()) std::memcpy(set.attribute.bytes.data(), attribute.data(), attribute.size());
            set.value = in.i64();
            decoded.operation.what = set;
            break;
        }
        case OperationType::kObjectPlanned: {
            ObjectPlanned planned;
            planned.object = decode_object_id(in);
            const std::uint8_t snapshot = in.u8();
            if (snapshot > 1) return operation_corrupt("an object of unknown kind is planned");
            planned.snapshot = snapshot == 1;
            decoded.operation.what = planned;
            break;
        }
        case OperationType::kWindowTiered: {
            WindowTiered tiered;
            tiered.object = decode_object_id(in);
            tiered.cursor.index = log::Index{in.u64()};
            tiered.cursor.lsn = Lsn{in.u64()};
            const std::uint32_t runs = in.u32();
            if (runs != in.remaining() / kRunBytes) return operation_corrupt("a tiered window has a wrong number of runs");
            tiered.runs.resize(runs);
            for (WindowTiered::Run& run : tiered.runs) {
                run.segment = SegmentKey{in.u64()};
                run.offset = in.i64();
                run.position = in.u64();
                run.length = in.u32();
                run.crc = in.u32();
            }
            decoded.operation.what = std::move(tiered);
            break;
        }
        default:
            return Error{ErrorCode::kUnsupported, "operation type " + std::to_string(header.type) +
                                                      " is unknown; a newer version wrote this log"};
    }
    if (in.failed() || (!has_data && in.remaining() != 0)) {
        return operation_corrupt("an operation of type " + std::to_string(header.type) + " has " +
                                 std::to_string(bytes.size()) + " bytes, which is not its layout");
    }
    decoded.data_begin = bytes.size() - in.remaining();
    return decoded;
}

std::optional<AppendHead> peek_append(ByteView bytes) {
    if (bytes.size() < kAppendHeadBytes) return std::nullopt;
    LittleEndianReader in{bytes};
    if (in.u8() != static_cast<std::uint8_t>(OperationType::kAppend)) return std::nullopt;
    AppendHead head;
    head.total_bytes = in.u32();
    in.bytes(4 + 8);
    head.segment = SegmentKey{in.u64()};
    head.offset = in.i64();
    if (head.total_bytes < kAppendHeadBytes || head.total_bytes > kMaxOperationBytes) return std::nullopt;
    return head;
}

}  // namespace millrace::container
