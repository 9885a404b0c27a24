// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/metadata_store.h"

#include "common/metadata/tree_rules.h"

namespace millrace::metadata {

const std::string& path_of(const Operation& operation) {
    return std::visit([](const auto& o) -> const std::string& { return o.path; }, operation);
}

std::string_view to_string(EventKind kind) {
    switch (kind) {
        case EventKind::kCreated: return "created";
        case EventKind::kChanged: return "changed";
        case EventKind::kDeleted: return "deleted";
        case EventKind::kChildrenChanged: return "children-changed";
        case EventKind::kSessionLost: return "session-lost";
    }
    return "unknown";
}

std::string_view to_string(SessionState state) {
    switch (state) {
        case SessionState::kConnected: return "connected";
        case SessionState::kSuspended: return "suspended";
        case SessionState::kExpired: return "expired";
    }
    return "unknown";
}

Task<Result<Node>> MetadataStore::get(std::string path, ReadOptions options) {
    MR_CO_TRY_VOID(check_user_path(path));
    co_return co_await do_get(std::move(path), std::move(options));
}

Task<Result<std::optional<Stat>>> MetadataStore::stat(std::string path, ReadOptions options) {
    MR_CO_TRY_VOID(check_user_path(path));
    co_return co_await do_stat(std::move(path), std::move(options));
}

Task<Result<std::vector<std::string>>> MetadataStore::children(std::string path, ReadOptions options) {
    MR_CO_TRY_VOID(check_user_path(path));
    co_return co_await do_children(std::move(path), std::move(options));
}

Task<Result<ChangeId>> MetadataStore::multi(std::vector<Operation> operations, Nonce nonce) {
    MR_CO_TRY_VOID(check_bounds(operations));
    if (operations.empty()) co_return ChangeId{};
    if (nonce == Nonce{}) nonce = new_nonce();
    co_return co_await do_multi(std::move(operations), nonce);
}

// Each builds its list before it suspends; the list then belongs to multi().
Task<Result<ChangeId>> MetadataStore::create(std::string path, std::string value, Lifetime lifetime) {
    std::vector<Operation> operations;
    operations.emplace_back(Create{std::move(path), std::move(value), lifetime});
    co_return co_await multi(std::move(operations));
}

Task<Result<ChangeId>> MetadataStore::set(std::string path, std::string value, Version expected) {
    std::vector<Operation> operations;
    operations.emplace_back(Set{std::move(path), std::move(value), expected});
    co_return co_await multi(std::move(operations));
}

Task<Result<ChangeId>> MetadataStore::remove(std::string path, Version expected) {
    std::vector<Operation> operations;
    operations.emplace_back(Remove{std::move(path), expected});
    co_return co_await multi(std::move(operations));
}

}  // namespace millrace::metadata
