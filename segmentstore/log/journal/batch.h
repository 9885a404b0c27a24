// SPDX-License-Identifier: Apache-2.0
//
// One group commit: building it in an aligned buffer that is reused, and taking it apart again.
// Layout: batch header, all record headers, all bodies, zeros up to the block's end.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/runtime/aligned_buffer.h"
#include "segmentstore/log/journal/format.h"

namespace millrace::log {

// What a batch of `records` records with `body_bytes` in all takes on disk.
constexpr std::uint64_t batch_bytes(std::uint64_t records, std::uint64_t body_bytes) {
    return align_up(BatchHeader::kBytes + records * RecordHeader::kBytes + body_bytes);
}

class BatchBuilder {
public:
    // Grows the buffer when it is too small. What was built before is gone.
    void start(std::size_t record_count, std::size_t body_bytes);

    // Copies the body. Returns its offset from the batch's start; `header`'s length and crc are filled in.
    std::uint32_t add(RecordHeader& header, ByteView body);
    // The same for a body whose checksum is known: nothing but copying is left for when the disk waits.
    std::uint32_t add(RecordHeader& header, std::span<const Bytes> pieces, std::uint32_t crc);

    // REQUIRES: as many records and bytes as announced were added. Fills in what follows from them,
    // header.header_crc included. The view is valid until the next start().
    ByteView finish(BatchHeader& header, std::uint64_t salt);

private:
    void copy(ByteView bytes);
    std::uint32_t close_record(RecordHeader& header, std::size_t begin);

    AlignedBuffer buffer_;
    std::size_t records_expected_ = 0;
    std::size_t end_expected_ = 0;
    std::size_t records_ = 0;
    std::size_t body_at_ = 0;
};

struct DecodedRecord {
    RecordHeader header;
    ByteView body;              // into the batch
    std::uint32_t body_at = 0;  // from the batch's start
    bool damaged = false;       // the body fails its checksum; only of entries, and with BodyChecks::kTellOfEntries
};

enum class BodyChecks : std::uint8_t {
    kAll,            // a body that fails its checksum fails the batch
    kTellOfEntries,  // an entry's does not
    kNone,           // for tests that show what the checksums are for
};

// Checks and splits the records of a batch whose header was decoded from the same bytes.
// REQUIRES: bytes.size() >= header.padded_bytes. kCorrupt says what is wrong, not where.
Result<std::vector<DecodedRecord>> decode_records(const BatchHeader& header, ByteView bytes,
                                                  BodyChecks checks = BodyChecks::kAll);

}  // namespace millrace::log
