// SPDX-License-Identifier: Apache-2.0
#include "controller/store/stream_store.h"

#include <algorithm>

#include "common/metadata/tree_rules.h"
#include "controller/store/paths.h"
#include "controller/store/records.h"
#include "controller/store/values.h"

namespace millrace::controller::store {

namespace {

using metadata::Check;
using metadata::Create;
using metadata::Freshness;
using metadata::Operation;
using metadata::Remove;
using metadata::Set;

constexpr std::uint32_t kFormatVersion = 2;
// Without the list of streams with retention.
constexpr std::uint32_t kFirstFormatVersion = 1;
// Epoch records kept in memory, counted in segments named.
constexpr std::size_t kCachedEntriesMax = 200'000;

// Or the last scale could be begun but never ended.
static_assert(static_cast<std::size_t>(stream::kMaxEpoch) <= kEpochsPerChunk * metadata::kMaxChildren);

// The list of streams with retention follows what their records say.
void follow_retention(std::vector<Operation>& operations, const StreamName& name, bool was_listed,
                      const records::StreamRecord& now) {
    const bool listed = has_retention(now);
    if (listed == was_listed) return;
    std::string node = retention_path(name).node;
    if (listed) {
        operations.emplace_back(Create{std::move(node), stored(no_cuts(now))});
    } else {
        operations.emplace_back(Remove{std::move(node)});
    }
}

std::size_t weight_of(const records::EpochRecord& record) {
    return 8 + static_cast<std::size_t>(record.segments_size()) + static_cast<std::size_t>(record.sealed_size());
}

}  // namespace

// Buckets are made when first needed, and there ever after: a change is tried without looking, and again after this when
// something was missing.
Task<Result<void>> StreamStore::ensure(std::vector<std::string> buckets) {
    for (std::string& bucket : buckets) {
        Result<metadata::ChangeId> created = co_await metadata_.create(std::move(bucket), "");
        if (!created && !created.error().is(ErrorCode::kAlreadyExists)) co_return std::move(created).error();
    }
    co_return ok();
}

// Of a scope that may not be there.
Task<Result<void>> StreamStore::ensure_in_scope(std::vector<std::string> buckets, std::string scope) {
    Result<void> made = co_await ensure(std::move(buckets));
    if (!made && made.error().is(ErrorCode::kNotFound)) co_return Error{ErrorCode::kNotFound, "no scope '" + scope + "'"};
    co_return made;
}

// All of it or nothing, once; on failure see SettledStore.
Task<Result<void>> StreamStore::change(std::vector<Operation> operations) {
    MR_CO_TRY_VOID(co_await metadata_.multi(std::move(operations)));
    co_return ok();
}

Task<Result<void>> StreamStore::open() {
    const std::string root{kRoot};
    const Result<metadata::Node> found = co_await metadata_.get(root, Freshness::kLatest);
    if (!found && !found.error().is(ErrorCode::kNotFound)) co_return found.error();
    records::FormatRecord format;
    format.set_version(kFormatVersion);
    if (found) {
        if (!format.ParseFromString(found->value)) {
            co_return Error{ErrorCode::kCorrupt, "the record at " + root + " cannot be read"};
        }
        if (format.version() != kFormatVersion && format.version() != kFirstFormatVersion) {
            co_return Error{ErrorCode::kUnsupported,
                            "the controller's metadata has format " + std::to_string(format.version()) +
                                "; this version knows " + std::to_string(kFormatVersion)};
        }
    } else {
        const Result<metadata::ChangeId> created = co_await metadata_.create(root, format.SerializeAsString());
        if (!created && !created.error().is(ErrorCode::kAlreadyExists)) co_return created.error();
    }
    for (const std::string_view path : {kScopes, kIntents, kRetired, kRetention}) {
        MR_CO_TRY_VOID(co_await ensure({std::string{path}}));
    }
    if (format.version() == kFirstFormatVersion) {
        MR_CO_TRY_VOID(co_await list_retention());
        format.set_version(kFormatVersion);
        MR_CO_TRY_VOID(co_await metadata_.set(root, format.SerializeAsString(), found->stat.version));
    }
    co_return ok();
}

// ---- Scopes ----

Task<Result<void>> StreamStore::create_scope(std::string scope, records::ScopeRecord record) {
    const BucketedPath path = scope_path(scope);
    MR_CO_TRY_VOID(co_await ensure({path.bucket}));
    std::vector<Operation> operations;
    operations.emplace_back(Create{path.node, stored(std::move(record))});
    co_return co_await change(std::move(operations));
}

Task<Result<records::ScopeRecord>> StreamStore::scope(std::string scope) {
    const BucketedPath path = scope_path(scope);
    Result<metadata::Node> node = co_await metadata_.get(path.node, Freshness::kLatest);
    if (!node) {
        if (node.error().is(ErrorCode::kNotFound)) co_return Error{ErrorCode::kNotFound, "no scope '" + scope + "'"};
        co_return std::move(node).error();
    }
    co_return parsed<records::ScopeRecord>(path.node, node->value);
}

Task<Result<void>> StreamStore::delete_scope(std::string scope) {
    const BucketedPath path = scope_path(scope);
    for (;;) {
        Result<std::vector<std::string>> buckets = co_await metadata_.children(path.node, Freshness::kLatest);
        if (!buckets) {
            if (buckets.error().is(ErrorCode::kNotFound)) co_return Error{ErrorCode::kNotFound, "no scope '" + scope + "'"};
            co_return std::move(buckets).error();
        }
        // Empty buckets go with the scope. One that has a stream or a reader group, also one that came meanwhile, refuses.
        std::vector<Operation> operations;
        for (const std::string& bucket : *buckets) operations.emplace_back(Remove{path.node + "/" + bucket});
        operations.emplace_back(Remove{path.node});
        Result<void> removed = co_await change(std::move(operations));
        if (removed || !removed.error().is(ErrorCode::kFailedPrecondition)) co_return removed;
        for (const std::string& bucket : *buckets) {
            MR_CO_TRY(const std::vector<std::string> names, co_await metadata_.children(path.node + "/" + bucket, Freshness::kLatest));
            if (names.empty()) continue;
            co_return Error{ErrorCode::kFailedPrecondition, "scope '" + scope + "' is not empty"};
        }
        // A bucket was made meanwhile, for something that has not come yet.
    }
}

Task<Result<Page>> StreamStore::list_scopes(std::string token) { co_return co_await list(std::string{kScopes}, token); }

Task<Result<Page>> StreamStore::list_streams(std::string scope, std::string token) {
    Result<Page> page = co_await list(scope_path(scope).node, std::move(token));
    if (!page && page.error().is(ErrorCode::kNotFound)) {
        co_return Error{ErrorCode::kNotFound, "no scope '" + scope + "'"};
    }
    co_return page;
}

// A token is "<bucket>+<name>" of the last name given out; the order is by bucket, then by name. It
// stays good when that name, or its bucket, goes away.
Task<Result<Page>> StreamStore::list(std::string parent, std::string token) {
    const std::size_t mark = token.find('+');
    if (!token.empty() && mark == std::string::npos) {
        co_return Error{ErrorCode::kInvalidArgument, "'" + token + "' is not a continuation token of this controller"};
    }
    const std::string from_bucket = token.empty() ? "" : token.substr(0, mark);
    const std::string after_name = token.empty() ? "" : token.substr(mark);

    Page page;
    page.token = token;
    MR_CO_TRY(const std::vector<std::string> buckets, co_await metadata_.children(parent, Freshness::kLatest));
    for (const std::string& bucket : buckets) {
        if (bucket < from_bucket || !is_plain_bucket(bucket)) continue;
        Result<std::vector<std::string>> nodes = co_await metadata_.children(parent + "/" + bucket);
        if (!nodes) {
            if (nodes.error().is(ErrorCode::kNotFound)) continue;  // removed meanwhile
            co_return std::move(nodes).error();
        }
        for (const std::string& node : *nodes) {
            if (bucket == from_bucket && node <= after_name) continue;
            const std::optional<std::string> name = listed_name(node);
            if (!name) continue;
            if (page.names.size() == kPageNames) co_return page;
            page.names.push_back(*name);
            page.token = bucket + node;
        }
    }
    co_return page;
}

// ---- Streams ----

Task<Result<StoredStream>> StreamStore::load(StreamName name) {
    const BucketedPath path = stream_path(name);
    Result<metadata::Node> node = co_await metadata_.get(path.node, Freshness::kLatest);
    if (!node) {
        if (node.error().is(ErrorCode::kNotFound)) {
            co_return Error{ErrorCode::kNotFound, "no stream '" + name.to_string() + "'"};
        }
        co_return std::move(node).error();
    }
    MR_CO_TRY(records::StreamRecord record, parsed<records::StreamRecord>(path.node, node->value));
    if (auto sound = check_sound(record); !sound) co_return std::move(sound).error().while_doing("the record at " + path.node);
    co_return StoredStream{std::move(record), node->stat.version};
}

Task<Result<void>> StreamStore::create(StreamName name, records::StreamRecord record, std::size_t segments) {
    co_return co_await create_together(std::move(name), std::move(record), segments, {}, {});
}

Task<Result<void>> StreamStore::create_with(StreamName name, records::StreamRecord record, std::size_t segments,
                                            StreamName owner, StoredStream as_read) {
    std::vector<Operation> unchanged;
    unchanged.emplace_back(Check{stream_path(owner).node, as_read.version});
    co_return co_await create_together(std::move(name), std::move(record), segments, std::move(unchanged), {});
}

Task<Result<void>> StreamStore::create_together(StreamName name, records::StreamRecord record, std::size_t segments,
                                                std::vector<Operation> together, std::vector<std::string> scope_buckets) {
    const BucketedPath path = stream_path(name);
    const BucketedPath intent = intent_path(name);
    const DeepPath retired = retired_path(name);
    scope_buckets.push_back(path.bucket);

    std::vector<Operation> operations = std::move(together);
    std::uint32_t first_number = 0;
    const Result<metadata::Node> earlier = co_await metadata_.get(retired.node, Freshness::kLatest);
    if (earlier) {
        MR_CO_TRY(const records::RetiredStreamRecord numbers,
                  parsed<records::RetiredStreamRecord>(retired.node, earlier->value));
        first_number = numbers.next_number();
        // The new record carries the numbers on.
        operations.emplace_back(Remove{retired.node, earlier->stat.version});
    } else if (!earlier.error().is(ErrorCode::kNotFound)) {
        co_return earlier.error();
    } else {
        // Still so when the stream comes: a deletion may be about to leave numbers here, and a stream
        // that began again with the first would meet what is on its way to its predecessor's segments.
        operations.emplace_back(Create{retired.node, ""});
        operations.emplace_back(Remove{retired.node});
    }

    const stream::Epoch epoch = stream::first_epoch(segments, first_number, record.created_ms());
    *record.mutable_current() = to_record(epoch, {});
    record.set_next_number(first_number + static_cast<std::uint32_t>(segments));
    const bool with_retention = has_retention(record);
    follow_retention(operations, name, false, record);
    std::string value = stored(std::move(record));
    MR_CO_TRY_VOID(fits(path.node, value));
    operations.emplace_back(Create{path.node, std::move(value)});
    operations.emplace_back(Create{intent.node, ""});
    Result<void> created = co_await change(operations);
    if (!created && created.error().is(ErrorCode::kNotFound)) {
        MR_CO_TRY_VOID(co_await ensure_in_scope(std::move(scope_buckets), name.scope));
        MR_CO_TRY_VOID(co_await ensure({intent.bucket, retired.outer, retired.bucket}));
        if (with_retention) MR_CO_TRY_VOID(co_await ensure(buckets_of(retention_path(name))));
        created = co_await change(std::move(operations));
    }
    if (!created && created.error().is(ErrorCode::kAlreadyExists)) {
        const Result<metadata::Node> there = co_await metadata_.get(path.node, Freshness::kLatest);
        if (!there && there.error().is(ErrorCode::kNotFound)) {
            co_return Error{ErrorCode::kVersionMismatch, created.error().detail()};
        }
        co_return Error{ErrorCode::kAlreadyExists, "stream '" + name.to_string() + "' exists already"};
    }
    if (!created && (created.error().is(ErrorCode::kNotFound) || created.error().is(ErrorCode::kVersionMismatch))) {
        // The scope, or the numbers of the earlier stream, went away meanwhile: decide again.
        co_return Error{ErrorCode::kVersionMismatch, created.error().detail()};
    }
    co_return created;
}

Task<Result<void>> StreamStore::update(StreamName name, StoredStream was, records::StreamRecord now, Intent intent) {
    const BucketedPath path = stream_path(name);
    const BucketedPath listed = intent_path(name);
    std::string value = stored(now);
    MR_CO_TRY_VOID(fits(path.node, value));
    std::vector<Operation> operations;
    // First, so that a lost race is told apart from everything else.
    operations.emplace_back(Set{path.node, std::move(value), was.version});
    if (intent == Intent::kBegins) operations.emplace_back(Create{listed.node, ""});
    if (intent == Intent::kEnds) operations.emplace_back(Remove{listed.node});
    follow_retention(operations, name, has_retention(was.record), now);
    Result<void> changed = co_await change(operations);
    if (intent == Intent::kBegins && !changed && changed.error().is(ErrorCode::kNotFound)) {
        MR_CO_TRY_VOID(co_await ensure({listed.bucket}));
        if (has_retention(now)) MR_CO_TRY_VOID(co_await ensure(buckets_of(retention_path(name))));
        changed = co_await change(std::move(operations));
    }
    co_return changed;
}

Task<Result<void>> StreamStore::advance_epoch(StreamName name, StoredStream was, records::StreamRecord now) {
    const BucketedPath path = stream_path(name);
    const auto over = static_cast<std::int32_t>(was.record.current().epoch());
    const BucketedPath history = epoch_path(name, over);
    std::string value = stored(std::move(now));
    MR_CO_TRY_VOID(fits(path.node, value));
    std::vector<Operation> operations;
    operations.emplace_back(Set{path.node, std::move(value), was.version});
    if (over % kEpochsPerChunk == 0) operations.emplace_back(Create{history.bucket, ""});
    operations.emplace_back(Create{history.node, stored(to_history(was.record.current()))});
    operations.emplace_back(Remove{intent_path(name).node});
    co_return co_await change(std::move(operations));
}

// ---- History ----

std::shared_ptr<const records::EpochRecord> StreamStore::cached(const EpochKey& key) {
    const auto found = epochs_by_key_.find(key);
    if (found == epochs_by_key_.end()) return nullptr;
    epochs_.splice(epochs_.begin(), epochs_, found->second);
    return found->second->record;
}

void StreamStore::remember(const EpochKey& key, std::shared_ptr<const records::EpochRecord> record) {
    if (epochs_by_key_.contains(key)) return;
    cached_entries_ += weight_of(*record);
    epochs_.push_front({key, std::move(record)});
    epochs_by_key_.emplace(key, epochs_.begin());
    while (cached_entries_ > kCachedEntriesMax && epochs_.size() > 1) {
        cached_entries_ -= weight_of(*epochs_.back().record);
        epochs_by_key_.erase(epochs_.back().key);
        epochs_.pop_back();
    }
}

Task<Result<std::shared_ptr<const records::EpochRecord>>> StreamStore::epoch_record(
    StreamName name, std::shared_ptr<const StoredStream> stream, std::int32_t epoch) {
    const auto current = static_cast<std::int32_t>(stream->record.current().epoch());
    if (epoch < 0 || epoch > current) {
        co_return Error{ErrorCode::kNotFound, "stream '" + name.to_string() + "' has no epoch " +
                                                  std::to_string(epoch) + "; its newest is " + std::to_string(current)};
    }
    if (epoch == current) {
        co_return std::shared_ptr<const records::EpochRecord>{stream, &stream->record.current()};
    }
    const EpochKey key{stream->record.nonce(), epoch};
    if (auto record = cached(key)) co_return record;
    const std::string path = epoch_path(name, epoch).node;
    MR_CO_TRY(const metadata::Node node, co_await metadata_.get(path));
    MR_CO_TRY(records::EpochRecord parsed_record, parsed<records::EpochRecord>(path, node.value));
    if (parsed_record.epoch() != static_cast<std::uint32_t>(epoch)) {
        co_return Error{ErrorCode::kCorrupt, "the record at " + path + " is of epoch " + std::to_string(parsed_record.epoch())};
    }
    auto record = std::make_shared<const records::EpochRecord>(std::move(parsed_record));
    remember(key, record);
    co_return record;
}

Task<Result<stream::Epoch>> StreamStore::epoch(StreamName name, std::shared_ptr<const StoredStream> stream,
                                               std::int32_t epoch) {
    MR_CO_TRY(std::shared_ptr<const records::EpochRecord> record, co_await epoch_record(name, stream, epoch));
    if (record->full()) co_return to_epoch(*record);
    std::int32_t at = epoch - epoch % kEpochsPerChunk;
    MR_CO_TRY(record, co_await epoch_record(name, stream, at));
    if (!record->full()) {
        co_return Error{ErrorCode::kCorrupt, "epoch " + std::to_string(at) + " of '" + name.to_string() +
                                                 "' should be stored in full"};
    }
    stream::Epoch result = to_epoch(*record);
    while (at < epoch) {
        MR_CO_TRY(record, co_await epoch_record(name, stream, ++at));
        MR_CO_TRY(result, follow(result, *record));
    }
    co_return result;
}

// ---- Deletion ----

Task<Result<void>> StreamStore::remove_history(StreamName name) {
    const std::string path = stream_path(name).node;
    MR_CO_TRY(const std::vector<std::string> chunks, co_await metadata_.children(path, Freshness::kLatest));
    for (const std::string& chunk : chunks) {
        const std::string chunk_path = path + "/" + chunk;
        MR_CO_TRY(const std::vector<std::string> epochs, co_await metadata_.children(chunk_path));
        std::vector<Operation> operations;
        for (const std::string& epoch : epochs) operations.emplace_back(Remove{chunk_path + "/" + epoch});
        operations.emplace_back(Remove{chunk_path});
        MR_CO_TRY_VOID(co_await change(std::move(operations)));
    }
    co_return ok();
}

Task<Result<void>> StreamStore::remove(StreamName name, StoredStream stream) {
    const DeepPath retired = retired_path(name);
    records::RetiredStreamRecord numbers;
    numbers.set_next_number(stream.record.next_number());
    std::vector<Operation> operations;
    operations.emplace_back(Remove{stream_path(name).node, stream.version});
    const Result<metadata::Node> earlier = co_await metadata_.get(retired.node, Freshness::kLatest);
    if (!earlier && !earlier.error().is(ErrorCode::kNotFound)) co_return earlier.error();
    if (earlier) {
        // Not to be expected, but no reason for a name that can never be deleted.
        MR_CO_TRY(const records::RetiredStreamRecord before,
                  parsed<records::RetiredStreamRecord>(retired.node, earlier->value));
        numbers.set_next_number(std::max(numbers.next_number(), before.next_number()));
        operations.emplace_back(Set{retired.node, stored(numbers), earlier->stat.version});
    } else {
        operations.emplace_back(Create{retired.node, stored(numbers)});
    }
    operations.emplace_back(Remove{intent_path(name).node});
    const std::optional<stream::ReaderGroupName> group = stream::group_of(name);
    if (stream.record.remove().with_reader_group() && group) {
        const std::string path = reader_group_path(*group).node;
        MR_CO_TRY(const std::optional<metadata::Stat> there, co_await metadata_.stat(path, Freshness::kLatest));
        if (there) operations.emplace_back(Remove{path, there->version});
    }
    Result<void> removed = co_await change(operations);
    if (!removed && removed.error().is(ErrorCode::kNotFound)) {
        MR_CO_TRY_VOID(co_await ensure({retired.outer, retired.bucket}));
        removed = co_await change(std::move(operations));
    }
    co_return removed;
}

Task<Result<std::vector<StreamName>>> StreamStore::unfinished() {
    std::vector<StreamName> streams;
    MR_CO_TRY(const std::vector<std::string> buckets, co_await metadata_.children(std::string{kIntents}, Freshness::kLatest));
    for (const std::string& bucket : buckets) {
        MR_CO_TRY(const std::vector<std::string> nodes, co_await metadata_.children(std::string{kIntents} + "/" + bucket));
        for (const std::string& node : nodes) {
            if (std::optional<StreamName> stream = listed_stream(node)) streams.push_back(std::move(*stream));
        }
    }
    co_return streams;
}

}  // namespace millrace::controller::store
