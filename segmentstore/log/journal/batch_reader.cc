// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/journal/batch_reader.h"

#include <algorithm>

namespace millrace::log {

const DecodedRecord* WholeBatch::damaged_entry() const {
    const auto found = std::find_if(records.begin(), records.end(), [](const DecodedRecord& record) { return record.damaged; });
    return found == records.end() ? nullptr : &*found;
}

Task<Result<WholeBatch>> read_batch(FileWindow& window, FileHeader file, BatchPlace place, BodyChecks checks) {
    MR_CO_TRY(ByteView bytes, co_await window.view(place.offset, kBlockBytes));
    if (bytes.size() < kBlockBytes) co_return Error{ErrorCode::kCorrupt, "the file ends"};
    WholeBatch batch;
    MR_CO_TRY(batch.header, decode_batch_header(bytes, file.salt));
    if (batch.header.file_seq != file.file_seq || (place.batch_seq && batch.header.batch_seq != *place.batch_seq) ||
        batch.header.previous_crc != place.previous_crc) {
        co_return Error{ErrorCode::kCorrupt, "a batch out of sequence"};
    }
    MR_CO_TRY(bytes, co_await window.view(place.offset, batch.header.padded_bytes));
    if (bytes.size() < batch.header.padded_bytes) co_return Error{ErrorCode::kCorrupt, "the file ends inside the batch"};
    MR_CO_TRY(batch.records, decode_records(batch.header, bytes, checks));
    co_return std::move(batch);
}

}  // namespace millrace::log
