// SPDX-License-Identifier: Apache-2.0
#include "controller/store/paths.h"
#include "controller/store/stream_store.h"
#include "controller/store/values.h"

namespace millrace::controller::store {

namespace {

using metadata::Check;
using metadata::Create;
using metadata::Freshness;
using metadata::Operation;
using metadata::Remove;
using metadata::Set;

}  // namespace

Task<Result<StoredReaderGroup>> StreamStore::reader_group(stream::ReaderGroupName name) {
    const std::string path = reader_group_path(name).node;
    Result<metadata::Node> node = co_await metadata_.get(path, Freshness::kLatest);
    if (!node) {
        if (node.error().is(ErrorCode::kNotFound)) {
            co_return Error{ErrorCode::kNotFound, "no reader group '" + name.to_string() + "'"};
        }
        co_return std::move(node).error();
    }
    MR_CO_TRY(records::ReaderGroupRecord record, parsed<records::ReaderGroupRecord>(path, node->value));
    co_return StoredReaderGroup{std::move(record), node->stat.version};
}

Task<Result<void>> StreamStore::create_reader_group(stream::ReaderGroupName name, records::ReaderGroupRecord record,
                                                    records::StreamRecord state) {
    const BucketedPath path = reader_group_path(name);
    std::string value = stored(std::move(record));
    MR_CO_TRY_VOID(fits(path.node, value));
    std::vector<Operation> together;
    together.emplace_back(Create{path.node, std::move(value)});
    const auto segments = static_cast<std::size_t>(state.config().min_segments());
    co_return co_await create_together(state_of(name), std::move(state), segments, std::move(together), {path.bucket});
}

Task<Result<void>> StreamStore::adopt_reader_group(stream::ReaderGroupName name, records::ReaderGroupRecord record,
                                                   StoredStream state) {
    const BucketedPath path = reader_group_path(name);
    std::string value = stored(std::move(record));
    MR_CO_TRY_VOID(fits(path.node, value));
    MR_CO_TRY_VOID(co_await ensure_in_scope({path.bucket}, name.scope));
    std::vector<Operation> operations;
    operations.emplace_back(Check{stream_path(state_of(name)).node, state.version});
    operations.emplace_back(Create{path.node, std::move(value)});
    Result<void> made = co_await change(std::move(operations));
    if (!made && made.error().is(ErrorCode::kNotFound)) {
        co_return Error{ErrorCode::kVersionMismatch, made.error().detail()};  // stream or scope went away meanwhile
    }
    co_return made;
}

Task<Result<void>> StreamStore::update_reader_group(stream::ReaderGroupName name, StoredReaderGroup was,
                                                    records::ReaderGroupRecord now) {
    const std::string path = reader_group_path(name).node;
    std::string value = stored(std::move(now));
    MR_CO_TRY_VOID(fits(path, value));
    std::vector<Operation> operations;
    operations.emplace_back(Set{path, std::move(value), was.version});
    co_return co_await change(std::move(operations));
}

Task<Result<void>> StreamStore::remove_reader_group(stream::ReaderGroupName name, StoredReaderGroup was) {
    std::vector<Operation> operations;
    operations.emplace_back(Remove{reader_group_path(name).node, was.version});
    co_return co_await change(std::move(operations));
}

}  // namespace millrace::controller::store
