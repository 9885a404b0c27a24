// SPDX-License-Identifier: Apache-2.0
//
// Scopes, streams and their history in the metadata store (docs/formats/controller-metadata.md). Each
// change is one compare-and-set: who loses reads again and decides again. Broken connections to the metadata are waited for
// and writes of unknown fate settled (SettledStore); a change ends with unknown fate only when that took too long or
// the session ended.
// What decides a change is read with Freshness::kLatest, what never changes is not.
// Thread rule: one executor. Lifetime: the metadata store and the clock outlive it.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <optional>
#include <utility>
#include <vector>

#include "common/metadata/metadata_store.h"
#include "common/metadata/settled_store.h"
#include "common/model/segment_name.h"
#include "controller/stream/companions.h"
#include "controller/stream/epoch.h"
#include "proto/records/controller.pb.h"

namespace millrace::controller::store {

struct StoredStream {
    records::StreamRecord record;
    metadata::Version version;
};

struct StoredReaderGroup {
    records::ReaderGroupRecord record;
    metadata::Version version;
};

struct StoredRetention {
    records::RetentionSetRecord record;
    metadata::Version version;
};

// Part of a list, and where the next part begins.
struct Page {
    std::vector<std::string> names;
    std::string token;
};

inline constexpr std::size_t kPageNames = 1000;

class StreamStore {
public:
    StreamStore(metadata::MetadataStore& metadata, Clock& clock) : metadata_{metadata, clock} {}

    // Lays out an empty store; checks the format of one in use, and brings an older one up to date. kUnsupported: a newer
    // version wrote it.
    Task<Result<void>> open();

    // kAlreadyExists.
    Task<Result<void>> create_scope(std::string scope, records::ScopeRecord record);
    // kNotFound.
    Task<Result<records::ScopeRecord>> scope(std::string scope);
    // kNotFound; kFailedPrecondition: something is in it.
    Task<Result<void>> delete_scope(std::string scope);
    // `token`: empty at first, then of the page before. Behind the last name every page is empty.
    Task<Result<Page>> list_scopes(std::string token);
    // kNotFound: no such scope.
    Task<Result<Page>> list_streams(std::string scope, std::string token);

    // kNotFound: no such stream, or scope.
    Task<Result<StoredStream>> load(StreamName name);
    // Registers a stream that is being created, and the intent to create it. Its numbers continue
    // those of a deleted stream of the name: `record.current` is made here.
    // kNotFound: no such scope; kAlreadyExists.
    Task<Result<void>> create(StreamName name, records::StreamRecord record, std::size_t segments);

    // As create, of a stream that belongs to `owner`, if that is still the same. kVersionMismatch.
    Task<Result<void>> create_with(StreamName name, records::StreamRecord record, std::size_t segments, StreamName owner,
                                   StoredStream as_read);

    enum class Intent : std::uint8_t { kAsItIs, kBegins, kEnds };
    // Replaces `was` by `now`. kVersionMismatch, kNotFound: it changed meanwhile.
    Task<Result<void>> update(StreamName name, StoredStream was, records::StreamRecord now, Intent intent);
    // As update with Intent::kEnds, and puts the epoch that was current into the history.
    Task<Result<void>> advance_epoch(StreamName name, StoredStream was, records::StreamRecord now);

    // Of an epoch up to the current one, as it was stored. kNotFound.
    Task<Result<std::shared_ptr<const records::EpochRecord>>> epoch_record(StreamName name,
                                                                          std::shared_ptr<const StoredStream> stream,
                                                                          std::int32_t epoch);
    // In full. kNotFound: the stream never had it.
    Task<Result<stream::Epoch>> epoch(StreamName name, std::shared_ptr<const StoredStream> stream, std::int32_t epoch);

    // Removes the history of a stream that is being deleted.
    Task<Result<void>> remove_history(StreamName name);
    // Removes the stream itself, and the reader group that goes with it, and remembers its numbers; ends the intent.
    Task<Result<void>> remove(StreamName name, StoredStream stream);

    // ---- Reader groups ----

    // kNotFound.
    Task<Result<StoredReaderGroup>> reader_group(stream::ReaderGroupName name);
    // Makes a group together with the stream for its state, as create does. kNotFound: no such scope; kAlreadyExists:
    // one of them is there.
    Task<Result<void>> create_reader_group(stream::ReaderGroupName name, records::ReaderGroupRecord record,
                                           records::StreamRecord state);
    // Makes a group whose stream is there already, if that is still the same. kVersionMismatch, kAlreadyExists.
    Task<Result<void>> adopt_reader_group(stream::ReaderGroupName name, records::ReaderGroupRecord record, StoredStream state);
    // kVersionMismatch, kNotFound: it changed meanwhile.
    Task<Result<void>> update_reader_group(stream::ReaderGroupName name, StoredReaderGroup was, records::ReaderGroupRecord now);
    Task<Result<void>> remove_reader_group(stream::ReaderGroupName name, StoredReaderGroup was);

    // ---- Retention ----

    // The list of streams that are truncated by their policy (has_retention) comes in parts, about as long as each other.
    Task<Result<std::vector<std::string>>> retention_parts();
    Task<Result<std::vector<StreamName>>> retention_streams(std::string part);
    // kNotFound: the stream is not in the list.
    Task<Result<StoredRetention>> retention(StreamName name);
    // kVersionMismatch, kNotFound: it changed meanwhile.
    Task<Result<void>> update_retention(StreamName name, StoredRetention was, records::RetentionSetRecord now);

    // Streams with an intent.
    Task<Result<std::vector<StreamName>>> unfinished();

private:
    Task<Result<void>> ensure(std::vector<std::string> buckets);
    Task<Result<void>> ensure_in_scope(std::vector<std::string> buckets, std::string scope);
    Task<Result<void>> change(std::vector<metadata::Operation> operations);
    // Gives the stream its first epoch and makes it in one transaction with `together`, which needs `scope_buckets`.
    Task<Result<void>> create_together(StreamName name, records::StreamRecord record, std::size_t segments,
                                       std::vector<metadata::Operation> together, std::vector<std::string> scope_buckets);
    Task<Result<Page>> list(std::string parent, std::string token);
    // Makes the list of streams with retention from all streams there are. May be repeated.
    Task<Result<void>> list_retention();
    Task<Result<void>> list_retention(StreamName name);

    // Past epochs never change. The key has the stream's nonce, so a new stream of the same name
    // finds nothing of the old.
    using EpochKey = std::pair<std::uint64_t, std::int32_t>;
    struct CachedEpoch {
        EpochKey key;
        std::shared_ptr<const records::EpochRecord> record;
    };
    std::shared_ptr<const records::EpochRecord> cached(const EpochKey& key);
    void remember(const EpochKey& key, std::shared_ptr<const records::EpochRecord> record);

    metadata::SettledStore metadata_;
    std::list<CachedEpoch> epochs_;  // most recently used first
    std::map<EpochKey, std::list<CachedEpoch>::iterator> epochs_by_key_;
    std::size_t cached_entries_ = 0;  // segments named in all of them
};

}  // namespace millrace::controller::store
