// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/journal/journal_view.h"

#include <deque>
#include <utility>

#include "segmentstore/log/journal/entry_reader.h"
#include "segmentstore/log/journal/recovery.h"

namespace millrace::log {

namespace {

// What recovery vouches for, and after it what a start would write anew, which is in memory.
struct ViewedLog {
    EntryIndex durable;
    std::deque<Bytes> tail;
    Index first{1};
    std::uint64_t epoch = 0;
    Bytes anchor;

    Index next() const { return Index{durable.next().number() + tail.size()}; }
};

class ReadOnlyLog final : public DurableLog {
public:
    ReadOnlyLog(const ViewedLog& log, EntryReader& reader) : log_{log}, reader_{reader} {}

    Index first() const override { return log_.first; }
    Index next() const override { return log_.next(); }
    OwnerEpoch epoch() const override { return OwnerEpoch{log_.epoch}; }
    const Bytes& anchor() const override { return log_.anchor; }

    Task<Result<Index>> append(std::vector<Bytes>) override { co_return refused(); }
    Task<Result<void>> truncate(Index, Bytes) override { co_return refused(); }
    Task<Result<void>> confirm_ownership() override { co_return refused(); }
    bool is_exclusive() const override { return false; }
    Task<void> close() override { co_return; }

    Task<Result<Bytes>> read(Index index, std::size_t offset, std::size_t length) override {
        if (index < first() || index >= next()) {
            co_return Error{ErrorCode::kNotFound, "the log has entries " + to_string(first()) + " to " + to_string(next())};
        }
        if (log_.durable.contains(index)) co_return co_await reader_.read(log_.durable.at(index), offset, length);
        const Bytes& body = log_.tail[index.number() - log_.durable.next().number()];
        offset = std::min(offset, body.size());
        co_return body.slice(offset, std::min(length, body.size() - offset));
    }

private:
    static Error refused() { return {ErrorCode::kFailedPrecondition, "the log was opened for looking at it"}; }

    const ViewedLog& log_;
    EntryReader& reader_;
};

class JournalViewImpl final : public JournalView {
public:
    JournalViewImpl(Runtime runtime, std::string directory, Recovered recovered)
        : reader_{runtime, std::move(directory), true}, torn_{std::move(recovered.torn)} {
        for (auto& [id, log] : recovered.logs) {
            ViewedLog& viewed = logs_[ContainerId{id}];
            viewed.durable = std::move(log.entries);
            viewed.first = log.first;
            viewed.epoch = log.epoch;
            viewed.anchor = Bytes::copy_of(log.anchor);
        }
        for (TailRecord& record : recovered.tail) take_tail(record);
    }

    std::vector<ContainerId> logs() const override {
        std::vector<ContainerId> ids;
        for (const auto& [id, log] : logs_) ids.push_back(id);
        return ids;
    }
    std::unique_ptr<DurableLog> log(ContainerId id) override { return std::make_unique<ReadOnlyLog>(logs_.at(id), reader_); }
    const std::string& torn() const override { return torn_; }

private:
    void take_tail(TailRecord& record) {
        ViewedLog& log = logs_[ContainerId{record.header.log}];
        switch (record.header.type) {
        case RecordType::kEntry: log.tail.push_back(Bytes{std::move(record.body)}); break;
        case RecordType::kPromise: log.epoch = record.header.epoch; break;
        case RecordType::kTruncate:
            log.first = Index{record.header.index};
            log.anchor = Bytes{std::move(record.body)};
            break;
        default: break;
        }
    }

    EntryReader reader_;
    std::map<ContainerId, ViewedLog> logs_;
    std::string torn_;
};

Task<Result<JournalFileInfo>> look_at(Runtime runtime, std::string directory, std::string name, const BatchVisitor& visit) {
    JournalFileInfo info;
    info.name = std::move(name);
    const std::string path = directory + "/" + info.name;
    MR_CO_TRY(auto file, co_await runtime.disk.open(path, OpenOptions{.mode = OpenMode::kReadOnly, .direct = true}));
    MR_CO_TRY(info.bytes, co_await file->size());
    FileWindow window{*file, info.bytes};
    MR_CO_TRY(const ByteView block, co_await window.view(0, kBlockBytes));
    const Result<FileHeader> header = decode_file_header(block);
    if (!header) {
        info.remark = header.error().detail();
        co_return info;
    }
    info.header = *header;
    BatchPlace place;
    for (;;) {
        const Result<WholeBatch> batch = co_await read_batch(window, *header, place);
        if (!batch) {
            if (!batch.error().is(ErrorCode::kCorrupt)) co_return batch.error();
            break;
        }
        if (visit) visit(info, place.offset, *batch);
        if (info.batches++ == 0) info.first_batch = batch->header.batch_seq;
        info.records += batch->records.size();
        info.last_batch = batch->header.batch_seq;
        info.last_wall_time_ms = batch->header.wall_time_ms;
        place = {place.offset + batch->header.padded_bytes, batch->header.batch_seq + 1, batch->header.header_crc};
        info.end = place.offset;
    }
    co_return info;
}

}  // namespace

Task<Result<std::unique_ptr<JournalView>>> JournalView::open(Runtime runtime, std::string directory,
                                                             std::optional<StoreUuid> store) {
    MR_CO_TRY(Recovered recovered, co_await recover(runtime, directory, {}));
    MR_CO_TRY_VOID(check_store(recovered, store, directory));
    std::unique_ptr<JournalView> view = std::make_unique<JournalViewImpl>(runtime, std::move(directory), std::move(recovered));
    co_return std::move(view);
}

Task<Result<std::vector<JournalFileInfo>>> list_journal_files(Runtime runtime, std::string directory, BatchVisitor visit) {
    MR_CO_TRY(const auto names, co_await runtime.disk.list(directory));
    std::vector<JournalFileInfo> files;
    for (const std::string& name : names) {
        if (file_seq_of(name) == 0) continue;  // not a journal file, or not one yet
        MR_CO_TRY(JournalFileInfo info, co_await look_at(runtime, directory, name, visit));
        files.push_back(std::move(info));
    }
    co_return std::move(files);
}

}  // namespace millrace::log
