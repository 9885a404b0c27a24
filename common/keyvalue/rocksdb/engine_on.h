// SPDX-License-Identifier: Apache-2.0
//
// For this room and its tests: the engine on another environment than the machine's.
#pragma once

#include <rocksdb/env.h>

#include <memory>

#include "common/keyvalue/keyvalue.h"

namespace millrace::keyvalue {

// `environment` outlives the engine and its stores.
std::shared_ptr<Engine> make_rocksdb_engine_on(rocksdb::Env& environment, EngineOptions options);

}  // namespace millrace::keyvalue
