// SPDX-License-Identifier: Apache-2.0
//
// The rows of the embedded store (docs/formats/metadata-store.md). Paths are legal ones. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "common/metadata/metadata_store.h"

namespace millrace::metadata::embedded {

inline constexpr std::string_view kFormatKey = "f";
inline constexpr std::string_view kFormatValue = "1";
// The id of the last change.
inline constexpr std::string_view kPositionKey = "c";
inline constexpr std::string_view kEphemeralPrefix = "e";

// A node's stat; those of a node's children are one range, in the order of their names.
std::string stat_key(std::string_view path);
std::string children_prefix(std::string_view parent);
// Its value.
std::string value_key(std::string_view path);
// There is a row, an empty one, as long as the node is there and ephemeral.
std::string ephemeral_key(std::string_view path);

std::string encode_stat(const Stat& stat);
// kCorrupt.
Result<Stat> decode_stat(std::string_view path, std::string_view row);
std::string encode_position(ChangeId id);
Result<ChangeId> decode_position(std::string_view row);

}  // namespace millrace::metadata::embedded
