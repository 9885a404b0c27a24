// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/tree_rules.h"

#include <utility>

namespace millrace::metadata {

namespace {

constexpr std::size_t kMaxNameBytes = 1024;

std::string version_text(Version version) { return std::to_string(version.number()); }

Result<void> check_version(const std::string& path, Version expected, Version found) {
    if (expected == kAnyVersion || expected == found) return ok();
    return Error{ErrorCode::kVersionMismatch,
                 path + " has version " + version_text(found) + ", not " + version_text(expected)};
}

bool is_reserved(std::string_view path) {
    return path.starts_with(kReservedRoot) && (path.size() == kReservedRoot.size() || path[kReservedRoot.size()] == '/');
}

}  // namespace

Result<void> check_path(std::string_view path) {
    const auto refuse = [&](std::string_view why) {
        return Error{ErrorCode::kInvalidArgument, "path '" + std::string{path} + "' " + std::string{why}};
    };
    if (path == "/") return ok();
    if (path.size() > kMaxPathBytes) {
        return Error{ErrorCode::kInvalidArgument, "a path of " + std::to_string(path.size()) + " bytes, beginning with '" +
                                                      std::string{path.substr(0, 256)} + "'; at most " +
                                                      std::to_string(kMaxPathBytes)};
    }
    if (path.empty() || path.front() != '/') return refuse("must begin with '/'");
    if (path.back() == '/') return refuse("must not end with '/'");
    if (path.find('\0') != std::string_view::npos) return refuse("must not contain NUL");
    std::size_t begin = 1;
    while (begin <= path.size()) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const std::string_view name = path.substr(begin, end - begin);
        if (name.empty()) return refuse("has an empty name in it");
        if (name == "." || name == "..") return refuse("must not use '.' or '..' as a name");
        if (name.size() > kMaxNameBytes) return refuse("has a name of more than 1024 bytes");
        begin = end + 1;
    }
    return ok();
}

Result<void> check_user_path(std::string_view path) {
    MR_TRY_VOID(check_path(path));
    if (is_reserved(path)) {
        return Error{ErrorCode::kInvalidArgument, "path '" + std::string{path} + "' is reserved; use a name other than '" +
                                                      std::string{kReservedRoot} + "'"};
    }
    return ok();
}

std::string_view parent_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 ? std::string_view{"/"} : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

Result<void> check_bounds(const std::vector<Operation>& operations) {
    if (operations.size() > kMaxMultiOperations) {
        return Error{ErrorCode::kTooLarge, std::to_string(operations.size()) + " operations in one multi; at most " +
                                               std::to_string(kMaxMultiOperations)};
    }
    std::size_t total = 0;
    for (const Operation& operation : operations) {
        const std::string& path = path_of(operation);
        MR_TRY_VOID(check_user_path(path));
        std::size_t value_bytes = 0;
        if (const auto* create = std::get_if<Create>(&operation)) value_bytes = create->value.size();
        if (const auto* set = std::get_if<Set>(&operation)) value_bytes = set->value.size();
        if (value_bytes > kMaxValueBytes) {
            return Error{ErrorCode::kTooLarge, "the value of " + path + " has " + std::to_string(value_bytes) +
                                                   " bytes; at most " + std::to_string(kMaxValueBytes)};
        }
        total += path.size() + value_bytes;
    }
    if (total > kMaxMultiBytes) {
        return Error{ErrorCode::kTooLarge, "a multi of " + std::to_string(total) + " bytes, beginning with " +
                                               path_of(operations.front()) + "; at most " +
                                               std::to_string(kMaxMultiBytes)};
    }
    return ok();
}

Result<std::vector<TreeEvent>> TreeChanges::apply(const std::vector<Operation>& operations, SessionId session,
                                                  ChangeId id) {
    Multi multi{session, id, {}, {}};
    for (const Operation& operation : operations) MR_TRY_VOID(apply_one(operation, multi));
    for (auto& [path, change] : multi.pending) changed_.insert_or_assign(path, std::move(change));
    return std::move(multi.events);
}

