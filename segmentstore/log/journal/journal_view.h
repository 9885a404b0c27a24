// SPDX-License-Identifier: Apache-2.0
//
// A journal as it is on disk, for looking at: nothing is taken over, written, cut or removed. A journal that is being
// written may look damaged to this, because files go and come while they are read; read it again then.
// Thread rule: one executor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/runtime/runtime.h"
#include "segmentstore/log/durable_log.h"
#include "segmentstore/log/journal/batch_reader.h"
#include "segmentstore/log/journal/format.h"

namespace millrace::log {

class JournalView {
public:
    // Reads every batch that counts and checks it, as a start would. `store`: see JournalOptions. Errors: as Journal::open.
    static Task<Result<std::unique_ptr<JournalView>>> open(Runtime runtime, std::string directory, std::optional<StoreUuid> store);
    virtual ~JournalView() = default;

    // Those that were ever taken over, in order.
    virtual std::vector<ContainerId> logs() const = 0;
    // Reads only: append(), truncate() and confirm_ownership() answer kFailedPrecondition. The view outlives it.
    // REQUIRES: one of logs().
    virtual std::unique_ptr<DurableLog> log(ContainerId id) = 0;
    // Where the last write was cut off; empty: nowhere.
    virtual const std::string& torn() const = 0;
};

// One file of a journal directory.
struct JournalFileInfo {
    std::string name;
    std::uint64_t bytes = 0;
    std::optional<FileHeader> header;  // none for one that was not finished, or that is damaged
    std::uint64_t batches = 0;
    std::uint64_t records = 0;
    std::uint64_t first_batch = 0;
    std::uint64_t last_batch = 0;
    std::uint64_t end = 0;               // of the last batch
    std::uint64_t last_wall_time_ms = 0;
    std::string remark;                  // what is wrong with the header
};

// Called with each whole batch, and its offset. The records are valid during the call.
using BatchVisitor = std::function<void(const JournalFileInfo& file, std::uint64_t offset, const WholeBatch& batch)>;

// Every file, in order, with the batches up to the first that is not whole: the end of what was written, or damage,
// which only JournalView::open can tell apart.
Task<Result<std::vector<JournalFileInfo>>> list_journal_files(Runtime runtime, std::string directory, BatchVisitor visit);

}  // namespace millrace::log
