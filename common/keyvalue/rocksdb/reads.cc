// SPDX-License-Identifier: Apache-2.0
//
// Reads, snapshots and pins of an open database.
#include <algorithm>

#include "common/base/crc32c.h"
#include "common/keyvalue/rocksdb/core.h"
#include "common/keyvalue/rocksdb/errors.h"

namespace millrace::keyvalue {

namespace {

rocksdb::ReadOptions reading_at(const rocksdb::Snapshot* snapshot) {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    return options;
}

rocksdb::Slice as_slice(const std::string& text) { return {text.data(), text.size()}; }
std::string_view as_view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Of a file that the database has not checksummed itself.
Result<std::uint32_t> checksum_of(DbHandle& handle, const std::string& path, std::uint64_t size) {
    constexpr std::size_t kPieceBytes = 1024 * 1024;
    std::uint32_t checksum = 0;
    for (std::uint64_t at = 0; at < size;) {
        MR_TRY(const ByteBuffer piece, read_piece(handle.directory->files(), path, at,
                                                  static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, size - at))));
        if (piece.empty()) {
            return Error{ErrorCode::kCorrupt, path + " ends at " + std::to_string(at) + " of " + std::to_string(size) + " bytes"};
        }
        checksum = crc32c(piece.view(), checksum);
        at += piece.size();
    }
    return checksum;
}

Result<Core::Pin> list_files(DbHandle& handle) {
    rocksdb::LiveFilesStorageInfoOptions options;
    options.include_checksum_info = true;
    std::vector<rocksdb::LiveFileStorageInfo> files;
    const rocksdb::Status status = handle.db->GetLiveFilesStorageInfo(options, &files);
    if (!status.ok()) return to_error(status, "listing the files of " + handle.options.directory);
    Core::Pin pin;
    for (rocksdb::LiveFileStorageInfo& file : files) {
        // Everything was flushed, so no log is needed; options are given at each open.
        const bool table = file.file_type == rocksdb::kTableFile;
        if (!table && file.file_type != rocksdb::kDescriptorFile && file.file_type != rocksdb::kCurrentFile) continue;
        PinnedFiles::File pinned{file.relative_filename, file.size, 0, table};
        if (!file.replacement_contents.empty()) {
            const Bytes contents = Bytes::copy_of(file.replacement_contents);
            pinned.crc32c = crc32c(contents.view());
            pin.small.emplace(pinned.name, contents);
        } else if (file.file_checksum_func_name == "FileChecksumCrc32c" && file.file_checksum.size() == 4) {
            for (const char byte : file.file_checksum) {
                pinned.crc32c = pinned.crc32c << 8 | static_cast<unsigned char>(byte);
            }
        } else {
            MR_TRY(pinned.crc32c, checksum_of(handle, file.directory + "/" + file.relative_filename, file.size));
        }
        pin.files.push_back(std::move(pinned));
    }
    return pin;
}

}  // namespace

Result<const rocksdb::Snapshot*> Core::find_snapshot(std::optional<SnapshotId> at) const {
    if (!at) return static_cast<const rocksdb::Snapshot*>(nullptr);
    const auto found = snapshots_.find(*at);
    if (found == snapshots_.end()) return Error{ErrorCode::kClosed, "the store " + options_.directory + " is closed"};
    return found->second;
}

Task<Result<std::optional<std::string>>> Core::get(std::string key, std::optional<SnapshotId> at) {
    MR_CO_TRY_VOID(check_key(key));
    MR_CO_TRY(const rocksdb::Snapshot* snapshot, find_snapshot(at));
    co_return co_await on_pool([key = stored_key(key), snapshot](DbHandle& handle) -> Result<std::optional<std::string>> {
        std::string value;
        const rocksdb::Status status = handle.db->Get(reading_at(snapshot), as_slice(key), &value);
        if (status.IsNotFound()) return std::optional<std::string>{};
        if (!status.ok()) return to_error(status, "reading from " + handle.options.directory);
        return std::optional<std::string>{std::move(value)};
    });
}

