// SPDX-License-Identifier: Apache-2.0
//
// The engine on embedded RocksDB (docs/formats/keyvalue.md). RocksDB's headers stay out of here.
#pragma once

#include <memory>

#include "common/keyvalue/keyvalue.h"

namespace millrace::keyvalue {

std::shared_ptr<Engine> make_rocksdb_engine(EngineOptions options = {});

}  // namespace millrace::keyvalue
