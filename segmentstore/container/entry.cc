// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/entry.h"

#include <algorithm>

#include "common/base/binary.h"

namespace millrace::container {

namespace {

constexpr std::uint8_t kFirstOfEpoch = 1;
// The header of the operation under way is not whole yet.
constexpr std::size_t kUnknownLength = SIZE_MAX;

}  // namespace

void encode_entry_header(const EntryHeader& header, ByteBuffer& out) {
    LittleEndianWriter writer{out};
    writer.u8(kContainerFormat);
    writer.u8(header.first_of_epoch ? kFirstOfEpoch : 0);
    writer.u16(0);
    writer.u32(header.continuing_bytes);
}

Result<EntryHeader> decode_entry_header(ByteView body) {
    LittleEndianReader in{body};
    const std::uint8_t format = in.u8();
    const std::uint8_t flags = in.u8();
    const std::uint16_t zero = in.u16();
    EntryHeader header;
    header.continuing_bytes = in.u32();
    if (in.failed()) return Error{ErrorCode::kCorrupt, "it is shorter than an entry's header"};
    if (format > kContainerFormat) {
        return Error{ErrorCode::kUnsupported, "its format is " + std::to_string(format) + ", this version reads up to " +
                                                  std::to_string(kContainerFormat)};
    }
    if (format != kContainerFormat || (flags & ~kFirstOfEpoch) != 0 || zero != 0 ||
        header.continuing_bytes > in.remaining()) {
        return Error{ErrorCode::kCorrupt, "its header is not one of format " + std::to_string(kContainerFormat)};
    }
    header.first_of_epoch = (flags & kFirstOfEpoch) != 0;
    return header;
}

void append_extents(const Append& append, std::span<const OperationPart> parts, std::vector<Extent>& out) {
    std::int64_t offset = append.offset;
    std::size_t seen = 0;  // bytes of the operation before this part
    for (const OperationPart& part : parts) {
        const std::size_t head_here = seen < kAppendHeadBytes ? std::min<std::size_t>(kAppendHeadBytes - seen, part.length) : 0;
        const auto data_here = static_cast<std::uint32_t>(part.length - head_here);
        if (data_here > 0) {
            if (seen == 0) {
                out.push_back(Extent::run(offset, part.entry, part.position, data_here));
            } else {
                const auto begin = static_cast<std::uint32_t>(part.position + head_here);
                out.push_back(Extent::raw(offset, part.entry, begin, data_here));
            }
            offset += data_here;
        }
        seen += part.length;
    }
}

Result<void> OperationAssembler::feed(log::Index index, ByteView body, std::vector<ReplayedOperation>& out) {
    Result<void> fed = feed_entry(index, body, out);
    if (!fed) return std::move(fed).error().while_doing("log entry " + to_string(index));
    return ok();
}

Result<void> OperationAssembler::feed_entry(log::Index index, ByteView body, std::vector<ReplayedOperation>& out) {
    MR_TRY(const EntryHeader header, decode_entry_header(body));
    if (header.first_of_epoch && !(mutations_.ignore_first_of_epoch && any_entry_)) {
        if (header.continuing_bytes != 0) {
            return Error{ErrorCode::kCorrupt, "the first entry of an epoch continues an operation"};
        }
        if (expected_ != 0) ++void_operations_;
        expected_ = 0;
        partial_.clear();
        parts_.clear();
    } else if (!any_entry_) {
        return Error{ErrorCode::kCorrupt, "the log does not start with the first entry of an epoch"};
    }
    any_entry_ = true;
    std::size_t at = kEntryHeaderBytes;
    const std::size_t continuing_end = at + header.continuing_bytes;
    if (expected_ == 0 && header.continuing_bytes != 0) {
        return Error{ErrorCode::kCorrupt, "it continues an operation that never began"};
    }
    if (expected_ != 0 && header.continuing_bytes == 0) {
        return Error{ErrorCode::kCorrupt, "an operation of the entries before it is unfinished and not continued"};
    }
    while (at < body.size()) {
        const std::size_t rest = body.size() - at;
        std::size_t take = 0;
        if (expected_ == 0 && rest >= kOperationHeaderBytes) {
            MR_TRY(const OperationHeader operation, decode_operation_header(body.subspan(at)));
            expected_ = operation.total_bytes;
            take = std::min(rest, expected_);
            if (take == expected_) {  // wholly here: no copy
                ReplayedOperation whole;
                MR_TRY(whole.decoded, decode_operation(body.subspan(at, take)));
                whole.data_bytes = take - whole.decoded.data_begin;
                whole.parts.push_back({index, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(take)});
                out.push_back(std::move(whole));
                at += take;
                expected_ = 0;
                continue;
            }
        } else if (expected_ == 0) {  // cut inside its header, at the end of the entry
            expected_ = kUnknownLength;
            take = rest;
        } else {  // goes on here
            ByteView more = body.subspan(at, continuing_end - at);
            take = more.size();
            if (expected_ == kUnknownLength) {
                ByteBuffer head;
                head.append(partial_.view());
                head.append(more.first(std::min(more.size(), kOperationHeaderBytes)));
                if (head.size() >= kOperationHeaderBytes) {
                    MR_TRY(const OperationHeader operation, decode_operation_header(head.view()));
                    expected_ = operation.total_bytes;
                }
            }
        }
        partial_.append(body.subspan(at, take));
        parts_.push_back({index, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(take)});
        at += take;
        if (expected_ != kUnknownLength && partial_.size() > expected_) {
            return Error{ErrorCode::kCorrupt, "an operation is continued beyond its length"};
        }
        if (partial_.size() == expected_) {
            ReplayedOperation joined;
            MR_TRY(joined.decoded, decode_operation(partial_.view()));
            joined.data_bytes = expected_ - joined.decoded.data_begin;
            joined.parts = std::move(parts_);
            out.push_back(std::move(joined));
            partial_ = {};
            parts_.clear();
            expected_ = 0;
        } else if (at < body.size()) {
            return Error{ErrorCode::kCorrupt, "an unfinished operation ends inside it"};
        }
    }
    return ok();
}

}  // namespace millrace::container
