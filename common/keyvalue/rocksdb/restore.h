// SPDX-License-Identifier: Apache-2.0
//
// Makes a directory of the files of a pin.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>
#include <string>

#include "common/keyvalue/keyvalue.h"

namespace millrace::keyvalue {

Task<Result<std::unique_ptr<Restore>>> begin_restore(Runtime runtime, std::shared_ptr<rocksdb::FileSystem> files,
                                                     std::string directory);

}  // namespace millrace::keyvalue
