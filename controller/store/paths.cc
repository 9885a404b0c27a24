// SPDX-License-Identifier: Apache-2.0
#include "controller/store/paths.h"

#include "common/model/routing_hash.h"

namespace millrace::controller::store {

namespace {

// Names can be "." or "..", which a path cannot hold.
constexpr char kNameMark = '+';

std::string hex_digits(std::uint64_t value, int digits) {
    std::string text;
    for (int i = digits - 1; i >= 0; --i) text.push_back("0123456789abcdef"[(value >> (4 * i)) & 0xF]);
    return text;
}

std::string bucket_of(std::string_view name, int digits) {
    return hex_digits(murmur3_x64_128(as_bytes(name), 0), digits);
}

// Digits of a bucket's name, where entries cannot be too many for one level.
constexpr int kDigits = 2;

BucketedPath bucketed(std::string_view list, std::string_view name, std::string_view prefix = "") {
    BucketedPath path;
    path.bucket = std::string{list} + "/" + std::string{prefix} + bucket_of(name, kDigits);
    path.node = path.bucket + "/" + kNameMark + std::string{name};
    return path;
}

DeepPath deep(std::string_view list, const std::string& name) {
    const std::string digits = bucket_of(name, 4);
    DeepPath path;
    path.outer = std::string{list} + "/" + digits.substr(0, 2);
    path.bucket = path.outer + "/" + digits.substr(2);
    path.node = path.bucket + "/" + kNameMark + name;
    return path;
}

// No name has a '+', so it separates the two.
std::string joined(const StreamName& stream) { return stream.scope + kNameMark + stream.stream; }

}  // namespace

BucketedPath scope_path(std::string_view scope) { return bucketed(kScopes, scope); }
BucketedPath stream_path(const StreamName& stream) { return bucketed(scope_path(stream.scope).node, stream.stream); }
BucketedPath intent_path(const StreamName& stream) { return bucketed(kIntents, joined(stream)); }
BucketedPath reader_group_path(const stream::ReaderGroupName& group) {
    return bucketed(scope_path(group.scope).node, group.group, "g");
}

std::vector<std::string> buckets_of(const DeepPath& path) { return {path.outer, path.bucket}; }
DeepPath retired_path(const StreamName& stream) { return deep(kRetired, joined(stream)); }
DeepPath retention_path(const StreamName& stream) { return deep(kRetention, joined(stream)); }

BucketedPath epoch_path(const StreamName& stream, std::int32_t epoch) {
    BucketedPath path;
    const auto chunk = static_cast<std::uint64_t>(epoch / kEpochsPerChunk);
    path.bucket = stream_path(stream).node + "/" + hex_digits(chunk, 8);
    path.node = path.bucket + "/" + hex_digits(static_cast<std::uint64_t>(epoch), 8);
    return path;
}

bool is_plain_bucket(std::string_view node_name) { return node_name.size() == kDigits; }

std::optional<std::string> listed_name(std::string_view node_name) {
    if (node_name.size() < 2 || node_name.front() != kNameMark) return std::nullopt;
    return std::string{node_name.substr(1)};
}

std::optional<StreamName> listed_stream(std::string_view node_name) {
    const std::optional<std::string> name = listed_name(node_name);
    if (!name) return std::nullopt;
    const std::size_t mark = name->find(kNameMark);
    if (mark == std::string::npos) return std::nullopt;
    return StreamName{name->substr(0, mark), name->substr(mark + 1)};
}

}  // namespace millrace::controller::store
