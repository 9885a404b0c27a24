// SPDX-License-Identifier: Apache-2.0
//
// What a multi may do to a tree, decided without input or output: every implementation whose nodes
// it keeps itself uses this one set of rules. Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/metadata/metadata_store.h"

namespace millrace::metadata {

inline constexpr std::size_t kMaxValueBytes = 512 * 1024;
inline constexpr std::size_t kMaxChildren = 1000;
// Of one multi: what the smallest implementation carries in one message.
inline constexpr std::size_t kMaxMultiOperations = 1000;
inline constexpr std::size_t kMaxMultiBytes = 1'000'000;

// "/" or "/a/b": names of 1..1,024 bytes without '/' and NUL, not "." or "..".
Result<void> check_path(std::string_view path);
// Of a legal path other than "/".
std::string_view parent_of(std::string_view path);
std::string_view name_of(std::string_view path);

Result<void> check_bounds(const std::vector<Operation>& operations);

// What the rules need to know of a stored tree. `path` is legal and not "/".
class TreeReader {
public:
    virtual ~TreeReader() = default;
    virtual Result<std::optional<Node>> read(std::string_view path) = 0;
    // Up to `limit` names of children, in order; the parent need not exist, and may be "/".
    virtual Result<std::vector<std::string>> names(std::string_view parent, std::size_t limit) = 0;
};

// Changes on top of a stored tree: of a group of multis that will be written together.
class TreeChanges {
public:
    explicit TreeChanges(TreeReader& stored) : stored_{stored} {}

    // Takes the multi in, or leaves everything as it was and says why not.
    Result<void> apply(const std::vector<Operation>& operations);

    // By path; nullopt: removed.
    const std::map<std::string, std::optional<Node>>& changed() const { return changed_; }

private:
    using Changed = std::map<std::string, std::optional<Node>>;

    Result<void> apply_one(const Operation& operation, Changed& pending);
    Result<std::optional<Node>> look(std::string_view path, const Changed& pending);
    Result<std::size_t> count_children(std::string_view path, std::size_t limit, const Changed& pending);

    TreeReader& stored_;
    Changed changed_;
};

}  // namespace millrace::metadata
