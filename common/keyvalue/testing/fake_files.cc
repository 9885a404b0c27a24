// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/testing/fake_files.h"

#include <algorithm>
#include <utility>

#include "common/base/binary.h"
#include "common/base/crc32c.h"

namespace millrace::keyvalue {

namespace {

constexpr std::uint32_t kLayerMagic = 0x4b56464c;
constexpr std::uint32_t kManifestMagic = 0x4b56464d;

void seal(ByteBuffer& bytes) {
    const std::uint32_t checksum = crc32c(bytes.view());
    LittleEndianWriter{bytes}.u32(checksum);
}

Error damaged(const std::string& path, const char* what) {
    return {ErrorCode::kCorrupt, "the file " + path + " is damaged: " + what};
}

// What lies between magic and checksum.
Result<ByteView> unseal(const std::string& path, ByteView bytes, std::uint32_t magic) {
    if (bytes.size() < 8) return damaged(path, "too short");
    LittleEndianReader end{bytes.last(4)};
    if (end.u32() != crc32c(bytes.first(bytes.size() - 4))) return damaged(path, "checksum");
    LittleEndianReader begin{bytes.first(4)};
    if (begin.u32() != magic) return damaged(path, "magic");
    return bytes.subspan(4, bytes.size() - 8);
}

Result<void> apply_layer(FakeRows& rows, const std::string& path, ByteView bytes) {
    MR_TRY(ByteView entries, unseal(path, bytes, kLayerMagic));
    WriteBatch batch;
    while (!entries.empty()) {
        if (entries.size() < 9) return damaged(path, "entry");
        LittleEndianReader header{entries.first(9)};
        const std::uint8_t kind = header.u8();
        const std::size_t key_bytes = header.u32();
        const std::size_t value_bytes = header.u32();
        entries = entries.subspan(9);
        if (key_bytes > entries.size() || value_bytes > entries.size() - key_bytes) return damaged(path, "length");
        const std::string_view key = as_text(entries.first(key_bytes));
        const std::string_view value = as_text(entries.subspan(key_bytes, value_bytes));
        switch (static_cast<WriteBatch::Kind>(kind)) {
            case WriteBatch::Kind::kPut: batch.put(key, value); break;
            case WriteBatch::Kind::kRemove: batch.remove(key); break;
            case WriteBatch::Kind::kRemoveRange: batch.remove_range(key, value); break;
            default: return damaged(path, "kind");
        }
        entries = entries.subspan(key_bytes + value_bytes);
    }
    apply_to(rows, batch);
    return ok();
}

Result<FakeManifest> decode_manifest(const std::string& path, ByteView bytes) {
    MR_TRY(const ByteView body, unseal(path, bytes, kManifestMagic));
    if (body.size() < 8 || (body.size() - 8) % 20 != 0) return damaged(path, "length");
    LittleEndianReader reader{body};
    FakeManifest manifest;
    manifest.next_number = reader.u64();
    for (std::size_t i = 0; i < (body.size() - 8) / 20; ++i) {
        FakeLayer layer;
        layer.number = reader.u64();
        layer.size = reader.u64();
        layer.checksum = reader.u32();
        manifest.layers.push_back(layer);
    }
    return manifest;
}

}  // namespace

void apply_to(FakeRows& rows, const WriteBatch& batch) {
    batch.for_each([&rows](WriteBatch::Kind kind, std::string_view key, std::string_view value) {
        switch (kind) {
            case WriteBatch::Kind::kPut: rows.insert_or_assign(std::string{key}, std::string{value}); break;
            case WriteBatch::Kind::kRemove: rows.erase(std::string{key}); break;
            case WriteBatch::Kind::kRemoveRange:
                rows.erase(rows.lower_bound(std::string{key}),
                           value.empty() ? rows.end() : rows.lower_bound(std::string{value}));
                break;
        }
    });
}

ByteBuffer FakeManifest::encode() const {
    ByteBuffer bytes;
    LittleEndianWriter writer{bytes};
    writer.u32(kManifestMagic);
    writer.u64(next_number);
    for (const FakeLayer& layer : layers) {
        writer.u64(layer.number);
        writer.u64(layer.size);
        writer.u32(layer.checksum);
    }
    seal(bytes);
    return bytes;
}

ByteBuffer encode_layer(const WriteBatch& batch) {
    ByteBuffer bytes;
    LittleEndianWriter writer{bytes};
    writer.u32(kLayerMagic);
    batch.for_each([&](WriteBatch::Kind kind, std::string_view key, std::string_view value) {
        writer.u8(static_cast<std::uint8_t>(kind));
        writer.u32(static_cast<std::uint32_t>(key.size()));
        writer.u32(static_cast<std::uint32_t>(value.size()));
        bytes.append(as_bytes(key));
        bytes.append(as_bytes(value));
    });
    seal(bytes);
    return bytes;
}

Task<Result<ByteBuffer>> read_whole_file(Disk& disk, std::string path) {
    MR_CO_TRY(const std::unique_ptr<File> file, co_await disk.open(path, OpenOptions{}));
    MR_CO_TRY(const std::uint64_t size, co_await file->size());
    ByteBuffer bytes;
    bytes.resize(size);
    MR_CO_TRY(const std::size_t got, co_await file->read_at(0, bytes.mutable_view()));
    bytes.resize(got);
    co_return bytes;
}

Task<Result<void>> write_whole_file(Disk& disk, std::string path, Bytes contents) {
    MR_CO_TRY(const std::unique_ptr<File> file, co_await disk.open(path, OpenOptions{OpenMode::kCreate}));
    MR_CO_TRY_VOID(co_await file->truncate(0));
    MR_CO_TRY_VOID(co_await file->write_at(0, contents.view()));
    co_return co_await file->sync();
}

Task<Result<void>> replace_file(Disk& disk, std::string directory, std::string name, Bytes contents) {
    const std::string path = directory + "/" + name;
    MR_CO_TRY_VOID(co_await write_whole_file(disk, path + ".new", contents));
    MR_CO_TRY_VOID(co_await disk.rename(path + ".new", path));
    co_return co_await disk.sync_directory(directory);
}

Task<Result<FakeState>> load_fake(Disk& disk, std::string directory, bool read_only) {
    const std::string manifest_path = directory + "/" + kFakeManifestName;
    MR_CO_TRY(const ByteBuffer stored, co_await read_whole_file(disk, manifest_path));
    FakeState state;
    MR_CO_TRY(state.manifest, decode_manifest(manifest_path, stored.view()));
    std::vector<std::string> named{kFakeManifestName, "LOCK"};
    for (const FakeLayer& layer : state.manifest.layers) {
        const std::string path = directory + "/" + layer.name();
        Result<ByteBuffer> bytes = co_await read_whole_file(disk, path);
        if (!bytes && bytes.error().is(ErrorCode::kNotFound)) co_return damaged(path, "it is missing");
        if (!bytes) co_return std::move(bytes).error();
        if (bytes->size() != layer.size) co_return damaged(path, "size");
        if (crc32c(bytes->view()) != layer.checksum) co_return damaged(path, "checksum");
        MR_CO_TRY_VOID(apply_layer(state.rows, path, bytes->view()));
        named.push_back(layer.name());
    }
    if (!read_only) {
        MR_CO_TRY(const std::vector<std::string> names, co_await disk.list(directory));
        for (const std::string& name : names) {
            if (std::find(named.begin(), named.end(), name) != named.end()) continue;
            MR_CO_TRY_VOID(co_await disk.remove(directory + "/" + name));
        }
    }
    co_return state;
}

}  // namespace millrace::keyvalue
