// SPDX-License-Identifier: Apache-2.0
//
// What a multi may do to a tree, and what watches hear of it, decided without input or output: every implementation whose
// nodes it keeps itself uses this one set of rules. Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/metadata/metadata_store.h"

namespace millrace::metadata {

inline constexpr std::size_t kMaxPathBytes = 8 * 1024;
inline constexpr std::size_t kMaxValueBytes = 512 * 1024;
inline constexpr std::size_t kMaxChildren = 1000;
// Of one multi: what the smallest implementation carries in one message.
inline constexpr std::size_t kMaxMultiOperations = 1000;
inline constexpr std::size_t kMaxMultiBytes = 1'000'000;

// Whatever implementations keep in the tree for themselves is below it.
inline constexpr std::string_view kReservedRoot = "/.mr";

// "/" or "/a/b": names of 1..1,024 bytes without '/' and NUL, not "." or ".."; kMaxPathBytes altogether.
Result<void> check_path(std::string_view path);
// The same, and not reserved.
Result<void> check_user_path(std::string_view path);
// Of a legal path other than "/".
std::string_view parent_of(std::string_view path);
std::string_view name_of(std::string_view path);

// Of what a user of the seam asks for.
Result<void> check_bounds(const std::vector<Operation>& operations);

// What the rules need to know of a stored tree.
class StatReader {
public:
    virtual ~StatReader() = default;
    // `path` is legal; "/" always exists. An implementation is asked for the path of each operation and, of creates
    // and removes, for the path's parent.
    virtual Result<std::optional<Stat>> read(std::string_view path) = 0;
};

// What one operation did. A kDeleted concerns those who watch the node and those who watch its children.
struct TreeEvent {
    EventKind kind;
    std::string path;
};

// Changes on top of a stored tree: of a group of multis that will be written together.
class TreeChanges {
public:
    explicit TreeChanges(StatReader& stored) : stored_{stored} {}

    // Takes the multi in, or leaves everything as it was and says why not. Ids rise from one to the next.
    Result<std::vector<TreeEvent>> apply(const std::vector<Operation>& operations, SessionId session, ChangeId id);

    struct Change {
        std::optional<Stat> stat;          // empty: removed
        std::optional<std::string> value;  // empty: as it was before
    };
    // By path, "/" among them when its children changed.
    const std::map<std::string, Change>& changed() const { return changed_; }

private:
    using Changed = std::map<std::string, Change>;
    struct Multi {
        SessionId session;
        ChangeId id;
        Changed pending;
        std::vector<TreeEvent> events;
    };

    Result<void> apply_one(const Operation& operation, Multi& multi);
    Result<void> create(const Create& create, Multi& multi);
    // The change of the path so far, ready to be changed further; null: no such node.
    Result<Change*> find(std::string_view path, Multi& multi);
    // REQUIRES: it exists, and find() was called for it.
    static void child_changed(std::string_view parent, int by, Multi& multi);

    StatReader& stored_;
    Changed changed_;
};

}  // namespace millrace::metadata
