// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/inspect/object_check.h"

#include <algorithm>
#include <utility>

#include "common/base/crc32c.h"
#include "segmentstore/container/snapshot.h"
#include "segmentstore/tiering/object_writer.h"

namespace millrace::inspect {

namespace {

constexpr std::size_t kPieceBytes = 4 * 1024 * 1024;

Error damaged(storage::ObjectName name, std::uint64_t position, std::string_view what) {
    return {ErrorCode::kCorrupt,
            "object " + name.to_string() + " is damaged at offset " + std::to_string(position) + ": " + std::string{what}};
}

Task<Result<void>> check_snapshot(storage::ObjectStorage& storage, storage::ObjectName name, std::uint64_t bytes) {
    if (bytes < tiering::kObjectHeaderBytes + container::kSnapshotEndBytes) {
        co_return damaged(name, bytes, "it ends before its snapshot does");
    }
    const std::uint64_t end_at = bytes - container::kSnapshotEndBytes;
    MR_CO_TRY(const Bytes end, co_await storage.read(name, end_at, container::kSnapshotEndBytes));
    const auto said = container::decode_snapshot_end(end.view());
    if (!said) co_return damaged(name, end_at, said.error().detail());
    const auto [body_bytes, body_crc] = *said;
    if (body_bytes != end_at - tiering::kObjectHeaderBytes) {
        co_return damaged(name, end_at, "the body has another length than its end says");
    }
    ByteBuffer body;
    while (body.size() < body_bytes) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, body_bytes - body.size()));
        MR_CO_TRY(const Bytes piece, co_await storage.read(name, tiering::kObjectHeaderBytes + body.size(), wanted));
        if (piece.empty()) co_return damaged(name, tiering::kObjectHeaderBytes + body.size(), "the file ends");
        body.append(piece.view());
    }
    if (crc32c(body.view()) != body_crc) co_return damaged(name, tiering::kObjectHeaderBytes, "the snapshot fails its checksum");
    const auto snapshot = container::decode_snapshot(body.view());
    if (!snapshot) co_return damaged(name, tiering::kObjectHeaderBytes, snapshot.error().detail());
    co_return ok();
}

}  // namespace

Task<Result<CheckedObject>> look_at_object(storage::ObjectStorage& storage, storage::ObjectName name) {
    CheckedObject object;
    MR_CO_TRY(object.bytes, co_await storage.size(name));
    MR_CO_TRY(const Bytes bytes, co_await storage.read(name, 0, tiering::kObjectHeaderBytes));
    if (bytes.size() < tiering::kObjectHeaderBytes) co_return damaged(name, bytes.size(), "the file ends inside the header");
    const auto header = tiering::decode_object_header(bytes.view());
    if (!header) co_return Error{header.error()}.while_doing("object " + name.to_string());
    if (header->name != name) co_return damaged(name, 0, "its header says that it is object " + header->name.to_string());
    object.kind = header->kind;
    if (object.kind == tiering::ObjectKind::kData) {
        MR_CO_TRY(object.footer, co_await tiering::read_footer(storage, name));
    }
    co_return std::move(object);
}

Task<Result<CheckedObject>> check_object(storage::ObjectStorage& storage, storage::ObjectName name) {
    MR_CO_TRY(CheckedObject object, co_await look_at_object(storage, name));
    if (object.kind == tiering::ObjectKind::kSnapshot) {
        MR_CO_TRY_VOID(co_await check_snapshot(storage, name, object.bytes));
    }
    for (const tiering::StoredExtent& extent : object.footer.extents) {
        const Result<Bytes> bytes = co_await tiering::read_extent(storage, name, extent);
        if (!bytes) co_return bytes.error();
    }
    co_return std::move(object);
}

}  // namespace millrace::inspect
