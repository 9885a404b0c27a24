// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/rocksdb/options.h"

#include <rocksdb/convenience.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>

namespace millrace::keyvalue {

namespace {

rocksdb::CompressionType best_compression() {
    static const rocksdb::CompressionType best = [] {
        const auto known = rocksdb::GetSupportedCompressions();
        for (const auto type : {rocksdb::kLZ4Compression, rocksdb::kSnappyCompression}) {
            if (std::find(known.begin(), known.end(), type) != known.end()) return type;
        }
        return rocksdb::kNoCompression;
    }();
    return best;
}

}  // namespace

SharedParts::SharedParts(const EngineOptions& options, rocksdb::Env* environment)
    : engine_options{options},
      env{environment},
      cache{rocksdb::NewLRUCache(options.cache_bytes)},
      // Nobody stalls for it: a store that writes above the sum moves its own part to disk.
      write_buffers{std::make_shared<rocksdb::WriteBufferManager>(options.write_buffers_bytes)},
      rate_limiter{options.background_bytes_per_second == 0
                       ? nullptr
                       : rocksdb::NewGenericRateLimiter(static_cast<std::int64_t>(options.background_bytes_per_second))} {}

rocksdb::Options options_of_store(const SharedParts& shared, const StoreOptions& store, bool direct_io) {
    rocksdb::Options options;
    options.env = shared.env;
    options.create_if_missing = !store.read_only;

    // Memory: 64 databases in a process must be cheap.
    options.write_buffer_manager = shared.write_buffers;
    options.write_buffer_size = store.write_buffer_bytes;
    options.max_write_buffer_number = 4;
    options.arena_block_size = std::min<std::size_t>(256 * 1024, std::max<std::size_t>(4096, store.write_buffer_bytes / 8));
    options.max_open_files = 128;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = shared.cache;
    table.cache_index_and_filter_blocks = true;
    table.pin_l0_filter_and_index_blocks_in_cache = true;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.format_version = 5;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

    // Background.
    options.max_background_jobs = std::max(2, shared.engine_options.background_threads);
    options.rate_limiter = shared.rate_limiter;
    options.use_direct_io_for_flush_and_compaction = direct_io;
    options.bytes_per_sync = 1024 * 1024;
    options.wal_bytes_per_sync = 1024 * 1024;
    options.level_compaction_dynamic_level_bytes = true;
    options.target_file_size_base = 16 * 1024 * 1024;
    options.compression = best_compression();

    // The log.
    options.max_total_wal_size = 4 * store.write_buffer_bytes;
    // What a crash tears off the end is dropped here; whether it was the end is looked at before (log_check.h).
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;

    // Trust nothing that was read, and never go on by itself after a failure: who owns the store decides.
    options.paranoid_checks = true;
    options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
    options.max_bgerror_resume_count = 0;
    // close() flushes, and only a store that has not stopped.
    options.avoid_flush_during_shutdown = true;

    options.keep_log_file_num = 2;
    options.max_log_file_size = 1024 * 1024;
    options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.skip_stats_update_on_db_open = true;
    return options;
}

}  // namespace millrace::keyvalue
