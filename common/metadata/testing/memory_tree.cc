// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/testing/memory_tree.h"

namespace millrace::metadata {

std::vector<std::string> MemoryTree::names(std::string_view path) const {
    const std::string prefix = path == "/" ? "/" : std::string{path} + "/";
    std::vector<std::string> names;
    for (auto it = nodes_.upper_bound(prefix); it != nodes_.end() && it->first.starts_with(prefix); ++it) {
        const std::string_view name = std::string_view{it->first}.substr(prefix.size());
        if (name.find('/') != std::string_view::npos || it->first == kReservedRoot) continue;
        names.emplace_back(name);
    }
    return names;
}

std::vector<std::string> MemoryTree::paths() const {
    std::vector<std::string> paths;
    for (const auto& [path, node] : nodes_) {
        if (path != "/" && check_user_path(path)) paths.push_back(path);
    }
    return paths;
}

std::vector<std::string> MemoryTree::ephemerals(SessionId owner) const {
    std::vector<std::string> paths;
    for (const auto& [path, node] : nodes_) {
        if (node.stat.ephemeral_owner == owner) paths.push_back(path);
    }
    return paths;
}

Result<TreeTransaction> MemoryTree::decide(const std::vector<Operation>& operations, SessionId session, ChangeId id) {
    TreeChanges changes{*this};
    MR_TRY(std::vector<TreeEvent> events, changes.apply(operations, session, id));
    return TreeTransaction{id, changes.changed(), std::move(events)};
}

void MemoryTree::apply(const TreeTransaction& transaction) {
    for (const auto& [path, change] : transaction.changes) {
        if (!change.stat) {
            nodes_.erase(path);
            continue;
        }
        Node& node = nodes_[path];
        node.stat = *change.stat;
        if (change.value) node.value = *change.value;
    }
}

}  // namespace millrace::metadata
