// SPDX-License-Identifier: Apache-2.0
//
// From the files found at a start to what we vouch for (docs/formats/journal.md, "Reading a
// journal"). Reads only; what follows from it (a new file, removals) is the journal's business.
//
// The newest file whose first batch is whole lists the older files and how far each counts: there,
// any bad batch is damage. In the newest file itself the first bad batch is damage when something
// later proves that it was durable, and a torn tail when nothing does. An entry whose body alone is damaged is damage of
// its log and nothing else: it is where it should be, and whoever reads it learns. Batches that nothing proves
// durable may exist in a cache only: they are handed back to be written anew before they count.
// Files that were retired may be gone, also from the middle: then a log's entries have a gap, and all before its end
// must be garbage by the log's truncations.
// Thread rule: the journal's executor.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/runtime/runtime.h"
#include "segmentstore/log/journal/entry_index.h"
#include "segmentstore/log/journal/format.h"
#include "segmentstore/log/journal/journal.h"
#include "segmentstore/log/journal/sealed_file.h"

namespace millrace::log {

struct RecoveredLog {
    std::uint64_t epoch = 0;
    EntryIndex entries;
    Index first{1};  // needed; entries from here on are there
    std::string anchor;
};

// An entry, a promise or a truncation that has to be written again.
struct TailRecord {
    RecordHeader header;
    ByteBuffer body;
};

struct Recovered {
    std::optional<StoreUuid> store;              // empty: no file was here
    std::map<std::uint32_t, RecoveredLog> logs;  // without the tail
    std::vector<SealedFile> files;               // all that hold something needed, oldest first
    std::vector<TailRecord> tail;
    std::uint64_t next_file_seq = 1;
    std::uint64_t next_batch_seq = 1;
    std::uint64_t total_bytes = 0;  // of `files`, as they are on disk
    // Names of files that were never finished; they may go at once.
    std::vector<std::string> unfinished;
    // Only when the next file's first batch is durable: names of files that hold nothing that
    // counts, and files (by place in `files`) that are longer than what counts of them.
    std::vector<std::string> useless;
    std::vector<std::size_t> oversized;
    // For the log line; empty: the journal ended cleanly.
    std::string torn;
};

Task<Result<Recovered>> recover(Runtime runtime, std::string directory, JournalMutations mutations);

// See JournalOptions::store.
Result<void> check_store(const Recovered& recovered, const std::optional<StoreUuid>& expected, const std::string& directory);

}  // namespace millrace::log
