// SPDX-License-Identifier: Apache-2.0
//
// How RocksDB is set up: what all databases of an engine share, and what each has of its own.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/write_buffer_manager.h>

#include <memory>

#include "common/keyvalue/keyvalue.h"

namespace millrace::keyvalue {

struct SharedParts {
    SharedParts(const EngineOptions& options, rocksdb::Env* environment);

    const EngineOptions engine_options;
    rocksdb::Env* const env;  // never ends
    const std::shared_ptr<rocksdb::Cache> cache;
    const std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
    const std::shared_ptr<rocksdb::RateLimiter> rate_limiter;  // may be null
};

rocksdb::Options options_of_store(const SharedParts& shared, const StoreOptions& store, bool direct_io);

}  // namespace millrace::keyvalue
