// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/testing/memory_metadata_store.h"

#include "common/metadata/tree_rules.h"
#include "common/runtime/executor.h"

namespace millrace::metadata {

namespace {

std::vector<std::string> names_below(const std::map<std::string, Node>& nodes, std::string_view parent,
                                     std::size_t limit) {
    const std::string prefix = parent == "/" ? "/" : std::string{parent} + "/";
    std::vector<std::string> names;
    for (auto it = nodes.lower_bound(prefix); it != nodes.end() && it->first.starts_with(prefix); ++it) {
        const std::string name = it->first.substr(prefix.size());
        if (name.find('/') != std::string::npos) continue;
        if (names.size() == limit) break;
        names.push_back(name);
    }
    return names;
}

Error cut_off_error(Fate fate) { return {ErrorCode::kUnavailable, "the metadata store is cut off", fate}; }

}  // namespace

class MemoryMetadataStore::Reader final : public TreeReader {
public:
    explicit Reader(const std::map<std::string, Node>& nodes) : nodes_{nodes} {}
    Result<std::optional<Node>> read(std::string_view path) override {
        const auto found = nodes_.find(std::string{path});
        if (found == nodes_.end()) return std::optional<Node>{};
        return std::optional<Node>{found->second};
    }
    Result<std::vector<std::string>> names(std::string_view parent, std::size_t limit) override {
        return names_below(nodes_, parent, limit);
    }

private:
    const std::map<std::string, Node>& nodes_;
};

std::vector<std::string> MemoryMetadataStore::paths() const {
    std::vector<std::string> paths;
    for (const auto& [path, node] : nodes_) paths.push_back(path);
    return paths;
}

const Node* MemoryMetadataStore::peek(const std::string& path) const {
    const auto found = nodes_.find(path);
    return found == nodes_.end() ? nullptr : &found->second;
}

// Every call yields once, so that callers meet the interleavings of a real store.

Task<Result<Node>> MemoryMetadataStore::get(std::string path) {
    MR_CO_TRY_VOID(check_path(path));
    co_await yield();
    if (cut_off_) co_return cut_off_error(Fate::kNotApplied);
    if (path == "/") co_return Node{};
    const auto found = nodes_.find(path);
    if (found == nodes_.end()) co_return Error{ErrorCode::kNotFound, path + " does not exist"};
    co_return found->second;
}

Task<Result<std::vector<std::string>>> MemoryMetadataStore::children(std::string path) {
    MR_CO_TRY_VOID(check_path(path));
    co_await yield();
    if (cut_off_) co_return cut_off_error(Fate::kNotApplied);
    if (path != "/" && !nodes_.contains(path)) co_return Error{ErrorCode::kNotFound, path + " does not exist"};
    co_return names_below(nodes_, path, kMaxChildren);
}

Task<Result<void>> MemoryMetadataStore::multi(std::vector<Operation> operations) {
    co_await yield();
    if (cut_off_) co_return cut_off_error(Fate::kUnknown);
    const Outcome outcome = fate_ ? fate_(multis_) : Outcome::kNormal;
    ++multis_;
    if (outcome == Outcome::kLost) co_return cut_off_error(Fate::kUnknown);
    if (outcome == Outcome::kRefused) co_return cut_off_error(Fate::kNotApplied);
    Reader reader{nodes_};
    TreeChanges changes{reader};
    Result<void> applied = changes.apply(operations);
    if (applied) {
        for (const auto& [path, node] : changes.changed()) {
            if (node) nodes_.insert_or_assign(path, *node);
            else nodes_.erase(path);
        }
    }
    if (outcome == Outcome::kAppliedUnheard) co_return cut_off_error(Fate::kUnknown);
    co_return applied;
}

}  // namespace millrace::metadata
