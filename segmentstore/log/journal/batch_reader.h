// SPDX-License-Identifier: Apache-2.0
//
// One batch of a journal file, read and checked.
// Thread rule: the journal's executor.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/runtime/task.h"
#include "segmentstore/log/journal/batch.h"
#include "segmentstore/log/journal/journal_file.h"

namespace millrace::log {

struct WholeBatch {
    BatchHeader header;
    std::vector<DecodedRecord> records;  // bodies are valid until the window moves

    // The first whose body fails its checksum, if there is one.
    const DecodedRecord* damaged_entry() const;
};

// What a batch has to follow.
struct BatchPlace {
    std::uint64_t offset = kBlockBytes;
    std::optional<std::uint64_t> batch_seq;  // any, without
    std::uint32_t previous_crc = 0;
};

// The batch at `place` of the file with this header. kCorrupt when there is no whole one, or not the one expected; the
// detail says what is wrong, not where.
Task<Result<WholeBatch>> read_batch(FileWindow& window, FileHeader file, BatchPlace place, BodyChecks checks = BodyChecks::kAll);

}  // namespace millrace::log
