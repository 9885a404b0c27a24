// SPDX-License-Identifier: Apache-2.0
//
// The blocks and bodies of journal files, each by itself. The first byte of an input says which it is.
#include <algorithm>

#include "common/base/binary.h"
#include "common/base/crc32c.h"
#include "segmentstore/log/journal/batch.h"
#include "segmentstore/log/journal/format.h"
#include "tests/fuzz/allocation_bound.h"
#include "tests/fuzz/entries.h"
#include "tests/fuzz/input.h"

namespace millrace::fuzz {
namespace {

using namespace millrace::log;

constexpr std::size_t kFileChecksumAt = 12;
constexpr std::size_t kBatchChecksumAt = 4;

// Inputs are short, blocks are long: the rest is zeros.
ByteBuffer padded(ByteView input, std::size_t bytes) {
    ByteBuffer block = own_buffer(input.first(std::min(input.size(), bytes)));
    const std::size_t given = block.size();
    block.resize(bytes);
    std::fill(block.begin() + static_cast<std::ptrdiff_t>(given), block.end(), std::byte{0});
    return block;
}

void check_file_header(ByteView input) {
    const auto check = [](ByteView block) {
        const auto header = decode_file_header(block);
        if (!header) {
            check_refusal(header.error());
            return;
        }
        ByteBuffer again(kBlockBytes);
        encode_file_header(*header, again.mutable_view());
        const auto same = decode_file_header(again.view());
        constexpr std::size_t kFieldsEnd = 64;
        constexpr std::size_t kFieldsBegin = kFileChecksumAt + 4;
        MR_CHECK(same.ok());
        MR_CHECK(std::ranges::equal(again.view().subspan(kFieldsBegin, kFieldsEnd - kFieldsBegin),
                                    block.subspan(kFieldsBegin, kFieldsEnd - kFieldsBegin)));
    };
    check(input);
    ByteBuffer block = padded(input, kBlockBytes);
    check(block.view());
    overwrite(block, kFileChecksumAt, std::uint32_t{0});
    overwrite(block, kFileChecksumAt, crc32c(block.view()));
    check(block.view());
}

void check_batch(ByteView bytes, std::uint64_t salt) {
    const auto header = decode_batch_header(bytes, salt);
    if (!header) {
        check_refusal(header.error());
        return;
    }
    if (header->padded_bytes > bytes.size()) return;  // recovery would have said that the file ends
    const auto records = decode_records(*header, bytes);
    if (!records) {
        check_refusal(records.error());
        return;
    }
    std::size_t body_bytes = 0;
    for (const DecodedRecord& record : *records) body_bytes += record.body.size();
    BatchBuilder builder;
    builder.start(records->size(), body_bytes);
    for (const DecodedRecord& record : *records) {
        RecordHeader copy = record.header;
        MR_CHECK(builder.add(copy, record.body) == record.body_at);
    }
    BatchHeader copy = *header;
    const ByteView again = builder.finish(copy, salt);
    const std::size_t used = BatchHeader::kBytes + header->records_bytes;
    MR_CHECK(copy.header_crc == header->header_crc && again.size() == header->padded_bytes);
    MR_CHECK(std::ranges::equal(again.first(used), bytes.first(used)));
}

// Checksums of bodies, of record headers and of the batch header; sizes and counts are as given.
void make_batch_fit(ByteBuffer& bytes, std::uint64_t salt) {
    LittleEndianReader in{bytes.view().subspan(32)};
    const std::size_t records_bytes = in.u32();
    const std::size_t count = in.u32();
    std::size_t at = BatchHeader::kBytes + count * RecordHeader::kBytes;
    if (at <= bytes.size()) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t record = BatchHeader::kBytes + i * RecordHeader::kBytes;
            const std::size_t size = LittleEndianReader{bytes.view().subspan(record + 4)}.u32();
            if (size > bytes.size() - at) break;
            overwrite(bytes, record + 12, crc32c(bytes.view().subspan(at, size)));
            at += size;
        }
        overwrite(bytes, 40, crc32c(bytes.view().subspan(BatchHeader::kBytes, count * RecordHeader::kBytes)));
    }
    overwrite(bytes, 48, static_cast<std::uint32_t>(align_up(BatchHeader::kBytes + records_bytes)));
    overwrite(bytes, kBatchChecksumAt,
              crc32c(bytes.view().subspan(8, BatchHeader::kBytes - 8),
                     crc32c(ByteView{reinterpret_cast<const std::byte*>(&salt), sizeof salt})));
}

void check_batch(ByteView input) {
    LittleEndianReader in{input};
    const std::uint64_t salt = in.u64();
    const ByteView rest = in.rest();
    check_batch(own_buffer(rest).view(), salt);
    ByteBuffer block = padded(rest, std::max(align_up(rest.size()), kBlockBytes));
    check_batch(block.view(), salt);
    make_batch_fit(block, salt);
    check_batch(block.view(), salt);
}

void check_log_states(ByteView input) {
    const auto states = decode_log_states(own_buffer(input).view());
    if (!states) return check_refusal(states.error());
    ByteBuffer again;
    encode_log_states(*states, again);
    MR_CHECK(again.size() == input.size());  // padding may differ
    const auto same = decode_log_states(again.view());
    MR_CHECK(same.ok() && *same == *states);
}

void check_file_list(ByteView input) {
    const auto items = decode_file_list(own_buffer(input).view());
    if (!items) return check_refusal(items.error());
    ByteBuffer again;
    encode_file_list(*items, again);
    MR_CHECK(std::ranges::equal(again, input));
}

void check_retired(ByteView input) {
    const auto files = decode_retired(own_buffer(input).view());
    if (!files) return check_refusal(files.error());
    ByteBuffer again;
    encode_retired(*files, again);
    MR_CHECK(std::ranges::equal(again, input));
}

}  // namespace

void journal_records(ByteView input) {
    const AllocationBound bound{64 * 1024 + 64 * input.size()};
    if (input.empty()) return;
    const ByteView rest = input.subspan(1);
    switch (static_cast<unsigned>(input.front()) % 5) {
        case 0:
            return check_file_header(rest);
        case 1:
            return check_batch(rest);
        case 2:
            return check_log_states(rest);
        case 3:
            return check_file_list(rest);
        default:
            return check_retired(rest);
    }
}

}  // namespace millrace::fuzz
