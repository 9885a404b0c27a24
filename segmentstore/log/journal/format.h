// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a journal file: docs/formats/journal.md. Pure encoding and decoding; what a bad
// block means is recovery's business. Little-endian.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/runtime/aligned_buffer.h"

namespace millrace::log {

// Everything in a file starts and ends on this boundary.
inline constexpr std::size_t kBlockBytes = kDirectAlignment;
inline constexpr std::uint32_t kFormatVersion = 2;

using StoreUuid = std::array<std::byte, 16>;

// Block 0 of a file.
struct FileHeader {
    StoreUuid store{};
    std::uint64_t file_seq = 0;
    // Random; seeds the checksums of all batches, so that bytes of another life of the disk never
    // pass.
    std::uint64_t salt = 0;
    // The newest file that held something proven durable when this one was made; 0: there was none.
    std::uint64_t previous_seq = 0;
    std::uint64_t file_bytes = 0;
};

// REQUIRES: block.size() == kBlockBytes.
void encode_file_header(const FileHeader& header, MutableByteView block);
// kCorrupt, or kUnsupported for a newer format version. The detail says what is wrong, not where.
Result<FileHeader> decode_file_header(ByteView block);

struct BatchHeader {
    static constexpr std::size_t kBytes = 64;
    // flags
    static constexpr std::uint16_t kFirstOfFile = 1;
    static constexpr std::uint16_t kContinued =
        2;  // the file is full; the next one holds durable data

    std::uint64_t file_seq = 0;
    std::uint64_t batch_seq = 0;
    // All batches up to this one were known to be durable when this one was written.
    std::uint64_t synced_through = 0;
    std::uint32_t records_bytes = 0;  // record headers and bodies
    std::uint32_t record_count = 0;
    std::uint32_t records_crc = 0;  // of the record headers
    std::uint16_t flags = 0;
    std::uint32_t padded_bytes = 0;  // the whole batch; a multiple of kBlockBytes
    std::uint32_t previous_crc =
        0;  // header_crc of the batch before it in the file; 0 for the first
    std::uint64_t wall_time_ms = 0;  // for humans
    std::uint32_t header_crc = 0;    // set by encoding and decoding
};

// Writes the header over the first kBytes and returns its crc.
std::uint32_t encode_batch_header(const BatchHeader& header, std::uint64_t salt,
                                  MutableByteView into);
// kCorrupt for whatever is not a batch header written with this salt.
Result<BatchHeader> decode_batch_header(ByteView bytes, std::uint64_t salt);

enum class RecordType : std::uint8_t {
    kEntry = 1,     // an entry of a log
    kPromise = 2,   // a new owner took the log over: only `epoch` counts
    kLogState = 3,  // the state of every log, as of just before this batch
    kFileList = 4,  // the older files that must exist
    kTruncate = 5,  // a log's first needed index, with its anchor
    kRetired = 6,   // listed files that nothing needs any more
};

struct RecordHeader {
    static constexpr std::size_t kBytes = 32;

    RecordType type = RecordType::kEntry;
    std::uint8_t flags = 0;
    std::uint32_t body_bytes = 0;
    std::uint32_t log = 0;
    std::uint32_t body_crc = 0;
    std::uint64_t epoch = 0;
    std::uint64_t index = 0;
};

void encode_record_header(const RecordHeader& header, MutableByteView into);
Result<RecordHeader> decode_record_header(ByteView bytes);

// One log in a kLogState body.
struct LogStateItem {
    static constexpr std::size_t kBytes = 32;  // without the anchor
    static constexpr std::size_t kMaxAnchorBytes = 256;

    std::uint32_t log = 0;
    std::uint64_t epoch = 0;
    std::uint64_t first = 1;  // entries [first, next) exist
    std::uint64_t next = 1;
    std::string anchor;  // opaque

    bool operator==(const LogStateItem&) const = default;
};
void encode_log_states(const std::vector<LogStateItem>& items, ByteBuffer& out);
Result<std::vector<LogStateItem>> decode_log_states(ByteView body);

// One file in a kFileList body: its batches up to `end` count, whatever comes after does not.
struct FileListItem {
    static constexpr std::size_t kBytes = 32;

    std::uint64_t file_seq = 0;
    std::uint64_t salt = 0;
    std::uint64_t end = 0;  // offset
    std::uint64_t last_batch = 0;

    bool operator==(const FileListItem&) const = default;
};
void encode_file_list(const std::vector<FileListItem>& items, ByteBuffer& out);
Result<std::vector<FileListItem>> decode_file_list(ByteView body);

// Numbers of files in a kRetired body.
void encode_retired(const std::vector<std::uint64_t>& files, ByteBuffer& out);
Result<std::vector<std::uint64_t>> decode_retired(ByteView body);

// "000000000000001a.wal"
std::string file_name(std::uint64_t file_seq);
// The number in such a name, 0 for every other name.
std::uint64_t file_seq_of(std::string_view name);

}  // namespace millrace::log
