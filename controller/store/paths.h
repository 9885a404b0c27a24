// SPDX-License-Identifier: Apache-2.0
//
// Where things lie in the metadata store (docs/formats/controller-metadata.md). Lists are spread over
// buckets by a hash of the name, because a node has at most 1,000 children. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/segment_name.h"
#include "controller/stream/companions.h"

namespace millrace::controller::store {

inline constexpr std::string_view kRoot = "/controller";
inline constexpr std::string_view kScopes = "/controller/scopes";
inline constexpr std::string_view kIntents = "/controller/intents";
inline constexpr std::string_view kRetired = "/controller/retired";
inline constexpr std::string_view kRetention = "/controller/retention";

// Epochs of one chunk: the first is stored in full, the others as differences.
inline constexpr std::int32_t kEpochsPerChunk = 64;

// A node of a bucketed list: the bucket's path, and the node's below it.
struct BucketedPath {
    std::string bucket;
    std::string node;
};

BucketedPath scope_path(std::string_view scope);
BucketedPath stream_path(const StreamName& stream);
// Beside the streams of the scope, in buckets of their own: "g" before the digits.
BucketedPath reader_group_path(const stream::ReaderGroupName& group);
BucketedPath intent_path(const StreamName& stream);
// In lists of streams of all scopes, of which there may be very many: the bucket lies in another bucket, `outer`.
struct DeepPath {
    std::string outer;
    std::string bucket;
    std::string node;
};
std::vector<std::string> buckets_of(const DeepPath& path);
DeepPath retired_path(const StreamName& stream);
DeepPath retention_path(const StreamName& stream);

// Of an epoch that is over.
BucketedPath epoch_path(const StreamName& stream, std::int32_t epoch);

// Of scopes, and of streams in a scope; not of reader groups.
bool is_plain_bucket(std::string_view node_name);

// The name of a list entry, from its node's name.
std::optional<std::string> listed_name(std::string_view node_name);
std::optional<StreamName> listed_stream(std::string_view node_name);

}  // namespace millrace::controller::store
