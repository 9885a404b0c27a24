// SPDX-License-Identifier: Apache-2.0
//
// One object of long-term storage against its own checksums, whatever the log says of it.
#pragma once

#include <cstdint>

#include "common/base/result.h"
#include "common/runtime/task.h"
#include "segmentstore/storage/object_storage.h"
#include "segmentstore/tiering/object_format.h"

namespace millrace::inspect {

struct CheckedObject {
    tiering::ObjectKind kind = tiering::ObjectKind::kData;
    std::uint64_t bytes = 0;
    tiering::ObjectFooter footer;  // of a data object
};

// Its header and what its end says.
Task<Result<CheckedObject>> look_at_object(storage::ObjectStorage& storage, storage::ObjectName name);
// The same, and reads every byte. kCorrupt, kUnsupported name the object.
Task<Result<CheckedObject>> check_object(storage::ObjectStorage& storage, storage::ObjectName name);

}  // namespace millrace::inspect
