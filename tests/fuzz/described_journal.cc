// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/described_journal.h"

#include <algorithm>
#include <vector>

#include "common/base/binary.h"
#include "segmentstore/log/journal/batch.h"
#include "segmentstore/log/journal/format.h"

namespace millrace::fuzz {
namespace {

using namespace millrace::log;

constexpr unsigned kFilesMax = 4;
constexpr unsigned kBatchesMax = 8;
constexpr unsigned kRecordsMax = 6;
constexpr std::uint32_t kLogs = 3;

// In the bytes that open a file and a batch: ways to differ.
struct FileTraits {
    enum : std::uint8_t {
        kSkipsNumbers = 1,
        kOtherStore = 2,
        kSaysPrevious = 4,
        kOtherNumber = 8,
        kCutShort = 16,
        kMissing = 32,
        kUnfinished = 64,
        kSaysSize = 128
    };
};
struct BatchTraits {
    enum : std::uint8_t {
        kSaysSynced = 1,
        kSkipsNumbers = 2,
        kContinued = 4,
        kBreaksChain = 8,
        kNoLists = 16,
        kSaysNumber = 32,
        kNotFirst = 64
    };
};
enum class Said : std::uint8_t {
    kEntry,
    kEntryToo,
    kPromise,
    kTruncation,
    kRetired,
    kAnyRecord,
    kAnyStates,
    kAnyList,
    kCount
};

struct Record {
    RecordHeader header;
    ByteBuffer body;
};

class Description {
public:
    explicit Description(ByteView input) : in_{input} {}

    std::map<std::string, ByteBuffer> read() {
        const unsigned files = 1 + in_.u8() % kFilesMax;
        for (unsigned i = 0; i < files; ++i) read_file();
        while (in_.remaining() > 0 && !names_.empty()) {
            ByteBuffer& file = files_.at(names_[in_.u8() % names_.size()]);
            const std::uint32_t at = in_.u16() | static_cast<std::uint32_t>(in_.u8()) << 16;
            if (at < file.size()) file[at] ^= static_cast<std::byte>(in_.u8());
        }
        return std::move(files_);
    }

private:
    void read_file() {
        const std::uint8_t traits = in_.u8();
        number_ += 1 + ((traits & FileTraits::kSkipsNumbers) != 0 ? in_.u8() : 0);
        FileHeader header;
        header.store.fill(static_cast<std::byte>((traits & FileTraits::kOtherStore) != 0 ? 2 : 1));
        header.file_seq = number_ + ((traits & FileTraits::kOtherNumber) != 0 ? 1 : 0);
        header.salt = 0x5a17'0000'0000 + number_;
        header.previous_seq = (traits & FileTraits::kSaysPrevious) != 0 ? in_.u8()
                              : list_.empty()                           ? 0
                                                                        : list_.back().file_seq;

        ByteBuffer bytes(kBlockBytes);
        std::uint32_t previous_crc = 0;
        const unsigned batches = in_.u8() % kBatchesMax;
        for (unsigned i = 0; i < batches; ++i) add_batch(header, i == 0, previous_crc, bytes);
        const std::uint64_t end = bytes.size();
        const std::size_t blocks_behind = in_.u8() % 4;
        const auto behind = static_cast<std::byte>(in_.u8());
        bytes.resize(end + blocks_behind * kBlockBytes);
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(end), bytes.end(), behind);
        header.file_bytes = (traits & FileTraits::kSaysSize) != 0   ? in_.u64()
                            : (traits & FileTraits::kCutShort) != 0 ? bytes.size() + kBlockBytes
                                                                    : bytes.size();
        encode_file_header(header, bytes.mutable_view().first(kBlockBytes));

        if (batches > 0) list_.push_back({number_, header.salt, end, batch_});
        if ((traits & FileTraits::kMissing) != 0) return;
        const std::string name = file_name(number_) + ((traits & FileTraits::kUnfinished) != 0 ? ".tmp" : "");
        files_[name] = std::move(bytes);
        names_.push_back(name);
    }

