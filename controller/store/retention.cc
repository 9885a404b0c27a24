// SPDX-License-Identifier: Apache-2.0
//
// The list of streams with a retention policy, and the cuts of each.
#include "common/telemetry/log.h"
#include "controller/store/paths.h"
#include "controller/store/records.h"
#include "controller/store/stream_store.h"
#include "controller/store/values.h"

namespace millrace::controller::store {

namespace {

using metadata::Freshness;

}  // namespace

Task<Result<std::vector<std::string>>> StreamStore::retention_parts() {
    return metadata_.children(std::string{kRetention}, Freshness::kLatest);
}

Task<Result<std::vector<StreamName>>> StreamStore::retention_streams(std::string part) {
    const std::string outer = std::string{kRetention} + "/" + part;
    std::vector<StreamName> streams;
    MR_CO_TRY(const std::vector<std::string> buckets, co_await metadata_.children(outer));
    for (const std::string& bucket : buckets) {
        MR_CO_TRY(const std::vector<std::string> nodes, co_await metadata_.children(outer + "/" + bucket));
        for (const std::string& node : nodes) {
            if (std::optional<StreamName> stream = listed_stream(node)) streams.push_back(std::move(*stream));
        }
    }
    co_return streams;
}

Task<Result<StoredRetention>> StreamStore::retention(StreamName name) {
    const std::string path = retention_path(name).node;
    MR_CO_TRY(const metadata::Node node, co_await metadata_.get(path, Freshness::kLatest));
    MR_CO_TRY(records::RetentionSetRecord record, parsed<records::RetentionSetRecord>(path, node.value));
    if (auto sound = check_sound(record); !sound) co_return std::move(sound).error().while_doing("the record at " + path);
    co_return StoredRetention{std::move(record), node.stat.version};
}

Task<Result<void>> StreamStore::update_retention(StreamName name, StoredRetention was, records::RetentionSetRecord now) {
    const std::string path = retention_path(name).node;
    std::string value = stored(std::move(now));
    MR_CO_TRY_VOID(fits(path, value));
    MR_CO_TRY_VOID(co_await metadata_.set(path, std::move(value), was.version));
    co_return ok();
}

Task<Result<void>> StreamStore::list_retention() {
    Page scopes;
    do {
        MR_CO_TRY(scopes, co_await list_scopes(scopes.token));
        for (const std::string& scope : scopes.names) {
            Page streams;
            do {
                MR_CO_TRY(streams, co_await list_streams(scope, streams.token));
                for (const std::string& stream : streams.names) {
                    MR_CO_TRY_VOID(co_await list_retention(StreamName{scope, stream}));
                }
            } while (!streams.names.empty());
        }
    } while (!scopes.names.empty());
    co_return ok();
}

Task<Result<void>> StreamStore::list_retention(StreamName name) {
    const Result<StoredStream> stream = co_await load(name);
    if (!stream) {
        // What is wrong with one stream should not keep the others from their clients.
        if (!stream.error().is(ErrorCode::kCorrupt)) co_return stream.error();
        MR_LOG_WARN("stream gets no retention", {"stream", name.to_string()}, {"reason", stream.error().to_string()});
        co_return ok();
    }
    if (!has_retention(stream->record)) co_return ok();
    const DeepPath path = retention_path(name);
    MR_CO_TRY_VOID(co_await ensure(buckets_of(path)));
    const auto created = co_await metadata_.create(path.node, stored(no_cuts(stream->record)));
    if (!created && !created.error().is(ErrorCode::kAlreadyExists)) co_return created.error();
    co_return ok();
}

}  // namespace millrace::controller::store
