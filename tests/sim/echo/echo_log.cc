// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/echo/echo_log.h"

#include "common/base/binary.h"
#include "common/base/crc32c.h"
#include "common/runtime/rare.h"

namespace millrace::sim::echo {

namespace {

constexpr const char* kDirectory = "/echo";
constexpr const char* kPromisePath = "/echo/promise";
constexpr std::size_t kHeaderBytes = 12;  // epoch and checksum; the promise is the same

ByteBuffer encode_header(std::uint64_t epoch) {
    ByteBuffer out;
    LittleEndianWriter writer{out};
    writer.u64(epoch);
    writer.u32(crc32c(out.view()));
    return out;
}

bool decode_header(ByteView bytes, std::uint64_t& epoch) {
    LittleEndianReader reader{bytes};
    epoch = reader.u64();
    return reader.u32() == crc32c(bytes.first(std::min<std::size_t>(bytes.size(), 8))) && !reader.failed();
}

// Length, checksum of all that follows, number, body.
void encode_record(const Record& record, ByteBuffer& out) {
    const std::size_t begin = out.size();
    LittleEndianWriter writer{out};
    writer.u32(static_cast<std::uint32_t>(record.body.size()));
    writer.u32(0);
    writer.u64(record.number);
    writer.bytes(record.body);
    writer.patch_u32(begin + 4, crc32c(out.view().subspan(begin + 8)));
}

// Says so when a call is made at the wrong moment.
class OneCall {
public:
    OneCall(bool& busy, bool closed) : busy_{busy} {
        MR_CHECK(!closed);
        MR_CHECK(!busy);
        busy = true;
    }
    OneCall(const OneCall&) = delete;
    OneCall& operator=(const OneCall&) = delete;
    ~OneCall() { busy_ = false; }

private:
    bool& busy_;
};

}  // namespace

Log::Contents Log::parse(Bytes bytes) {
    Contents found;
    if (bytes.size() < kHeaderBytes || !decode_header(bytes.view().first(kHeaderBytes), found.epoch)) return found;
    found.end = kHeaderBytes;
    for (;;) {
        LittleEndianReader reader{bytes.view().subspan(found.end)};
        const std::uint32_t length = reader.u32();
        const std::uint32_t checksum = reader.u32();
        const ByteView covered = reader.bytes(8 + std::size_t{length});
        if (reader.failed()) break;
        if (crc32c(covered) != checksum) break;
        const std::uint64_t number = LittleEndianReader{covered}.u64();
        // Zeros check out as a record of nothing only by chance; numbers must follow each other.
        if (number != found.records.size() + 1) break;
        found.records.push_back(Record{number, bytes.slice(found.end + 16, length)});
        found.end += 16 + length;
    }
    return found;
}

Task<Result<std::unique_ptr<Log>>> Log::open(Runtime runtime, Bugs bugs) {
    std::unique_ptr<Log> log{new Log{runtime, bugs}};
    MR_CO_TRY_VOID(co_await log->recover());
    co_return std::move(log);
}

Task<Result<Bytes>> Log::read_file(std::string path) {
    auto opened = co_await runtime_.disk.open(path, OpenOptions{.mode = OpenMode::kReadOnly});
    if (!opened && opened.error().is(ErrorCode::kNotFound)) co_return Bytes{};
    MR_CO_TRY(auto file, std::move(opened));
    MR_CO_TRY(const std::uint64_t size, co_await file->size());
    ByteBuffer bytes(size);
    MR_CO_TRY(const std::size_t count, co_await file->read_at(0, bytes.mutable_view()));
    bytes.resize(count);
    co_return Bytes{std::move(bytes)};
}

Task<Result<std::unique_ptr<File>>> Log::write_file(std::string path, ByteBuffer bytes) {
    const std::string temporary = path + ".new";
    MR_CO_TRY(auto file, co_await runtime_.disk.open(temporary, OpenOptions{.mode = OpenMode::kCreate}));
    // One may be left from before.
    MR_CO_TRY_VOID(co_await file->truncate(0));
    MR_CO_TRY_VOID(co_await file->write_and_sync(0, bytes.view()));
    MR_CO_TRY_VOID(co_await runtime_.disk.rename(temporary, path));
    MR_CO_TRY_VOID(co_await runtime_.disk.sync_directory(kDirectory));
    co_return std::move(file);
}

Task<Result<void>> Log::recover() {
    MR_CO_TRY_VOID(co_await runtime_.disk.create_directories(kDirectory));
    MR_CO_TRY(lock_, co_await runtime_.disk.lock_directory(kDirectory));
    MR_CO_TRY(const Bytes promise, co_await read_file(kPromisePath));
    if (!promise.empty() && !decode_header(promise, promised_)) {
        co_return Error{ErrorCode::kCorrupt, std::string{kPromisePath} + ": checksum does not match"};
    }
    MR_CO_TRY(const Bytes bytes, co_await read_file(kPath));
    Contents found = parse(bytes);
    if (found.end < bytes.size()) MR_PROBE("echo.log.recovered_bad_tail");
    if (!found.records.empty()) MR_PROBE("echo.log.recovered_records");
    epoch_ = found.epoch;
    if (bugs_.trust_unsynced_tail && found.end > 0) {
        MR_CO_TRY(file_, co_await runtime_.disk.open(kPath, OpenOptions{.mode = OpenMode::kReadWrite}));
        records_ = std::move(found.records);
        end_ = found.end;
        co_return ok();
    }
    co_return co_await replace(epoch_, std::move(found.records));
}

Task<Result<void>> Log::promise(std::uint64_t epoch) {
    const OneCall call{busy_, closed_};
    MR_CHECK(epoch >= promised_);
    MR_CO_TRY(auto file, co_await write_file(kPromisePath, encode_header(epoch)));
    promised_ = epoch;
    co_return ok();
}

Task<Result<void>> Log::replace(std::uint64_t epoch, Records records) {
    const OneCall call{busy_, closed_};
    ByteBuffer bytes = encode_header(epoch);
    for (const Record& record : records) encode_record(record, bytes);
    const std::uint64_t end = bytes.size();
    MR_CO_TRY(auto file, co_await write_file(kPath, std::move(bytes)));
    file_ = std::move(file);
    end_ = end;
    epoch_ = epoch;
    records_ = std::move(records);
    co_return ok();
}

Task<Result<void>> Log::append(Records records) {
    const OneCall call{busy_, closed_};
    ByteBuffer bytes;
    for (const Record& record : records) {
        MR_CHECK(record.number == records_.size() + 1 + static_cast<std::size_t>(&record - records.data()));
        encode_record(record, bytes);
    }
    if (bugs_.ack_before_sync) {
        MR_CO_TRY_VOID(co_await file_->write_at(end_, bytes.view()));
    } else {
        MR_CO_TRY_VOID(co_await file_->write_and_sync(end_, bytes.view()));
    }
    end_ += bytes.size();
    records_.insert(records_.end(), std::make_move_iterator(records.begin()), std::make_move_iterator(records.end()));
    co_return ok();
}

}  // namespace millrace::sim::echo
