// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/tiering/object_writer.h"

#include <algorithm>

#include "common/base/crc32c.h"

namespace millrace::tiering {

namespace {

Error object_damaged(storage::ObjectName object, std::uint64_t position, std::string what) {
    return {ErrorCode::kCorrupt,
            "object " + object.to_string() + " is damaged at position " + std::to_string(position) + ": " + std::move(what)};
}

}  // namespace

Task<Result<std::unique_ptr<DataObjectWriter>>> DataObjectWriter::create(storage::ObjectStorage& storage,
                                                                         storage::ObjectName name) {
    MR_CO_TRY(auto writer, co_await storage.create(name));
    std::vector<Bytes> header{Bytes{encode_object_header({ObjectKind::kData, name})}};
    MR_CO_TRY_VOID(co_await writer->append(std::move(header)));
    co_return std::unique_ptr<DataObjectWriter>{new DataObjectWriter{std::move(writer)}};
}

Task<Result<void>> DataObjectWriter::add(std::uint64_t segment, std::string name, std::int64_t offset,
                                         std::vector<Bytes> pieces) {
    if (footer_.segments.empty() || footer_.segments.back().segment != segment) {
        MR_CHECK(footer_.segments.empty() || footer_.segments.back().segment < segment);
        footer_.segments.push_back({segment, std::move(name)});
    }
    std::uint64_t position = writer_->size();
    std::vector<Bytes> cut;
    for (const Bytes& piece : pieces) {
        for (std::size_t at = 0; at < piece.size();) {
            std::vector<StoredExtent>& extents = footer_.extents;
            // Bytes that go on where the last extent ends belong to it, up to its bound.
            const bool follows = !extents.empty() && extents.back().segment == segment &&
                                 extents.back().offset + extents.back().length == offset &&
                                 extents.back().length < kMaxExtentBytes;
            if (!follows) extents.push_back({segment, offset, position, 0, 0});
            StoredExtent& extent = extents.back();
            const std::size_t take = std::min(piece.size() - at, kMaxExtentBytes - extent.length);
            const Bytes part = piece.slice(at, take);
            extent.crc = crc32c(part.view(), extent.crc);
            extent.length += static_cast<std::uint32_t>(take);
            offset += static_cast<std::int64_t>(take);
            position += take;
            at += take;
            cut.push_back(part);
        }
    }
    co_return co_await writer_->append(std::move(cut));
}

Task<Result<ObjectFooter>> DataObjectWriter::finish() {
    std::vector<Bytes> end{Bytes{encode_object_end(footer_, writer_->size())}};
    MR_CO_TRY_VOID(co_await writer_->append(std::move(end)));
    MR_CO_TRY_VOID(co_await writer_->finish());
    co_return std::move(footer_);
}

Task<Result<Bytes>> read_extent(storage::ObjectStorage& storage, storage::ObjectName object, StoredExtent extent) {
    MR_CO_TRY(const Bytes bytes, co_await storage.read(object, extent.position, extent.length));
    if (bytes.size() != extent.length) co_return object_damaged(object, extent.position, "it ends inside an extent");
    if (crc32c(bytes.view()) != extent.crc) co_return object_damaged(object, extent.position, "an extent fails its checksum");
    co_return bytes;
}

Task<Result<ObjectFooter>> read_footer(storage::ObjectStorage& storage, storage::ObjectName object) {
    MR_CO_TRY(const Bytes head, co_await storage.read(object, 0, kObjectHeaderBytes));
    const auto header = decode_object_header(head.view());
    if (!header) co_return Error{header.error()}.while_doing("object " + object.to_string());
    if (header->name != object) co_return object_damaged(object, 0, "it is object " + header->name.to_string());
    MR_CO_TRY(const std::uint64_t size, co_await storage.size(object));
    if (size < kObjectHeaderBytes + kObjectTrailerBytes) co_return object_damaged(object, size, "it ends here");
    MR_CO_TRY(const Bytes tail, co_await storage.read(object, size - kObjectTrailerBytes, kObjectTrailerBytes));
    const auto trailer = decode_object_trailer(tail.view());
    if (!trailer) co_return Error{trailer.error()}.while_doing("object " + object.to_string());
    if (trailer->footer_begin + trailer->footer_bytes + kObjectTrailerBytes != size) {
        co_return object_damaged(object, size - kObjectTrailerBytes, "its trailer does not fit its size");
    }
    MR_CO_TRY(const Bytes listed, co_await storage.read(object, trailer->footer_begin, trailer->footer_bytes));
    Result<ObjectFooter> footer = decode_object_footer(listed.view(), *trailer);
    if (!footer) co_return std::move(footer).error().while_doing("object " + object.to_string());
    co_return footer;
}

}  // namespace millrace::tiering
