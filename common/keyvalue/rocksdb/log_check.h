// SPDX-License-Identifier: Apache-2.0
//
// Whether what is broken in a database's write-ahead log can be what a crash leaves. RocksDB by itself either refuses
// every broken record, also the torn end of a write that nobody was told of, or drops all from the first broken one on,
// also what was acknowledged. So each record says up to which sequence number the log was known to be synced when it was
// written: who finds one behind a broken place knows whether that place may be dropped.
#pragma once

#include <rocksdb/file_system.h>
#include <rocksdb/write_batch.h>

#include <cstdint>
#include <string>

#include "common/base/result.h"

namespace millrace::keyvalue {

// Notes in a batch, as its first entry, up to where the log is synced. REQUIRES: the batch is empty.
void put_synced_through(rocksdb::WriteBatch& batch, std::uint64_t sequence);

// kCorrupt names file and offset of a broken place that had been synced. Blocks.
Result<void> check_logs(rocksdb::FileSystem& files, const std::string& db_path);

}  // namespace millrace::keyvalue