    void add_batch(const FileHeader& file, bool first, std::uint32_t& previous_crc, ByteBuffer& into) {
        const std::uint8_t traits = in_.u8();
        ++batch_;
        if ((traits & BatchTraits::kSkipsNumbers) != 0) batch_ += in_.u8();
        if ((traits & BatchTraits::kSaysNumber) != 0) batch_ = std::max<std::uint64_t>(in_.u64(), 1);
        BatchHeader header;
        header.file_seq = file.file_seq;
        header.batch_seq = batch_;
        const std::uint64_t back = (traits & BatchTraits::kSaysSynced) != 0 ? in_.u8() : 0;
        header.synced_through = batch_ - 1 - std::min(back, batch_ - 1);
        if (first && (traits & BatchTraits::kNotFirst) == 0) header.flags |= BatchHeader::kFirstOfFile;
        if ((traits & BatchTraits::kContinued) != 0) header.flags |= BatchHeader::kContinued;
        header.previous_crc = (traits & BatchTraits::kBreaksChain) != 0 ? previous_crc + 1 : previous_crc;

        std::vector<Record> records;
        if (first && (traits & BatchTraits::kNoLists) == 0) add_lists(records);
        const unsigned count = in_.u8() % kRecordsMax;
        for (unsigned i = 0; i < count; ++i) records.push_back(read_record());

        std::size_t body_bytes = 0;
        for (const Record& record : records) body_bytes += record.body.size();
        BatchBuilder builder;
        builder.start(records.size(), body_bytes);
        for (Record& record : records) builder.add(record.header, record.body.view());
        into.append(builder.finish(header, file.salt));
        previous_crc = header.header_crc;
    }

    void add_lists(std::vector<Record>& records) {
        Record states;
        states.header.type = RecordType::kLogState;
        std::vector<LogStateItem> items;
        for (const auto& [log, item] : logs_) items.push_back(item);
        encode_log_states(items, states.body);
        records.push_back(std::move(states));
        Record list;
        list.header.type = RecordType::kFileList;
        encode_file_list(list_, list.body);
        records.push_back(std::move(list));
    }

    LogStateItem& read_log() {
        const std::uint32_t log = in_.u8() % kLogs;
        LogStateItem& item = logs_[log];
        item.log = log;
        return item;
    }

    Record read_record() {
        Record record;
        switch (static_cast<Said>(in_.u8() % static_cast<unsigned>(Said::kCount))) {
            case Said::kEntry:
            case Said::kEntryToo: {
                LogStateItem& log = read_log();
                record.header = {RecordType::kEntry, 0, 0, log.log, 0, log.epoch, log.next++};
                record.body.resize(1 + in_.u8());
                std::fill(record.body.begin(), record.body.end(), static_cast<std::byte>(record.header.index));
                break;
            }
            case Said::kPromise: {
                LogStateItem& log = read_log();
                record.header = {RecordType::kPromise, 0, 0, log.log, 0, ++log.epoch, 0};
                break;
            }
            case Said::kTruncation: {
                LogStateItem& log = read_log();
                log.first += in_.u8() % (log.next - log.first + 1);
                log.anchor = std::string(in_.u8(), 'a');
                record.header = {RecordType::kTruncate, 0, 0, log.log, 0, log.epoch, log.first};
                record.body.append(as_bytes(log.anchor));
                break;
            }
            case Said::kRetired: {
                const std::uint64_t file = in_.u8();
                record.header.type = RecordType::kRetired;
                encode_retired({file}, record.body);
                std::erase_if(list_, [&](const FileListItem& item) { return item.file_seq == file; });
                break;
            }
            case Said::kAnyStates: {
                record.header.type = RecordType::kLogState;
                LogStateItem item{in_.u8() % kLogs, in_.u64(), in_.u64(), in_.u64(), {}};
                encode_log_states({item}, record.body);
                break;
            }
            case Said::kAnyList: {
                record.header.type = RecordType::kFileList;
                encode_file_list({{in_.u8(), in_.u64(), in_.u64(), in_.u64()}}, record.body);
                break;
            }
            default: {
                record.header.type = static_cast<RecordType>(in_.u8());
                record.header.log = in_.u32();
                record.header.epoch = in_.u64();
                record.header.index = in_.u64();
                const std::size_t wanted = in_.u8();
                record.body.append(in_.bytes(std::min(wanted, in_.remaining())));
            }
        }
        return record;
    }

    LittleEndianReader in_;
    std::map<std::string, ByteBuffer> files_;
    std::vector<std::string> names_;
    std::map<std::uint32_t, LogStateItem> logs_;
    std::vector<FileListItem> list_;
    std::uint64_t number_ = 0;
    std::uint64_t batch_ = 0;
};

}  // namespace

std::map<std::string, ByteBuffer> described_journal(ByteView input) { return Description{input}.read(); }

}  // namespace millrace::fuzz
