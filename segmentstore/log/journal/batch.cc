// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/journal/batch.h"

#include "common/base/crc32c.h"

namespace millrace::log {

void BatchBuilder::start(std::size_t record_count, std::size_t body_bytes) {
    const std::size_t needed = batch_bytes(record_count, body_bytes);
    if (needed > buffer_.size()) buffer_ = AlignedBuffer{needed};
    records_expected_ = record_count;
    records_ = 0;
    body_at_ = BatchHeader::kBytes + record_count * RecordHeader::kBytes;
    end_expected_ = body_at_ + body_bytes;
}

std::uint32_t BatchBuilder::add(RecordHeader& header, ByteView body) {
    const std::size_t begin = body_at_;
    copy(body);
    header.body_crc = crc32c(body);
    return close_record(header, begin);
}

std::uint32_t BatchBuilder::add(RecordHeader& header, std::span<const Bytes> pieces, std::uint32_t crc) {
    const std::size_t begin = body_at_;
    for (const Bytes& piece : pieces) copy(piece);
    header.body_crc = crc;
    return close_record(header, begin);
}

void BatchBuilder::copy(ByteView bytes) {
    MR_CHECK(bytes.size() <= end_expected_ - body_at_);
    if (!bytes.empty()) std::memcpy(buffer_.data() + body_at_, bytes.data(), bytes.size());
    body_at_ += bytes.size();
}

std::uint32_t BatchBuilder::close_record(RecordHeader& header, std::size_t begin) {
    MR_CHECK(records_ < records_expected_);
    header.body_bytes = static_cast<std::uint32_t>(body_at_ - begin);
    encode_record_header(header, buffer_.mutable_view().subspan(BatchHeader::kBytes +
                                                                records_ * RecordHeader::kBytes));
    ++records_;
    return static_cast<std::uint32_t>(begin);
}

ByteView BatchBuilder::finish(BatchHeader& header, std::uint64_t salt) {
    MR_CHECK(records_ == records_expected_ && body_at_ == end_expected_);
    const std::size_t padded = align_up(body_at_);
    std::memset(buffer_.data() + body_at_, 0, padded - body_at_);
    header.record_count = static_cast<std::uint32_t>(records_);
    header.records_bytes = static_cast<std::uint32_t>(body_at_ - BatchHeader::kBytes);
    header.records_crc =
        crc32c(ByteView{buffer_.data() + BatchHeader::kBytes, records_ * RecordHeader::kBytes});
    header.padded_bytes = static_cast<std::uint32_t>(padded);
    header.header_crc = encode_batch_header(header, salt, buffer_.mutable_view());
    return buffer_.view().first(padded);
}

Result<std::vector<DecodedRecord>> decode_records(const BatchHeader& header, ByteView bytes,
                                                  BodyChecks checks) {
    MR_CHECK(bytes.size() >= header.padded_bytes);
    const ByteView headers =
        bytes.subspan(BatchHeader::kBytes, header.record_count * RecordHeader::kBytes);
    if (crc32c(headers) != header.records_crc) {
        return Error{ErrorCode::kCorrupt, "the record headers fail their checksum"};
    }
    const std::size_t end = BatchHeader::kBytes + header.records_bytes;
    std::size_t at = BatchHeader::kBytes + headers.size();
    std::vector<DecodedRecord> records;
    records.reserve(header.record_count);
    for (std::size_t i = 0; i < header.record_count; ++i) {
        DecodedRecord record;
        MR_TRY(record.header, decode_record_header(
                                  headers.subspan(i * RecordHeader::kBytes, RecordHeader::kBytes)));
        if (record.header.body_bytes > end - at) {
            return Error{ErrorCode::kCorrupt,
                         "record " + std::to_string(i) + " is longer than its batch"};
        }
        record.body = bytes.subspan(at, record.header.body_bytes);
        record.body_at = static_cast<std::uint32_t>(at);
        at += record.header.body_bytes;
        if (checks != BodyChecks::kNone && crc32c(record.body) != record.header.body_crc) {
            record.damaged = checks == BodyChecks::kTellOfEntries && record.header.type == RecordType::kEntry;
            if (!record.damaged) {
                return Error{ErrorCode::kCorrupt,
                             "the body of record " + std::to_string(i) + " fails its checksum"};
            }
        }
        records.push_back(record);
    }
    if (at != end) return Error{ErrorCode::kCorrupt, "the records are shorter than their batch"};
    return records;
}

}  // namespace millrace::log
