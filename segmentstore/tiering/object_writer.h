// SPDX-License-Identifier: Apache-2.0
//
// Writes one object of segment data: header, extents as they are given, footer. And reads it back, checked.
// Thread rule: the container's executor. Lifetime: the storage outlives both.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "segmentstore/storage/object_storage.h"
#include "segmentstore/tiering/object_format.h"

namespace millrace::tiering {

class DataObjectWriter {
public:
    // Errors as ObjectStorage::create().
    static Task<Result<std::unique_ptr<DataObjectWriter>>> create(storage::ObjectStorage& storage, storage::ObjectName name);

    // Adds bytes of a segment that follow one another from `offset`; any number of them. Segments come in the order of
    // their keys, the bytes of one in the order of their offsets.
    Task<Result<void>> add(std::uint64_t segment, std::string name, std::int64_t offset, std::vector<Bytes> pieces);
    Task<Result<void>> hand_over() { return writer_->hand_over(); }
    // Durable on return. The footer is what was stored.
    Task<Result<ObjectFooter>> finish();

    std::uint64_t size() const { return writer_->size(); }

private:
    explicit DataObjectWriter(std::unique_ptr<storage::ObjectWriter> writer) : writer_{std::move(writer)} {}

    std::unique_ptr<storage::ObjectWriter> writer_;
    ObjectFooter footer_;
};

// The bytes of one extent. kCorrupt names object and position; otherwise as ObjectStorage::read().
Task<Result<Bytes>> read_extent(storage::ObjectStorage& storage, storage::ObjectName object, StoredExtent extent);
// What the object says of itself. kCorrupt, kUnsupported name the object.
Task<Result<ObjectFooter>> read_footer(storage::ObjectStorage& storage, storage::ObjectName object);

}  // namespace millrace::tiering