Result<void> TreeChanges::apply_one(const Operation& operation, Multi& multi) {
    const std::string& path = path_of(operation);
    if (path == "/") {
        if (std::holds_alternative<Create>(operation)) return Error{ErrorCode::kAlreadyExists, "/ always exists"};
        if (const auto* check = std::get_if<Check>(&operation)) return check_version(path, check->expected, Version{0});
        return Error{ErrorCode::kInvalidArgument, "/ can neither be set nor removed"};
    }
    if (const auto* created = std::get_if<Create>(&operation)) return create(*created, multi);

    MR_TRY(Change* const node, find(path, multi));
    if (node == nullptr) return Error{ErrorCode::kNotFound, path + " does not exist"};
    Stat& stat = *node->stat;
    if (const auto* set = std::get_if<Set>(&operation)) {
        MR_TRY_VOID(check_version(path, set->expected, stat.version));
        stat.version = next(stat.version);
        stat.changed = multi.id;
        node->value = set->value;
        multi.events.push_back({EventKind::kChanged, path});
        return ok();
    }
    if (const auto* remove = std::get_if<Remove>(&operation)) {
        MR_TRY_VOID(check_version(path, remove->expected, stat.version));
        if (stat.children > 0) return Error{ErrorCode::kFailedPrecondition, path + " has children"};
        MR_TRY(const Change* const parent, find(parent_of(path), multi));
        if (parent == nullptr || parent->stat->children == 0) {
            return Error{ErrorCode::kCorrupt, "the parent of " + path + " does not know of it"};
        }
        node->stat.reset();
        node->value.reset();
        child_changed(parent_of(path), -1, multi);
        multi.events.push_back({EventKind::kDeleted, path});
        multi.events.push_back({EventKind::kChildrenChanged, std::string{parent_of(path)}});
        return ok();
    }
    return check_version(path, std::get<Check>(operation).expected, stat.version);
}

Result<void> TreeChanges::create(const Create& create, Multi& multi) {
    const std::string& path = create.path;
    const std::string parent_path{parent_of(path)};
    MR_TRY(const Change* const there, find(path, multi));
    if (there != nullptr) return Error{ErrorCode::kAlreadyExists, path + " exists already"};
    MR_TRY(const Change* const parent, find(parent_path, multi));
    if (parent == nullptr) return Error{ErrorCode::kNotFound, "the parent of " + path + " does not exist"};
    if (parent->stat->ephemeral_owner != SessionId{}) {
        return Error{ErrorCode::kFailedPrecondition, "the parent of " + path + " is ephemeral: it cannot have children"};
    }
    // The reserved node is not counted against the users of the root.
    const std::size_t most = kMaxChildren + (parent_path == "/" ? 1 : 0);
    if (parent->stat->children >= most) {
        return Error{ErrorCode::kTooLarge,
                     "the parent of " + path + " has " + std::to_string(parent->stat->children) + " children already"};
    }
    Stat stat;
    if (create.lifetime == Lifetime::kEphemeral) stat.ephemeral_owner = multi.session;
    stat.created = stat.changed = stat.children_changed = multi.id;
    multi.pending.insert_or_assign(path, Change{stat, create.value});
    child_changed(parent_path, 1, multi);
    multi.events.push_back({EventKind::kCreated, path});
    multi.events.push_back({EventKind::kChildrenChanged, parent_path});
    return ok();
}

Result<TreeChanges::Change*> TreeChanges::find(std::string_view path, Multi& multi) {
    std::string key{path};
    auto found = multi.pending.find(key);
    if (found == multi.pending.end()) {
        Change change;
        if (const auto earlier = changed_.find(key); earlier != changed_.end()) {
            change = earlier->second;
        } else {
            MR_TRY(change.stat, stored_.read(path));
            // What is not there needs no place among the changes.
            if (!change.stat) return static_cast<Change*>(nullptr);
        }
        found = multi.pending.emplace(std::move(key), std::move(change)).first;
    }
    return found->second.stat ? &found->second : nullptr;
}

void TreeChanges::child_changed(std::string_view parent, int by, Multi& multi) {
    Stat& stat = *multi.pending.at(std::string{parent}).stat;
    stat.children = static_cast<std::uint32_t>(static_cast<int>(stat.children) + by);
    stat.children_changed = multi.id;
}

}  // namespace millrace::metadata
