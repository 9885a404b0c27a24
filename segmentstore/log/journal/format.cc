// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/journal/format.h"

#include "common/base/binary.h"
#include "common/base/crc32c.h"

namespace millrace::log {

namespace {

constexpr std::uint64_t kFileMagic =
    0x004c4e524a524d89;                            // 89 'M' 'R' 'J' 'R' 'N' 'L' 00 in the file
constexpr std::uint32_t kBatchMagic = 0x4842524d;  // 'M' 'R' 'B' 'H'
constexpr std::uint16_t kBatchVersion = 1;
constexpr std::size_t kFileCrcAt = 12;
// Counting from 1 never comes here: what is above was not counted, and might have no next.
constexpr std::uint64_t kNumberMax = 1ull << 62;

Error corrupt(std::string what) { return Error{ErrorCode::kCorrupt, std::move(what)}; }

template <class T>
void put(MutableByteView into, std::size_t at, T value) {
    value = detail::in_order<std::endian::little>(value);
    std::memcpy(into.data() + at, &value, sizeof value);
}

// The salt goes first, so that the same header in another file has another checksum.
std::uint32_t salted_crc(ByteView bytes, std::uint64_t salt) {
    salt = detail::in_order<std::endian::little>(salt);
    return crc32c(bytes, crc32c(ByteView{reinterpret_cast<const std::byte*>(&salt), sizeof salt}));
}

// Of the block with its own checksum field taken as zeros.
std::uint32_t file_header_crc(ByteView block) {
    constexpr std::array<std::byte, 4> kZeros{};
    const std::uint32_t before = crc32c(block.first(kFileCrcAt));
    return crc32c(block.subspan(kFileCrcAt + 4), crc32c(kZeros, before));
}

}  // namespace

void encode_file_header(const FileHeader& header, MutableByteView block) {
    MR_CHECK(block.size() == kBlockBytes);
    std::memset(block.data(), 0, block.size());
    put(block, 0, kFileMagic);
    put(block, 8, kFormatVersion);
    std::memcpy(block.data() + 16, header.store.data(), header.store.size());
    put(block, 32, header.file_seq);
    put(block, 40, header.salt);
    put(block, 48, header.previous_seq);
    put(block, 56, header.file_bytes);
    put(block, kFileCrcAt, file_header_crc(block));
}

Result<FileHeader> decode_file_header(ByteView block) {
    if (block.size() != kBlockBytes) return corrupt("the file is shorter than its header");
    LittleEndianReader reader{block};
    if (reader.u64() != kFileMagic)
        return corrupt("this is not a journal file (wrong magic number)");
    const std::uint32_t version = reader.u32();
    if (reader.u32() != file_header_crc(block))
        return corrupt("the file header fails its checksum");
    // After the checksum: a flipped bit is not a newer version.
    if (version != kFormatVersion) {
        return Error{ErrorCode::kUnsupported,
                     "the file has format version " + std::to_string(version) +
                         ", this program reads version " + std::to_string(kFormatVersion)};
    }
    FileHeader header;
    const ByteView store = reader.bytes(header.store.size());
    std::memcpy(header.store.data(), store.data(), store.size());
    header.file_seq = reader.u64();
    header.salt = reader.u64();
    header.previous_seq = reader.u64();
    header.file_bytes = reader.u64();
    return header;
}

std::uint32_t encode_batch_header(const BatchHeader& header, std::uint64_t salt,
                                  MutableByteView into) {
    MR_CHECK(into.size() >= BatchHeader::kBytes);
    put(into, 0, kBatchMagic);
    put(into, 8, header.file_seq);
    put(into, 16, header.batch_seq);
    put(into, 24, header.synced_through);
    put(into, 32, header.records_bytes);
    put(into, 36, header.record_count);
    put(into, 40, header.records_crc);
    put(into, 44, kBatchVersion);
    put(into, 46, header.flags);
    put(into, 48, header.padded_bytes);
    put(into, 52, header.previous_crc);
    put(into, 56, header.wall_time_ms);
    const std::uint32_t crc = salted_crc(into.subspan(8, BatchHeader::kBytes - 8), salt);
    put(into, 4, crc);
    return crc;
}

Result<BatchHeader> decode_batch_header(ByteView bytes, std::uint64_t salt) {
    LittleEndianReader reader{bytes};
    if (reader.u32() != kBatchMagic) return corrupt("no batch starts here");
    BatchHeader header;
    header.header_crc = reader.u32();
    header.file_seq = reader.u64();
    header.batch_seq = reader.u64();
    header.synced_through = reader.u64();
    header.records_bytes = reader.u32();
    header.record_count = reader.u32();
    header.records_crc = reader.u32();
    const std::uint16_t version = reader.u16();
    header.flags = reader.u16();
    header.padded_bytes = reader.u32();
    header.previous_crc = reader.u32();
    header.wall_time_ms = reader.u64();
    if (reader.failed()) return corrupt("the file ends inside a batch header");
    if (header.header_crc != salted_crc(bytes.subspan(8, BatchHeader::kBytes - 8), salt)) {
        return corrupt("the batch header fails its checksum");
    }
    if (version != kBatchVersion) {
        return Error{ErrorCode::kUnsupported, "the batch has version " + std::to_string(version) +
                                                  ", this program reads version " +
                                                  std::to_string(kBatchVersion)};
    }
    const std::uint64_t headers = std::uint64_t{header.record_count} * RecordHeader::kBytes;
    const std::uint64_t used = BatchHeader::kBytes + std::uint64_t{header.records_bytes};
    if (headers > header.records_bytes || header.padded_bytes % kBlockBytes != 0 ||
        used > header.padded_bytes || header.padded_bytes - used >= kBlockBytes ||
        header.synced_through >= header.batch_seq || header.batch_seq > kNumberMax) {
        return corrupt("the batch header contradicts itself");
    }
    return header;
}

void encode_record_header(const RecordHeader& header, MutableByteView into) {
    MR_CHECK(into.size() >= RecordHeader::kBytes);
    put(into, 0, static_cast<std::uint8_t>(header.type));
    put(into, 1, header.flags);
    put(into, 2, static_cast<std::uint16_t>(RecordHeader::kBytes));
    put(into, 4, header.body_bytes);
    put(into, 8, header.log);
    put(into, 12, header.body_crc);
    put(into, 16, header.epoch);
    put(into, 24, header.index);
}

Result<RecordHeader> decode_record_header(ByteView bytes) {
    LittleEndianReader reader{bytes};
    RecordHeader header;
    const std::uint8_t type = reader.u8();
    header.flags = reader.u8();
    const std::uint16_t header_bytes = reader.u16();
    header.body_bytes = reader.u32();
    header.log = reader.u32();
    header.body_crc = reader.u32();
    header.epoch = reader.u64();
    header.index = reader.u64();
    if (reader.failed()) return corrupt("a record header is cut off");
    if (type < 1 || type > static_cast<std::uint8_t>(RecordType::kRetired)) {
        return corrupt("unknown record type " + std::to_string(type));
    }
    if (header_bytes != RecordHeader::kBytes || header.flags != 0)
        return corrupt("a record header has an unknown form");
    if (header.epoch > kNumberMax || header.index > kNumberMax) return corrupt("a record header has an impossible number");
    header.type = static_cast<RecordType>(type);
    return header;
}

void encode_log_states(const std::vector<LogStateItem>& items, ByteBuffer& out) {
    LittleEndianWriter writer{out};
    for (const LogStateItem& item : items) {
        MR_CHECK(item.anchor.size() <= LogStateItem::kMaxAnchorBytes);
        writer.u32(item.log);
        writer.u32(static_cast<std::uint32_t>(item.anchor.size()));
        writer.u64(item.epoch);
        writer.u64(item.first);
        writer.u64(item.next);
        writer.bytes(as_bytes(item.anchor));
        for (std::size_t at = item.anchor.size(); at % 8 != 0; ++at) writer.u8(0);
    }
}

Result<std::vector<LogStateItem>> decode_log_states(ByteView body) {
    LittleEndianReader reader{body};
    std::vector<LogStateItem> items;
    while (reader.remaining() > 0) {
        LogStateItem& item = items.emplace_back();
        item.log = reader.u32();
        const std::uint32_t anchor_bytes = reader.u32();
        item.epoch = reader.u64();
        item.first = reader.u64();
        item.next = reader.u64();
        if (anchor_bytes > LogStateItem::kMaxAnchorBytes) return corrupt("the anchor of a log is too long");
        item.anchor = as_text(reader.bytes(anchor_bytes));
        reader.bytes((8 - anchor_bytes % 8) % 8);
        if (reader.failed()) return corrupt("the state of the logs has a broken length");
        if (item.epoch < 1 || item.epoch > kNumberMax || item.first < 1 || item.first > item.next || item.next > kNumberMax)
            return corrupt("the state of a log contradicts itself");
    }
    return items;
}

void encode_file_list(const std::vector<FileListItem>& items, ByteBuffer& out) {
    LittleEndianWriter writer{out};
    for (const FileListItem& item : items) {
        writer.u64(item.file_seq);
        writer.u64(item.salt);
        writer.u64(item.end);
        writer.u64(item.last_batch);
    }
}

Result<std::vector<FileListItem>> decode_file_list(ByteView body) {
    if (body.size() % FileListItem::kBytes != 0)
        return corrupt("the list of files has a broken length");
    LittleEndianReader reader{body};
    std::vector<FileListItem> items(body.size() / FileListItem::kBytes);
    std::uint64_t previous = 0;
    for (FileListItem& item : items) {
        item.file_seq = reader.u64();
        item.salt = reader.u64();
        item.end = reader.u64();
        item.last_batch = reader.u64();
        if (item.file_seq <= previous || item.end % kBlockBytes != 0 || item.end <= kBlockBytes) {
            return corrupt("the list of files contradicts itself");
        }
        previous = item.file_seq;
    }
    return items;
}

void encode_retired(const std::vector<std::uint64_t>& files, ByteBuffer& out) {
    LittleEndianWriter writer{out};
    for (const std::uint64_t seq : files) writer.u64(seq);
}

Result<std::vector<std::uint64_t>> decode_retired(ByteView body) {
    if (body.empty() || body.size() % 8 != 0) return corrupt("the list of retired files has a broken length");
    LittleEndianReader reader{body};
    std::vector<std::uint64_t> files(body.size() / 8);
    for (std::uint64_t& seq : files) seq = reader.u64();
    return files;
}

std::string file_name(std::uint64_t file_seq) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string name(16, '0');
    for (std::size_t i = 0; i < 16; ++i) name[15 - i] = kDigits[(file_seq >> (4 * i)) & 15];
    return name + ".wal";
}

std::uint64_t file_seq_of(std::string_view name) {
    std::uint64_t seq = 0;
    if (name.size() != 20) return 0;
    for (const char c : name.substr(0, 16)) {
        const bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f')) return 0;
        seq = seq << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
    }
    return name.substr(16) == ".wal" ? seq : 0;
}

}  // namespace millrace::log
