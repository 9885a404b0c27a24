// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/file_map.h"

#include <algorithm>
#include <set>

#include "segmentstore/log/journal/format.h"

namespace millrace::crash {
namespace {

using namespace millrace::log;

constexpr std::size_t kFileFieldsBytes = 64;

// As many of these bytes as there are.
ByteBuffer read(const sim::SparseBytes& file, std::uint64_t offset, std::size_t bytes) {
    ByteBuffer buffer(bytes);
    buffer.resize(file.read(offset, buffer.mutable_view()));
    return buffer;
}

}  // namespace

FileMap::FileMap(const sim::SimDisk::Image& image) {
    for (const auto& [path, bytes] : image.files) {
        if (!path.ends_with(".wal")) continue;
        MappedFile& file = files_.emplace_back(MappedFile{path, bytes.size(), {}});
        const auto header = decode_file_header(read(bytes, 0, kBlockBytes).view());
        if (!header) continue;
        for (std::uint64_t offset = kBlockBytes;;) {
            const ByteBuffer block = read(bytes, offset, kBlockBytes);
            const auto batch = decode_batch_header(block.view(), header->salt);
            if (!batch || batch->file_seq != header->file_seq) break;
            const ByteBuffer whole = read(bytes, offset, batch->padded_bytes);
            if (whole.size() < batch->padded_bytes) break;
            const auto records = decode_records(*batch, whole.view());
            if (!records) break;
            Batch& mapped = file.batches.emplace_back(Batch{offset, *batch, {}, {}});
            for (const DecodedRecord& record : *records) {
                mapped.records.push_back(record.header);
                mapped.bodies.push_back(record.body_at);
            }
            proven_ = std::max(proven_, batch->synced_through);
            offset += batch->padded_bytes;
        }
    }
}

std::vector<FlipTarget> FileMap::flip_targets() const {
    std::vector<FlipTarget> targets;
    for (const MappedFile& file : files_) {
        std::set<std::uint64_t> places;
        for (std::uint64_t at = 0; at < kFileFieldsBytes; ++at) places.insert(at);
        places.insert({kFileFieldsBytes, kBlockBytes / 2, kBlockBytes - 1});
        for (const Batch& batch : file.batches) {
            const std::uint64_t headers = BatchHeader::kBytes + batch.records.size() * RecordHeader::kBytes;
            for (std::uint64_t at = 0; at < headers; ++at) places.insert(batch.offset + at);
            for (std::size_t i = 0; i < batch.records.size(); ++i) {
                const std::uint64_t begin = batch.offset + batch.bodies[i];
                const std::uint64_t size = batch.records[i].body_bytes;
                if (size > 0) places.insert({begin, begin + size / 2, begin + size - 1});
            }
            const std::uint64_t used = batch.offset + BatchHeader::kBytes + batch.header.records_bytes;
            const std::uint64_t end = batch.offset + batch.header.padded_bytes;
            if (used < end) places.insert({used, end - 1});
        }
        // Where the next batch would begin, and behind it.
        places.insert({file.end(), file.end() + 4, file.end() + kBlockBytes, file.bytes - 1});
        for (const std::uint64_t at : places) {
            if (at < file.bytes) targets.push_back({file.path, at});
        }
    }
    return targets;
}

std::vector<CutTarget> FileMap::cut_targets() const {
    std::vector<CutTarget> targets;
    for (const MappedFile& file : files_) {
        std::set<std::uint64_t> sizes{0,
                                      1,
                                      kBlockBytes - 1,
                                      kBlockBytes,
                                      file.bytes - kBlockBytes,
                                      file.bytes - 1,
                                      file.bytes + 1,
                                      file.bytes + kBlockBytes};
        for (const Batch& batch : file.batches) {
            const std::uint64_t end = batch.offset + batch.header.padded_bytes;
            sizes.insert(
                {batch.offset + 1, batch.offset + BatchHeader::kBytes, end - 1, end, end + 1, end + kBlockBytes});
        }
        for (const std::uint64_t bytes : sizes) {
            if (bytes != file.bytes) targets.push_back({file.path, bytes});
        }
    }
    return targets;
}

std::vector<SwapTarget> FileMap::swap_targets() const {
    std::vector<SwapTarget> targets;
    // Of the newest file with something in it only a mark in the one before may tell, and files behind it hold nothing.
    std::size_t newest = files_.size();
    while (newest > 0 && files_[newest - 1].batches.empty()) --newest;
    for (std::size_t i = 0; i < files_.size(); ++i) {
        for (std::size_t j = i + 1; j < files_.size(); ++j) targets.push_back({files_[i].path, files_[j].path});
        const bool marked = i > 0 && i + 1 == newest && !files_[i - 1].batches.empty() &&
                            (files_[i - 1].batches.back().header.flags & BatchHeader::kContinued) != 0;
        if (i + 1 != newest || marked) targets.push_back({files_[i].path, {}});
    }
    return targets;
}

Losses FileMap::losses(const std::string& path, std::uint64_t begin, std::uint64_t end) const {
    std::uint64_t lost_from = UINT64_MAX;
    for (const MappedFile& file : files_) {
        if (file.path != path) continue;
        for (const Batch& batch : file.batches) {
            const bool hit = begin < batch.offset + batch.header.padded_bytes && end > batch.offset;
            if (hit && unproven(batch)) lost_from = std::min(lost_from, batch.header.batch_seq);
        }
    }
    Losses losses;
    for (const MappedFile& file : files_) {
        for (const Batch& batch : file.batches) {
            if (!unproven(batch) || batch.header.batch_seq < lost_from) continue;
            for (const RecordHeader& record : batch.records) {
                Loss& loss = losses[ContainerId{record.log}];
                if (record.type == RecordType::kEntry) loss.entries_from = std::min(loss.entries_from, record.index);
                if (record.type == RecordType::kPromise) loss.owner = true;
                if (record.type == RecordType::kTruncate) loss.truncation = true;
            }
        }
    }
    return losses;
}

std::optional<UnreadableEntry> FileMap::entry_at(const std::string& path, std::uint64_t offset) const {
    for (const MappedFile& file : files_) {
        if (file.path != path) continue;
        for (const Batch& batch : file.batches) {
            for (std::size_t i = 0; i < batch.records.size(); ++i) {
                const RecordHeader& record = batch.records[i];
                const std::uint64_t begin = batch.offset + batch.bodies[i];
                if (record.type != RecordType::kEntry || offset < begin || offset >= begin + record.body_bytes)
                    continue;
                return UnreadableEntry{ContainerId{record.log}, record.index, path};
            }
        }
    }
    return std::nullopt;
}

}  // namespace millrace::crash
