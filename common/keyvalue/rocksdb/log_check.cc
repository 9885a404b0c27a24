// SPDX-License-Identifier: Apache-2.0
//
// RocksDB's log: blocks of 32 KiB; in each, records {masked crc32c u32, length u16, type u8, payload}; a record that does
// not fit is cut into a first, middle and last one; a rest of less than 7 bytes is zeros. A whole record is a batch:
// {sequence u64, count u32, entries}. All integers little-endian.
#include "common/keyvalue/rocksdb/log_check.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "common/base/binary.h"
#include "common/base/crc32c.h"
#include "common/keyvalue/rocksdb/directory.h"
#include "common/keyvalue/rocksdb/errors.h"

namespace millrace::keyvalue {

namespace {

constexpr std::size_t kBlockBytes = 32 * 1024;
constexpr std::size_t kHeaderBytes = 7;
enum : std::uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };
constexpr std::uint8_t kLogDataEntry = 3;
constexpr std::uint8_t kMark = 's';
constexpr std::size_t kMarkBytes = 9;
// Batch header, entry type, length of the mark, the mark.
constexpr std::size_t kHeadBytes = 8 + 4 + 1 + 1 + kMarkBytes;

std::uint32_t masked(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8U; }

class LogCheck {
public:
    explicit LogCheck(std::string path) : path_{std::move(path)} {}

    // False: nothing more can be said about this log.
    bool take_block(std::uint64_t offset, ByteView block) {
        std::size_t at = 0;
        while (block.size() - at >= kHeaderBytes) {
            const std::optional<Piece> piece = piece_at(block, at);
            if (!piece) {
                broken(offset + at);
                // Where the next one begins, a broken length does not tell: wherever one is found.
                do ++at;
                while (block.size() - at >= kHeaderBytes && !piece_at(block, at));
                continue;
            }
            if (piece->type > kLast) return false;
            take_piece(offset + at, piece->type, piece->payload);
            if (lost_) return false;
            at += kHeaderBytes + piece->payload.size();
        }
        return true;
    }

    Result<void> result() const {
        if (!lost_) return ok();
        return Error{ErrorCode::kCorrupt, "the log " + path_ + " is damaged at offset " + std::to_string(*broken_at_) +
                                              ", in what was synced before"};
    }

private:
    struct Piece {
        std::uint8_t type = 0;
        ByteView payload;
    };
    // Whole and with its checksum, which is over the type and the payload; else nothing. REQUIRES: room for a header.
    static std::optional<Piece> piece_at(ByteView block, std::size_t at) {
        LittleEndianReader header{block.subspan(at, kHeaderBytes)};
        const std::uint32_t stored = header.u32();
        const std::size_t length = header.u16();
        const std::uint8_t type = header.u8();
        if (type == 0 || length > block.size() - at - kHeaderBytes) return std::nullopt;
        if (stored != masked(crc32c(block.subspan(at + 6, 1 + length)))) return std::nullopt;
        return Piece{type, block.subspan(at + kHeaderBytes, length)};
    }

    void broken(std::uint64_t offset) {
        if (!broken_at_) broken_at_ = offset;
        inside_ = false;
    }

    void take_piece(std::uint64_t offset, std::uint8_t type, ByteView payload) {
        const bool begins = type == kFull || type == kFirst;
        if (begins == inside_) broken(offset);  // a record without its end, or an end without its record
        if (begins) {
            head_.clear();
            head_looked_at_ = false;
        } else if (!inside_) {
            return;
        }
        inside_ = type != kFull && type != kLast;
        const std::size_t room = kHeadBytes - head_.size();
        head_.append(payload.first(std::min(room, payload.size())));
        if (!head_looked_at_ && head_.size() == kHeadBytes) look_at_head();
        if (!inside_ && !broken_at_ && head_looked_at_) last_good_ = last_of_this_;
    }

    void look_at_head() {
        head_looked_at_ = true;
        LittleEndianReader head{head_.view()};
        const std::uint64_t sequence = head.u64();
        const std::uint32_t count = head.u32();
        last_of_this_ = sequence + count - 1;
        if (!broken_at_) return;
        if (head.u8() != kLogDataEntry || head.u8() != kMarkBytes || head.u8() != kMark) return;
        // Where the broken place is the log's first, all that is known is that this record's predecessor lies in it.
        if (!last_good_) last_good_ = sequence >= 2 ? sequence - 2 : 0;
        if (head.u64() > *last_good_) lost_ = true;
    }

    const std::string path_;
    ByteBuffer head_;
    bool head_looked_at_ = false;
    bool inside_ = false;
    std::uint64_t last_of_this_ = 0;
    std::optional<std::uint64_t> last_good_;  // last sequence number before the broken place
    std::optional<std::uint64_t> broken_at_;
    bool lost_ = false;
};

Result<void> check_log(rocksdb::FileSystem& files, const std::string& path) {
    std::unique_ptr<rocksdb::FSSequentialFile> file;
    rocksdb::IOStatus status = files.NewSequentialFile(path, rocksdb::FileOptions{}, &file, nullptr);
    LogCheck check{path};
    std::vector<char> memory(kBlockBytes);
    for (std::uint64_t offset = 0; status.ok(); offset += kBlockBytes) {
        rocksdb::Slice got;
        status = file->Read(kBlockBytes, rocksdb::IOOptions{}, &got, memory.data(), nullptr);
        if (!status.ok()) break;
        if (!check.take_block(offset, as_bytes(std::string_view{got.data(), got.size()}))) break;
        if (got.size() < kBlockBytes) break;
    }
    if (!status.ok()) return to_error(status, "reading the log " + path);
    return check.result();
}

}  // namespace

void put_synced_through(rocksdb::WriteBatch& batch, std::uint64_t sequence) {
    ByteBuffer mark;
    LittleEndianWriter writer{mark};
    writer.u8(kMark);
    writer.u64(sequence);
    MR_CHECK(batch.PutLogData({reinterpret_cast<const char*>(mark.data()), mark.size()}).ok());
}

Result<void> check_logs(rocksdb::FileSystem& files, const std::string& db_path) {
    if (!files.FileExists(db_path, rocksdb::IOOptions{}, nullptr).ok()) return ok();
    std::vector<std::string> names;
    const rocksdb::IOStatus listed = files.GetChildren(db_path, rocksdb::IOOptions{}, &names, nullptr);
    if (!listed.ok()) return to_error(listed, "listing " + db_path);
    for (const std::string& name : names) {
        if (name.ends_with(".log")) MR_TRY_VOID(check_log(files, db_path + "/" + name));
    }
    return ok();
}

}  // namespace millrace::keyvalue
