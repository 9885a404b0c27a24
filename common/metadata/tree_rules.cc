// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/tree_rules.h"

#include <set>

namespace millrace::metadata {

namespace {

constexpr std::size_t kMaxNameBytes = 1024;

const std::string& path_of(const Operation& operation) {
    return std::visit([](const auto& o) -> const std::string& { return o.path; }, operation);
}

std::string version_text(Version version) { return std::to_string(version.number()); }

Result<void> check_version(const std::string& path, Version expected, Version found) {
    if (expected == kAnyVersion || expected == found) return ok();
    return Error{ErrorCode::kVersionMismatch,
                 path + " has version " + version_text(found) + ", not " + version_text(expected)};
}

}  // namespace

Result<void> check_path(std::string_view path) {
    const auto refuse = [&](std::string_view why) {
        return Error{ErrorCode::kInvalidArgument, "path '" + std::string{path} + "' " + std::string{why}};
    };
    if (path == "/") return ok();
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
        MR_TRY_VOID(check_path(path));
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

Result<void> TreeChanges::apply(const std::vector<Operation>& operations) {
    MR_TRY_VOID(check_bounds(operations));
    Changed pending;
    for (const Operation& operation : operations) MR_TRY_VOID(apply_one(operation, pending));
    for (auto& [path, node] : pending) changed_.insert_or_assign(path, std::move(node));
    return ok();
}

Result<void> TreeChanges::apply_one(const Operation& operation, Changed& pending) {
    const std::string& path = path_of(operation);
    if (path == "/") {
        if (std::holds_alternative<Create>(operation)) return Error{ErrorCode::kAlreadyExists, "/ always exists"};
        if (std::holds_alternative<Check>(operation)) return ok();
        return Error{ErrorCode::kInvalidArgument, "/ can neither be set nor removed"};
    }
    MR_TRY(std::optional<Node> node, look(path, pending));
    if (const auto* create = std::get_if<Create>(&operation)) {
        if (node) return Error{ErrorCode::kAlreadyExists, path + " exists already"};
        const std::string parent{parent_of(path)};
        if (parent != "/") {
            MR_TRY(const std::optional<Node> above, look(parent, pending));
            if (!above) return Error{ErrorCode::kNotFound, "the parent of " + path + " does not exist"};
        }
        MR_TRY(const std::size_t siblings, count_children(parent, kMaxChildren, pending));
        if (siblings >= kMaxChildren) {
            return Error{ErrorCode::kTooLarge, "the parent of " + path + " has " + std::to_string(siblings) +
                                                   " children already"};
        }
        pending.insert_or_assign(path, Node{create->value, Version{0}});
        return ok();
    }
    if (!node) return Error{ErrorCode::kNotFound, path + " does not exist"};
    if (const auto* set = std::get_if<Set>(&operation)) {
        MR_TRY_VOID(check_version(path, set->expected, node->version));
        pending.insert_or_assign(path, Node{set->value, next(node->version)});
        return ok();
    }
    if (const auto* remove = std::get_if<Remove>(&operation)) {
        MR_TRY_VOID(check_version(path, remove->expected, node->version));
        MR_TRY(const std::size_t below, count_children(path, 1, pending));
        if (below > 0) return Error{ErrorCode::kFailedPrecondition, path + " has children"};
        pending.insert_or_assign(path, std::nullopt);
        return ok();
    }
    return check_version(path, std::get<Check>(operation).expected, node->version);
}

Result<std::optional<Node>> TreeChanges::look(std::string_view path, const Changed& pending) {
    const std::string key{path};
    if (const auto found = pending.find(key); found != pending.end()) return found->second;
    if (const auto found = changed_.find(key); found != changed_.end()) return found->second;
    return stored_.read(path);
}

Result<std::size_t> TreeChanges::count_children(std::string_view path, std::size_t limit, const Changed& pending) {
    const std::string prefix = path == "/" ? "/" : std::string{path} + "/";
    std::set<std::string> added;
    std::set<std::string> removed;
    // Later layers win, so the older one first.
    for (const Changed* layer : {static_cast<const Changed*>(&changed_), &pending}) {
        for (auto it = layer->lower_bound(prefix); it != layer->end() && it->first.starts_with(prefix); ++it) {
            const std::string name = it->first.substr(prefix.size());
            if (name.empty() || name.find('/') != std::string::npos) continue;
            (it->second ? added : removed).insert(name);
            (it->second ? removed : added).erase(name);
        }
    }
    // Enough of the stored names that the limit is seen even if all removed ones are among them.
    MR_TRY(const std::vector<std::string> stored, stored_.names(path, limit + removed.size()));
    for (const std::string& name : stored) {
        if (!removed.contains(name)) added.insert(name);
    }
    return added.size();
}

}  // namespace millrace::metadata