Task<Result<std::vector<std::optional<std::string>>>> Core::multi_get(std::vector<std::string> keys,
                                                                      std::optional<SnapshotId> at) {
    using Values = std::vector<std::optional<std::string>>;
    MR_CO_TRY_VOID(check_multi_get(keys));
    MR_CO_TRY(const rocksdb::Snapshot* snapshot, find_snapshot(at));
    co_return co_await on_pool([keys = std::move(keys), snapshot](DbHandle& handle) -> Result<Values> {
        std::vector<std::string> stored;
        stored.reserve(keys.size());
        for (const std::string& key : keys) stored.push_back(stored_key(key));
        const std::vector<rocksdb::Slice> slices{stored.begin(), stored.end()};
        std::vector<rocksdb::PinnableSlice> found(keys.size());
        std::vector<rocksdb::Status> states(keys.size());
        handle.db->MultiGet(reading_at(snapshot), handle.db->DefaultColumnFamily(), slices.size(), slices.data(),
                            found.data(), states.data());
        Values values;
        values.reserve(keys.size());
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (states[i].IsNotFound()) values.emplace_back();
            else if (!states[i].ok()) return to_error(states[i], "reading from " + handle.options.directory);
            else values.emplace_back(as_view(found[i]));
        }
        return values;
    });
}

Task<Result<Page>> Core::scan(std::string begin, std::string end, PageLimit limit, std::optional<SnapshotId> at) {
    MR_CO_TRY_VOID(check_key(begin));
    MR_CO_TRY_VOID(check_key(end));
    MR_CO_TRY_VOID(check_limit(limit));
    MR_CO_TRY(const rocksdb::Snapshot* snapshot, find_snapshot(at));
    if (!end.empty() && begin >= end) co_return Page{};
    co_return co_await on_pool([begin = stored_key(begin), end = stored_end(end), limit,
                                snapshot](DbHandle& handle) -> Result<Page> {
        rocksdb::ReadOptions options = reading_at(snapshot);
        const rocksdb::Slice bound = as_slice(end);
        options.iterate_upper_bound = &bound;
        const std::unique_ptr<rocksdb::Iterator> at{handle.db->NewIterator(options)};
        Page page;
        std::size_t bytes = 0;
        for (at->Seek(as_slice(begin)); at->Valid(); at->Next()) {
            const std::string_view key = as_view(at->key()).substr(1);
            const std::string_view value = as_view(at->value());
            if (!page.rows.empty() &&
                (page.rows.size() >= limit.rows || bytes + key.size() + value.size() > limit.bytes)) {
                page.next = std::string{key};
                break;
            }
            bytes += key.size() + value.size();
            page.rows.push_back({std::string{key}, std::string{value}});
        }
        if (!at->status().ok()) return to_error(at->status(), "reading from " + handle.options.directory);
        return page;
    });
}

Task<Result<Core::SnapshotId>> Core::take_snapshot() {
    MR_CO_TRY(const Gate::Pass pass, enter());
    const rocksdb::Snapshot* snapshot =
        co_await run_blocking(runtime_.blocking, [handle = handle_] { return handle->db->GetSnapshot(); });
    const SnapshotId id = ++last_snapshot_;
    snapshots_.emplace(id, snapshot);
    co_return id;
}

void Core::drop_snapshot(SnapshotId id) {
    if (closing_) return;
    const auto found = snapshots_.find(id);
    if (found == snapshots_.end()) return;
    release_soon([snapshot = found->second](DbHandle& handle) { handle.db->ReleaseSnapshot(snapshot); });
    snapshots_.erase(found);
}

Task<Result<Core::Pin>> Core::pin() {
    MR_CO_TRY_VOID(check_writable());
    MR_CO_TRY(const Gate::Pass pass, enter());
    co_await queue_.settled();
    co_return co_await run_blocking(runtime_.blocking, [handle = handle_]() -> Result<Pin> {
        const rocksdb::Status kept = handle->db->DisableFileDeletions();
        if (!kept.ok()) return to_error(kept, "keeping the files of " + handle->options.directory);
        Result<Pin> pin = list_files(*handle);
        if (!pin) handle->db->EnableFileDeletions(false).PermitUncheckedError();
        return pin;
    });
}

Task<Result<Bytes>> Core::read_pinned(std::string name, std::uint64_t file_bytes, std::uint64_t offset,
                                      std::size_t length) {
    co_return co_await on_pool([name = std::move(name), file_bytes, offset, length](DbHandle& handle) -> Result<Bytes> {
        if (offset >= file_bytes) return Bytes{};
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(length, file_bytes - offset));
        const std::string path = handle.directory->db_path() + "/" + name;
        MR_TRY(ByteBuffer piece, read_piece(handle.directory->files(), path, offset, wanted));
        if (piece.size() != wanted) {
            return Error{ErrorCode::kCorrupt, path + " ends before its " + std::to_string(file_bytes) + " bytes"};
        }
        return Bytes{std::move(piece)};
    });
}

void Core::unpin() {
    release_soon([](DbHandle& handle) { handle.db->EnableFileDeletions(false).PermitUncheckedError(); });
}

}  // namespace millrace::keyvalue
