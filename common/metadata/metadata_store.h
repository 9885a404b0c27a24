// SPDX-License-Identifier: Apache-2.0
//
// The one seam for everything small and fenced: a tree of versioned values, changed by
// compare-and-set. Its rules are those of ZooKeeper at its worst, so that code written on it runs on
// every implementation: writes can end with unknown fate (Error::fate()), lists have no pages.
// Paths: "/a/b", no trailing slash; a parent exists before its child; "/" always exists.
// Bounds: a value at most 512 KiB, at most 1,000 children a node; a multi at most 1,000 operations and
// 1,000,000 bytes of paths and values.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/base/strong_id.h"
#include "common/runtime/task.h"

namespace millrace::metadata {

// Of a value: 0 when created, one more at each set.
using Version = StrongId<std::int64_t, struct VersionTag>;
inline constexpr Version kAnyVersion{-1};

struct Node {
    std::string value;
    Version version;
};

struct Create {
    std::string path;
    std::string value;
};
struct Set {
    std::string path;
    std::string value;
    Version expected = kAnyVersion;
};
struct Remove {
    std::string path;
    Version expected = kAnyVersion;
};
struct Check {
    std::string path;
    Version expected = kAnyVersion;
};
using Operation = std::variant<Create, Set, Remove, Check>;

class MetadataStore {
public:
    virtual ~MetadataStore() = default;

    // kNotFound.
    virtual Task<Result<Node>> get(std::string path) = 0;
    // Names of the children, sorted. kNotFound.
    virtual Task<Result<std::vector<std::string>>> children(std::string path) = 0;

    // All or nothing, durable when it completes. On failure the detail names the operation's path.
    // Errors: kNotFound (set, remove, check; or the parent of a create), kAlreadyExists,
    // kVersionMismatch, kFailedPrecondition (remove of a node with children), kTooLarge,
    // kUnavailable with Fate::kUnknown.
    virtual Task<Result<void>> multi(std::vector<Operation> operations) = 0;

    Task<Result<void>> create(std::string path, std::string value);
    Task<Result<void>> set(std::string path, std::string value, Version expected);
    Task<Result<void>> remove(std::string path, Version expected = kAnyVersion);
};

}  // namespace millrace::metadata
