// SPDX-License-Identifier: Apache-2.0
//
// What RocksDB's states mean to a caller: the one place that decides.
#pragma once

#include <rocksdb/status.h>

#include <string_view>

#include "common/base/error.h"

namespace millrace::keyvalue {

// REQUIRES: !status.ok(). The detail is "<what>: " and RocksDB's own words, which name the file where there is one.
Error to_error(const rocksdb::Status& status, std::string_view what);

// A write was refused, without effect, because the background is behind; it would have had to wait.
bool must_wait(const rocksdb::Status& status);

}  // namespace millrace::keyvalue
