// SPDX-License-Identifier: Apache-2.0
#include "common/base/binary.h"
#include "common/base/crc32c.h"
#include "segmentstore/storage/file/file_storage.h"

namespace millrace::storage {

namespace {

constexpr std::string_view kMarkText{"mr-lts\0\0", 8};
constexpr std::uint32_t kMarkVersion = 1;

}  // namespace

ByteBuffer encode_storage_mark(const StorageId& id) {
    ByteBuffer bytes;
    LittleEndianWriter out{bytes};
    out.bytes(as_bytes(kMarkText));
    out.u32(kMarkVersion);
    out.bytes(id);
    out.u32(crc32c(bytes.view()));
    return bytes;
}

Result<StorageId> decode_storage_mark(ByteView bytes) {
    LittleEndianReader in{bytes};
    const ByteView text = in.bytes(kMarkText.size());
    const std::uint32_t version = in.u32();
    const ByteView id_bytes = in.bytes(StorageId{}.size());
    const std::size_t checked = bytes.size() - in.remaining();
    const std::uint32_t crc = in.u32();
    if (in.failed() || as_text(text) != kMarkText) return Error{ErrorCode::kCorrupt, "it is not a storage mark"};
    if (version > kMarkVersion) {
        return Error{ErrorCode::kUnsupported, "a newer version of Millrace wrote it (version " + std::to_string(version) +
                                                  ", this one knows up to " + std::to_string(kMarkVersion) + ")"};
    }
    if (crc != crc32c(bytes.first(checked)) || in.remaining() > 0 || version != kMarkVersion) {
        return Error{ErrorCode::kCorrupt, "its checksum does not match its contents"};
    }
    StorageId id;
    std::memcpy(id.data(), id_bytes.data(), id.size());
    return id;
}

}  // namespace millrace::storage
