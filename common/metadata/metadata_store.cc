// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/metadata_store.h"

namespace millrace::metadata {

// Each builds its list before it suspends; the list then belongs to multi().
Task<Result<void>> MetadataStore::create(std::string path, std::string value) {
    std::vector<Operation> operations;
    operations.emplace_back(Create{std::move(path), std::move(value)});
    co_return co_await multi(std::move(operations));
}

Task<Result<void>> MetadataStore::set(std::string path, std::string value, Version expected) {
    std::vector<Operation> operations;
    operations.emplace_back(Set{std::move(path), std::move(value), expected});
    co_return co_await multi(std::move(operations));
}

Task<Result<void>> MetadataStore::remove(std::string path, Version expected) {
    std::vector<Operation> operations;
    operations.emplace_back(Remove{std::move(path), expected});
    co_return co_await multi(std::move(operations));
}

}  // namespace millrace::metadata
