// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/embedded/rows.h"

#include "common/base/binary.h"
#include "common/metadata/tree_rules.h"

namespace millrace::metadata::embedded {

namespace {

constexpr std::uint8_t kStatVersion = 1;
constexpr std::uint8_t kPositionVersion = 1;

Error broken(const std::string& what) {
    return {ErrorCode::kCorrupt, "the metadata store holds a broken row for " + what};
}

Error from_later_version(const std::string& what, unsigned version, unsigned known) {
    return {ErrorCode::kUnsupported, "the row for " + what + " has version " + std::to_string(version) + "; this one knows " +
                                         std::to_string(known)};
}

}  // namespace

std::string children_prefix(std::string_view parent) {
    std::string key = "n";
    key.append(parent);
    key.push_back('\0');
    return key;
}

std::string stat_key(std::string_view path) {
    // The root is nobody's child.
    if (path == "/") return children_prefix("");
    return children_prefix(parent_of(path)).append(name_of(path));
}

std::string value_key(std::string_view path) { return std::string{"v"}.append(path); }

std::string ephemeral_key(std::string_view path) { return std::string{kEphemeralPrefix}.append(path); }

std::string encode_stat(const Stat& stat) {
    ByteBuffer bytes;
    LittleEndianWriter writer{bytes};
    writer.u8(kStatVersion);
    writer.i64(stat.version.number());
    writer.u32(stat.children);
    writer.u64(stat.ephemeral_owner.number());
    writer.u64(stat.created.number());
    writer.u64(stat.changed.number());
    writer.u64(stat.children_changed.number());
    return std::string{as_text(bytes.view())};
}

Result<Stat> decode_stat(std::string_view path, std::string_view row) {
    LittleEndianReader reader{as_bytes(row)};
    const std::uint8_t version = reader.u8();
    if (!reader.failed() && version > kStatVersion) return from_later_version(std::string{path}, version, kStatVersion);
    Stat stat;
    stat.version = Version{reader.i64()};
    stat.children = reader.u32();
    stat.ephemeral_owner = SessionId{reader.u64()};
    stat.created = ChangeId{reader.u64()};
    stat.changed = ChangeId{reader.u64()};
    stat.children_changed = ChangeId{reader.u64()};
    const bool sound = !reader.failed() && reader.remaining() == 0 && version == kStatVersion && stat.version >= Version{0} &&
                       stat.changed >= stat.created && stat.children_changed >= stat.created;
    if (!sound) return broken(std::string{path});
    return stat;
}

std::string encode_position(ChangeId id) {
    ByteBuffer bytes;
    LittleEndianWriter writer{bytes};
    writer.u8(kPositionVersion);
    writer.u64(id.number());
    return std::string{as_text(bytes.view())};
}

Result<ChangeId> decode_position(std::string_view row) {
    LittleEndianReader reader{as_bytes(row)};
    const std::uint8_t version = reader.u8();
    if (!reader.failed() && version > kPositionVersion) return from_later_version("its last change", version, kPositionVersion);
    const ChangeId id{reader.u64()};
    if (reader.failed() || reader.remaining() != 0 || version != kPositionVersion) return broken("its last change");
    return id;
}

}  // namespace millrace::metadata::embedded
