// SPDX-License-Identifier: Apache-2.0
//
// A tree in memory, for the fakes. Thread rule: a value, of whoever holds it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/metadata/tree_rules.h"

namespace millrace::metadata {

// A write that took effect: what to do to a tree that is in the state before it.
struct TreeTransaction {
    ChangeId id;
    std::map<std::string, TreeChanges::Change> changes;
    std::vector<TreeEvent> events;
};

class MemoryTree final : public StatReader {
public:
    MemoryTree() { nodes_["/"] = Node{}; }

    // Null: no such node.
    const Node* find(std::string_view path) const {
        const auto found = nodes_.find(path);
        return found == nodes_.end() ? nullptr : &found->second;
    }
    Result<std::optional<Stat>> read(std::string_view path) override {
        const Node* node = find(path);
        return node == nullptr ? std::optional<Stat>{} : std::optional<Stat>{node->stat};
    }
    // Sorted, without the reserved one.
    std::vector<std::string> names(std::string_view path) const;
    // All but the root and what is reserved, in order.
    std::vector<std::string> paths() const;
    std::vector<std::string> ephemerals(SessionId owner) const;

    // Changes nothing: the transaction still has to be applied.
    Result<TreeTransaction> decide(const std::vector<Operation>& operations, SessionId session, ChangeId id);
    void apply(const TreeTransaction& transaction);

    // What users see of a node's stat: the reserved child of the root is not counted.
    Stat shown(std::string_view path, const Node& node) const {
        Stat stat = node.stat;
        if (path == "/" && find(kReservedRoot) != nullptr) --stat.children;
        return stat;
    }

private:
    std::map<std::string, Node, std::less<>> nodes_;
};

}  // namespace millrace::metadata
