// SPDX-License-Identifier: Apache-2.0
//
// Long-term storage: immutable objects under names that are given once. An object is there wholly and durably, or not at
// all; it is never overwritten, and removed only by who has committed evidence that nothing refers to it.
// What the bytes mean is the writer's business (docs/formats/object.md); a reader checks what it reads.
// Thread rule: one executor. Lifetime: outlives its writers and calls.
// Errors of every call: kUnavailable (the storage is not there or is not ours now; try again), kIo, kClosed. Callers
// retry; nothing here does.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/runtime/task.h"
#include "segmentstore/storage/object_name.h"

namespace millrace::storage {

// Destroying an unfinished writer leaves at most an unfinished object, which nobody sees.
class ObjectWriter {
public:
    virtual ~ObjectWriter() = default;

    // Adds the pieces at the end. One call at a time. The pieces are shared until the call completes. After an
    // error the writer is of no use. kNoSpace.
    virtual Task<Result<void>> append(std::vector<Bytes> pieces) = 0;
    // What was appended is on its way when this completes, as far as the storage takes parts of that size; it need not be
    // durable. Without it a writer gathers as much as its storage likes best. Errors as append().
    virtual Task<Result<void>> hand_over() { co_return ok(); }
    // The object is durable and visible when this completes; an error leaves that open (Fate::kUnknown) or says that
    // it is not. kAlreadyExists: somebody has given this name before. kNoSpace.
    virtual Task<Result<void>> finish() = 0;
    // Appended so far.
    virtual std::uint64_t size() const = 0;
};

class ObjectStorage {
public:
    // Largest object.
    static constexpr std::uint64_t kMaxObjectBytes = 4ull * 1024 * 1024 * 1024;

    virtual ~ObjectStorage() = default;

    // kAlreadyExists.
    virtual Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectName name) = 0;
    // Fewer bytes than `length` only at the object's end. kNotFound.
    virtual Task<Result<Bytes>> read(ObjectName name, std::uint64_t offset, std::size_t length) = 0;
    // kNotFound.
    virtual Task<Result<std::uint64_t>> size(ObjectName name) = 0;
    // Durably; also when it is gone already.
    virtual Task<Result<void>> remove(ObjectName name) = 0;
    // Every object of a container, sorted. For verification, never for deciding what to delete.
    virtual Task<Result<std::vector<ObjectName>>> list(ContainerId container) = 0;
};

}  // namespace millrace::storage
