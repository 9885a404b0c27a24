// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/server/store_format.h"

#include <algorithm>

#include "common/base/binary.h"
#include "common/base/crc32c.h"

namespace millrace::segmentstore {

namespace {

constexpr std::string_view kFormatMagic = "mr-store";
constexpr std::size_t kFormatBytes = 8 + 4 + 4 + 16 + 16 + 4;
// Before it named the journal.
constexpr std::uint32_t kFormatWithoutJournal = 2;
constexpr const char* kFormatName = "segmentstore.format";

// Empty when there is no such file.
Task<Result<ByteBuffer>> read_whole(Disk& disk, std::string path) {
    auto file = co_await disk.open(path, {OpenMode::kReadOnly, false});
    if (!file && file.error().is(ErrorCode::kNotFound)) co_return ByteBuffer{};
    if (!file) co_return std::move(file).error();
    ByteBuffer bytes;
    bytes.resize(kFormatBytes + 1);  // one more, to notice a longer file
    MR_CO_TRY(const std::size_t count, co_await file.value()->read_at(0, bytes.mutable_view()));
    bytes.resize(count);
    co_return bytes;
}

}  // namespace

ByteBuffer encode_store_format(const StoreFormat& format) {
    ByteBuffer bytes;
    LittleEndianWriter out{bytes};
    out.bytes(as_bytes(kFormatMagic));
    out.u32(kStoreFormat);
    out.u32(format.containers);
    out.bytes(format.storage);
    out.bytes(format.journal.value_or(log::StoreUuid{}));
    out.u32(crc32c(bytes.view()));
    return bytes;
}

Result<StoreFormat> decode_store_format(ByteView bytes) {
    LittleEndianReader in{bytes};
    const ByteView magic = in.bytes(kFormatMagic.size());
    const std::uint32_t version = in.u32();
    StoreFormat format;
    format.containers = in.u32();
    const ByteView storage = in.bytes(format.storage.size());
    log::StoreUuid journal{};
    const ByteView journal_bytes = in.bytes(version == kFormatWithoutJournal ? 0 : journal.size());
    const std::size_t checked = bytes.size() - in.remaining();
    const std::uint32_t checksum = in.u32();
    if (as_text(magic) != kFormatMagic) {
        return Error{ErrorCode::kCorrupt, "it is not a format file of a segment store"};
    }
    if (version > kStoreFormat) {
        return Error{ErrorCode::kUnsupported, "a newer version of Millrace wrote it (format " + std::to_string(version) +
                                                  ", this version knows up to " + std::to_string(kStoreFormat) + ")"};
    }
    if (in.failed() || in.remaining() > 0 || checksum != crc32c(bytes.first(checked)) || version < kFormatWithoutJournal ||
        format.containers == 0) {
        return Error{ErrorCode::kCorrupt, "its checksum does not match its contents"};
    }
    std::copy(storage.begin(), storage.end(), format.storage.begin());
    std::copy(journal_bytes.begin(), journal_bytes.end(), journal.begin());
    if (journal != log::StoreUuid{}) format.journal = journal;
    return format;
}

namespace {

// Of a directory that is not formatted: the storage too is made, or was by a start that did not come to its end.
Task<Result<std::unique_ptr<storage::FileStorage>>> new_storage(Runtime runtime, std::string root) {
    auto storage = co_await storage::FileStorage::open(runtime, root);
    if (!storage && storage.error().is(ErrorCode::kNotFound)) {
        MR_CO_TRY_VOID(co_await storage::FileStorage::format(runtime, root));
        co_return co_await storage::FileStorage::open(runtime, root);
    }
    if (!storage) co_return std::move(storage).error();
    MR_CO_TRY(const bool used, co_await (*storage)->used());
    if (used) {
        co_return Error{ErrorCode::kFailedPrecondition,
                        "'" + root + "' is the long-term storage of another store: give each its own directory"};
    }
    co_return std::move(storage);
}

}  // namespace

Task<Result<StoreFormat>> read_store_format(Runtime runtime, std::string directory) {
    const std::string path = directory + "/" + kFormatName;
    MR_CO_TRY(const ByteBuffer bytes, co_await read_whole(runtime.disk, path));
    if (bytes.empty()) co_return Error{ErrorCode::kNotFound, "'" + path + "' is missing or empty"};
    auto format = decode_store_format(bytes.view());
    if (!format) co_return std::move(format).error().while_doing("format file '" + path + "'");
    co_return std::move(format);
}

Task<Result<void>> write_store_format(Runtime runtime, std::string directory, StoreFormat format) {
    Disk& disk = runtime.disk;
    const std::string path = directory + "/" + kFormatName;
    const std::string temporary = path + ".new";
    MR_CO_TRY(auto file, co_await disk.open(temporary, {OpenMode::kCreate, false}));
    MR_CO_TRY_VOID(co_await file->truncate(0));
    const ByteBuffer contents = encode_store_format(format);
    MR_CO_TRY_VOID(co_await file->write_and_sync(0, contents.view()));
    file.reset();
    MR_CO_TRY_VOID(co_await disk.rename(temporary, path));
    co_return co_await disk.sync_directory(directory);
}

Task<Result<OpenedStore>> open_store(Runtime runtime, std::string directory, std::string storage_root,
                                     std::uint32_t containers) {
    const std::string path = directory + "/" + kFormatName;
    MR_CO_TRY(const ByteBuffer bytes, co_await read_whole(runtime.disk, path));
    if (!bytes.empty()) {
        auto format = decode_store_format(bytes.view());
        if (!format) co_return std::move(format).error().while_doing("format file '" + path + "'");
        if (format->containers != containers) {
            co_return Error{ErrorCode::kFailedPrecondition,
                            "'" + directory + "' was formatted with " + std::to_string(format->containers) +
                                " containers, which cannot change; it was opened with " + std::to_string(containers)};
        }
        MR_CO_TRY(auto storage, co_await storage::FileStorage::open(runtime, storage_root));
        if (storage->id() != format->storage) {
            co_return Error{ErrorCode::kFailedPrecondition,
                            "'" + storage_root + "' is the long-term storage of another store than '" + directory + "'"};
        }
        co_return OpenedStore{*format, std::move(storage)};
    }
    auto journal = co_await runtime.disk.list(directory + "/journal");
    if (!journal && !journal.error().is(ErrorCode::kNotFound)) co_return std::move(journal).error();
    if (journal && !journal->empty()) {
        co_return Error{ErrorCode::kCorrupt, "'" + directory + "' has a journal but no '" + kFormatName +
                                                 "': restore that file, or use another directory"};
    }
    MR_CO_TRY(auto storage, co_await new_storage(runtime, storage_root));
    const StoreFormat format{containers, storage->id(), std::nullopt};
    MR_CO_TRY_VOID(co_await write_store_format(runtime, directory, format));
    co_return OpenedStore{format, std::move(storage)};
}

}  // namespace millrace::segmentstore
